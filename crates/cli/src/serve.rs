//! `holdfast serve`: the control plane, and a worker that reaches it over HTTP like any other.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::worker::{WorkerConfig, run_worker};
use api::{EdgeSettings, OidcSettings};
use client::Client;
use domain::{ScheduleSettings, Secret};
use store::{Store, now};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::arguments::ServeArguments;
use crate::control_database::locate;
use crate::failure::Failure;
use crate::files::{data_directory_or_default, make_directory, read_or_make_secret};
use crate::network::serves_this_machine_alone;
use crate::signals::shutdown_token;

/// How long open requests may take to end when the service stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What a control plane is started with.
pub struct ControlPlaneOptions {
    pub listen: SocketAddr,
    pub data_directory: PathBuf,
    pub database_url: Option<String>,
    pub master_key_file: Option<PathBuf>,
    pub schedule_settings: ScheduleSettings,
    pub edge: EdgeSettings,
    pub oidc: Option<OidcSettings>,
}

/// A control plane that takes requests.
pub struct ControlPlane {
    service: api::Running,
    store: Store,
    token: Secret,
    data_directory: PathBuf,
}

impl ControlPlane {
    /// Opens the control database and starts the service.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self, Failure> {
        let directory = options.data_directory;
        make_directory(&directory, 0o700)?;
        let database = locate(&directory, options.database_url, options.master_key_file);
        let store = tokio::task::spawn_blocking(move || Store::open_with(&database.url, &database.key_file))
            .await
            .map_err(|error| Failure::other("opening the control database", error))?
            .map_err(|error| Failure::other("opening the control database", error))?;
        let token = read_or_make_secret(&directory.join("worker.token"))?;
        let config = api::ServiceConfig {
            listen: options.listen,
            store: store.clone(),
            worker_token: token.clone(),
            default_storage_path: directory.join("backups"),
            version: env!("CARGO_PKG_VERSION"),
            schedule_settings: options.schedule_settings,
            edge: options.edge,
            oidc: options.oidc,
        };
        let service = api::start(config).await.map_err(|error| match error {
            api::ApiError::NotLoopback(_) | api::ApiError::Bind { .. } => {
                Failure::configuration(format!("{:#}", anyhow::Error::from(error)), "Choose another --listen address.")
            }
            api::ApiError::Certificate(_) => Failure::configuration(
                format!("{:#}", anyhow::Error::from(error)),
                "Give --tls-certificate and --tls-key as PEM files that belong together.",
            ),
            error => Failure::other("starting the service", error),
        })?;
        Ok(Self { service, store, token, data_directory: directory })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// What people open.
    pub fn url(&self) -> &str {
        self.service.url()
    }

    /// A client of it, for this process.
    pub fn client(&self) -> Client {
        Client::new(format!("http://{}", self.service.inner_address()))
    }

    /// Prints the one-time link to set the first administrator's password with, as long as nobody has credentials.
    pub async fn print_first_link(&self) -> Result<(), Failure> {
        let store = self.store.clone();
        let link = tokio::task::spawn_blocking(move || store.user_first_setup_link(now()))
            .await
            .map_err(|error| Failure::other("making the first link", error))?
            .map_err(|error| Failure::other("making the first link", error))?;
        let Some(link) = link else { return Ok(()) };
        tracing::warn!("nobody has a password yet: everybody on this machine is administrator");
        let (url, token) = (self.url(), link.setup_link_token.expose());
        // Whoever only read the first line may have closed the pipe.
        let _ = writeln!(std::io::stdout(), "Set the administrator's password: {url}/setup#{token}");
        Ok(())
    }

    /// Where its worker remembers unfinished restores.
    pub fn worker_directory(&self) -> PathBuf {
        worker_directory(&self.data_directory)
    }

    /// Starts a worker in this process; it ends when the token is cancelled.
    pub fn start_worker(&self, shutdown: CancellationToken) -> JoinHandle<anyhow::Result<()>> {
        let config = WorkerConfig {
            client: self.client().with_token(self.token.clone()),
            name: "local".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            labels: Default::default(),
            state_directory: self.worker_directory(),
        };
        tokio::spawn(run_worker(config, shutdown))
    }

    /// Waits for the shutdown, or for a worker that ended by itself; then for the worker's orderly end, during which the
    /// service goes on to hear its results.
    pub async fn wait_for_end(
        &self,
        worker: Option<JoinHandle<anyhow::Result<()>>>,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        let Some(mut worker) = worker else {
            shutdown.cancelled().await;
            return Ok(());
        };
        let ended = tokio::select! {
            ended = &mut worker => ended,
            () = shutdown.cancelled() => {
                self.service.begin_stop();
                worker.await
            }
        };
        shutdown.cancel();
        ended.map_err(|error| Failure::other("the worker", error))?.map_err(Failure::from)
    }

    /// Ends the service; open requests get a few seconds.
    pub async fn stop(self) {
        self.service.stop(STOP_GRACE).await;
    }
}

/// The worker's folder inside a data directory.
pub fn worker_directory(data_directory: &Path) -> PathBuf {
    data_directory.join("worker")
}

/// Runs until it is told to stop.
pub async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let shutdown = shutdown_token()?;
    let data_directory = data_directory_or_default(arguments.data_dir, "holdfast")?;
    let edge = arguments.edge.settings()?;
    let oidc = arguments.oidc.settings()?;
    arguments.dial.apply(serves_this_machine_alone(arguments.listen, &edge))?;
    let control_plane = ControlPlane::start(ControlPlaneOptions {
        listen: arguments.listen,
        edge,
        oidc,
        data_directory,
        database_url: arguments.database_url,
        master_key_file: arguments.master_key_file,
        schedule_settings: arguments.schedules.into(),
    })
    .await?;
    println!("Holdfast is ready at {}", control_plane.url());
    control_plane.print_first_link().await?;
    let worker = (!arguments.no_worker).then(|| control_plane.start_worker(shutdown.clone()));
    let ended = control_plane.wait_for_end(worker, shutdown).await;
    control_plane.stop().await;
    ended
}
