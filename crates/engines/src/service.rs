//! How a server is stopped and started, as [`domain::Service`] tells.
//!
//! Invariant: after [`stop`] said yes, nothing listens on the server's port and no process works in its data directory,
//! whatever the service's own command answered. [`start`] says only that the start was asked for and not refused; whether
//! the server answers is asked of its driver's `ping`. No shell is ever used. // F-82

mod command;
mod own_process;
mod stopped;

use std::path::PathBuf;
use std::time::Duration;

use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode, Service};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{EngineError, LogSink};

pub use own_process::{launch_process_service, stop_all_process_services};

/// How long a command may take to start a server.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a server may take to stop: it writes what it holds in memory.
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// How long a server may take to appear after its start command has ended: it need not answer yet.
const APPEARANCE_LIMIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(50);

/// What is known of the server whose service is asked for.
#[derive(Clone)]
pub struct ServiceContext {
    pub datastore_id: Uuid,
    pub engine: Engine,
    pub host: String,
    pub port: u16,
    /// Where its data is, when it is known: a stopped server works there no more.
    pub data_directory: Option<PathBuf>,
    /// Takes what the service's commands say.
    pub log: LogSink,
}

impl ServiceContext {
    /// The context of a datastore's server.
    pub fn of(datastore: &DatastoreAccess, log: LogSink) -> Self {
        Self {
            datastore_id: datastore.id,
            engine: datastore.engine,
            host: datastore.host.clone(),
            port: datastore.port,
            data_directory: datastore.data_directory.as_ref().map(PathBuf::from),
            log,
        }
    }
}

/// Whether a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    Running,
    Stopped,
}

/// Stops the server and sees to it that it has stopped. A stopped one is no failure. Dropping the future kills the
/// service's command and leaves the server as it then is.
///
/// # Errors
/// `service_control_missing` where it runs and nobody told how, `service_control_failed` where the command failed or the server still
/// runs after it.
pub async fn stop(service: &Service, context: &ServiceContext) -> Result<(), EngineError> {
    match service {
        // Most commands fail when there is nothing to stop. A unit of systemd must be told nevertheless: it may be about
        // to restart the server.
        Service::Command { .. } if status(service, context).await? == ServiceState::Stopped => return Ok(()),
        Service::Systemd { unit } => {
            command::run("stopping the server", &systemctl("stop", unit), STOP_LIMIT, context).await?;
        }
        Service::Command { stop, .. } => command::run("stopping the server", stop, STOP_LIMIT, context).await?,
        Service::Process { .. } => own_process::stop(context, STOP_LIMIT).await?,
        Service::None if status(service, context).await? == ServiceState::Stopped => return Ok(()),
        Service::None => return Err(nobody_told()),
    }
    stopped::wait(context, STOP_LIMIT).await
}

/// Starts the server, unless nobody told how. Returns when the service's command has ended and there is a first sign of life: the server may still
/// be recovering.
///
/// # Errors
/// `service_control_failed`, as for [`stop`], and where no server appears.
pub async fn start(service: &Service, context: &ServiceContext) -> Result<(), EngineError> {
    match service {
        Service::Systemd { unit } => {
            command::run("starting the server", &systemctl("start", unit), START_LIMIT, context).await?;
        }
        Service::Command { start, .. } => command::run("starting the server", start, START_LIMIT, context).await?,
        Service::Process { .. } => {
            own_process::launch_process_service(context.datastore_id, service, context.engine)?;
        }
        // Whoever restored into an empty directory starts the server.
        Service::None => return Ok(()),
    }
    // A command that leaves a server behind may end before the server is to be seen; from here on, whoever sees none
    // knows that it has ended.
    let deadline = Instant::now() + APPEARANCE_LIMIT;
    while status(service, context).await? == ServiceState::Stopped {
        if Instant::now() >= deadline {
            if context.data_directory.is_none() {
                // Some servers open their port only when they have recovered.
                return Ok(());
            }
            return Err(EngineError::known(
                ErrorCode::ServiceControlFailed,
                "The service was started without an error, but no server appeared. Look at the server's own log.",
            ));
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}

/// Whether the server runs, as far as can be seen: by the service's own answer, by its port, by the processes in its data
/// directory. Any sign of life counts as running.
///
/// # Errors
/// When the command that tells can't be run.
pub async fn status(service: &Service, context: &ServiceContext) -> Result<ServiceState, EngineError> {
    if stopped::signs_of_life(context).await.is_some() {
        return Ok(ServiceState::Running);
    }
    let runs = match service {
        Service::Systemd { unit } => command::succeeds(&systemctl("is-active", unit), START_LIMIT, context).await?,
        Service::Command { status: Some(status), .. } => command::succeeds(status, START_LIMIT, context).await?,
        Service::Process { .. } => own_process::is_running(context.datastore_id),
        Service::Command { status: None, .. } | Service::None => false,
    };
    Ok(if runs { ServiceState::Running } else { ServiceState::Stopped })
}

/// `--` ends the options: a unit's name can't be one. // F-82
fn systemctl(verb: &str, unit: &str) -> Vec<String> {
    ["systemctl", "--no-ask-password", verb, "--", unit].map(str::to_owned).to_vec()
}

fn nobody_told() -> EngineError {
    EngineError::known(
        ErrorCode::ServiceControlMissing,
        "Nobody told how to stop and start this server. Set the datastore's service: a systemd unit, or a command to \
         start and one to stop it.",
    )
}
