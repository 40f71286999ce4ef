//! Starting and stopping the service.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use domain::{ScheduleSettings, Secret};
use store::{Store, StoreError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::audit::{self, Operations};
use crate::connections::Connections;
use crate::edge_settings::EdgeSettings;
use crate::endpoints::service;
use crate::limits::RequestRates;
use crate::oidc::OidcSettings;
use crate::oidc::provider::{OidcError, Provider};
use crate::openapi::Addresses;
use crate::problem::ApiProblem;
use crate::state::{AppState, State, now};
use crate::tls::{Certificate, TlsError};
use crate::token::TokenDigest;
use crate::{access, background, configure_documented, edge, extract, limits, same_origin, scheduler, upkeep, web_app};

/// Where the worker beside the service finds it when the service's own address is another or encrypted.
const INNER: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// How often addresses that were quiet are forgotten.
const FORGETTING: Duration = Duration::from_secs(60);
/// Requests are answered by few threads; what blocks runs on others.
const THREADS: usize = 2;

/// What the service needs.
pub struct ServiceConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    pub store: Store,
    /// What workers have to send.
    pub worker_token: Secret,
    /// The directory of the storage named `default`, made when there is none yet.
    pub default_storage_path: PathBuf,
    pub version: &'static str,
    pub schedule_settings: ScheduleSettings,
    pub edge: EdgeSettings,
    /// How people sign in elsewhere.
    pub oidc: Option<OidcSettings>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(
        "{0} is not a loopback address; until somebody can sign in, Holdfast listens on this machine only: use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    #[error("the certificate can't be used")]
    Certificate(#[from] TlsError),
    #[error("the identity provider can't be asked")]
    Oidc(#[source] OidcError),
    #[error("listening on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("preparing the control database")]
    Prepare(#[source] StoreError),
    #[error("preparing the control database broke")]
    PrepareBroke(#[source] tokio::task::JoinError),
    #[error("the service ended")]
    Serve(#[source] std::io::Error),
    #[error("the service broke")]
    ServeBroke(#[source] tokio::task::JoinError),
}

/// A service that answers. Dropping it leaves it running for as long as the runtime does.
pub struct Running {
    address: SocketAddr,
    /// Where programs on this machine reach it without TLS.
    inner_address: SocketAddr,
    url: String,
    handle: ServerHandle,
    state: State,
    server: JoinHandle<std::io::Result<()>>,
    tasks: Vec<JoinHandle<()>>,
}

/// Binds the address and answers from then on. Must be called within a tokio runtime.
///
/// # Errors
/// When the address can't be bound, or is not loopback while nobody can sign in; when the certificate can't be read, or when
/// the control database does not answer.
pub async fn start(config: ServiceConfig) -> Result<Running, ApiError> {
    let ServiceConfig { listen, store, worker_token, default_storage_path, version, schedule_settings, edge, oidc } =
        config;
    let provider = Data::new(oidc.map(Provider::new).transpose().map_err(ApiError::Oidc)?);
    let certificate = edge.tls.clone().map(Certificate::load).transpose()?;
    let path = default_storage_path.to_string_lossy().into_owned();
    let prepared = store.clone();
    let (latest, is_claimed) = tokio::task::spawn_blocking(move || {
        prepared.storage_ensure_default(&path, now())?;
        Ok((prepared.event_latest_id()?, prepared.is_claimed()?))
    })
    .await
    .map_err(ApiError::PrepareBroke)?
    .map_err(ApiError::Prepare)?;
    if !listen.ip().is_loopback() {
        if !is_claimed {
            return Err(ApiError::NotLoopback(listen));
        }
        if edge.is_unprotected() {
            tracing::warn!(
                "passwords and backups' names travel unencrypted: give --tls-certificate and --tls-key, or --trusted-proxy"
            );
        }
    }

    let state = Data::new(AppState::new(store, TokenDigest::of(&worker_token), version, schedule_settings, latest));
    let document = Data::new(crate::openapi());
    let addresses = Data::new(Addresses::of(&document));
    let operations = Data::new(Operations::of(&document));
    let bind = |source| ApiError::Bind { address: listen, source };
    let (for_app, settings) = (state.clone(), Data::new(edge.clone()));
    let (rates, connections) = (Data::new(RequestRates::new(edge.limits.requests_per_second)), Connections::default());
    let (rates_of_app, opened, at_opening) = (rates.clone(), connections.clone(), edge.clone());
    let server = HttpServer::new(move || {
        let docs = Config::new(["/openapi.json"]).try_it_out_enabled(true).validator_url("none");
        App::new()
            .into_utoipa_app()
            .configure(configure_documented)
            .into_app()
            .app_data(for_app.clone())
            .app_data(document.clone())
            .app_data(addresses.clone())
            .app_data(settings.clone())
            .app_data(rates_of_app.clone())
            .app_data(operations.clone())
            .app_data(provider.clone())
            .app_data(extract::path_config())
            .service(service::docs)
            .service(service::docs_errors)
            .service(SwaggerUi::new("/docs/{_:.*}").config(docs))
            .default_service(fn_service(unrouted))
            .wrap(from_fn(access::identify))
            .wrap(from_fn(audit::record))
            .wrap(from_fn(same_origin::check))
            .wrap(from_fn(limits::keep))
            .wrap(from_fn(edge::answer))
    })
    .workers(THREADS)
    .disable_signals()
    .client_request_timeout(edge.limits.head)
    .keep_alive(edge.limits.keep_alive)
    .max_connections(edge.limits.connections.div_ceil(THREADS).max(1))
    .on_connect(move |io, extensions| opened.opened(io, extensions, &at_opening))
    // A worker that hangs up while its claim waits must not be given a job any more.
    .h1_allow_half_closed(false);
    let server = match &certificate {
        Some(certificate) => server.bind_rustls_0_23(listen, certificate.server_config()?).map_err(bind)?,
        None => server.bind(listen).map_err(bind)?,
    };
    let address = server.addrs().first().copied().unwrap_or(listen);
    // The worker beside the service need not know its certificate's name, nor one of its addresses.
    let needs_inner = certificate.is_some() || !listen.ip().is_loopback();
    let server = if needs_inner { server.bind(INNER).map_err(bind)? } else { server };
    let inner_address = server.addrs().last().copied().unwrap_or(address);
    let server = server.run();
    let handle = server.handle();
    let stop = state.stop.clone();
    let mut tasks = vec![
        tokio::spawn(connections.watch(edge.clone(), stop.clone())),
        tokio::spawn(forget_quiet(rates, stop.clone())),
        tokio::spawn(background::run(state.clone(), stop.clone())),
        tokio::spawn(scheduler::run(state.clone(), stop.clone())),
        tokio::spawn(upkeep::run(state.clone(), stop.clone())),
        tokio::spawn({
            let state = state.clone();
            let stop = stop.clone();
            async move { state.changes.watch(state.store(), stop).await }
        }),
    ];
    if let Some(certificate) = certificate {
        tasks.push(tokio::spawn(certificate.watch(stop)));
    }
    let url = match &edge.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("{}://{address}", edge.scheme()),
    };
    tracing::info!(%address, url, version, "the service answers");
    Ok(Running { address, inner_address, url, handle, state, server: tokio::spawn(server), tasks })
}

impl Running {
    /// Where the service listens: with the port that was taken when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a program on this machine reaches it without TLS, whatever it listens on otherwise.
    pub fn inner_address(&self) -> SocketAddr {
        self.inner_address
    }

    /// What people open: the public URL, or the address that it listens on.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends event streams and waiting claims, and leaves everything else working: a worker in the same process can report
    /// its last results before [`Running::stop`].
    pub fn begin_stop(&self) {
        self.state.stop.cancel();
    }

    /// Stops: takes no new connections, ends event streams and waiting claims, and lets requests finish for at most `grace`.
    pub async fn stop(self, grace: Duration) {
        self.state.stop.cancel();
        if tokio::time::timeout(grace, self.handle.stop(true)).await.is_err() {
            // Dropping the server closes what is still open.
            self.server.abort();
        }
        for task in self.tasks {
            let _ = task.await;
        }
        if !self.server.is_finished() {
            let _ = self.server.await;
        }
    }

    /// Waits until the service ends by itself, which it does only when it breaks. Cancelling the wait changes nothing.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn wait(&mut self) -> Result<(), ApiError> {
        (&mut self.server).await.map_err(ApiError::ServeBroke)?.map_err(ApiError::Serve)
    }
}

async fn forget_quiet(rates: Data<RequestRates>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FORGETTING) => rates.forget_quiet(),
        }
    }
}

/// Answers what no handler took: a file of the web app, or a problem that tells what is wrong.
async fn unrouted(request: ServiceRequest) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let path = request.path();
    let allowed = request.app_data::<Data<Addresses>>().and_then(|addresses| addresses.allowed(path));
    if let Some(allowed) = allowed {
        return Ok(edge::refuse(request, &ApiProblem::method_not_allowed(allowed)));
    }
    let is_api = path == "/api" || path.starts_with("/api/") || path.starts_with("/docs");
    let nothing = ApiProblem::not_found("address; /docs/ lists those that there are");
    if is_api {
        return Ok(edge::refuse(request, &nothing));
    }
    let page = web_app::serve(request.request());
    match page {
        Some(_) if request.method() != Method::GET => {
            Ok(edge::refuse(request, &ApiProblem::method_not_allowed("GET, HEAD".to_owned())))
        }
        Some(page) => Ok(request.into_response(page)),
        None => Ok(edge::refuse(request, &nothing)),
    }
}
