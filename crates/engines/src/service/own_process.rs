//! Servers that this process runs itself, as its own children: those of `holdfast demo`, and what people register as a
//! service of kind `process`.
//!
//! Invariant: a server in the registry is one that this process started. When this process dies, the kernel asks each to
//! stop, so a later process finds none of them running and starts them afresh.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Engine, ErrorCode, Service};
use process::{Command, Credentials, Daemon, DaemonOptions, Signal};
use uuid::Uuid;

use super::{STOP_LIMIT, ServiceContext, stopped};
use crate::{EngineError, driver_for};

struct OwnServer {
    daemon: Daemon,
    stop_signal: Signal,
}

static SERVERS: Mutex<BTreeMap<Uuid, Arc<OwnServer>>> = Mutex::new(BTreeMap::new());

fn servers() -> MutexGuard<'static, BTreeMap<Uuid, Arc<OwnServer>>> {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the server of a service of kind `process`, unless this process runs it already. That it was started does not mean
/// that it answers: ping it.
///
/// # Errors
/// `service_control_missing` for another kind of service, `service_control_failed` when it can't be started.
pub fn launch_process_service(datastore_id: Uuid, service: &Service, engine: Engine) -> Result<(), EngineError> {
    let Service::Process { start, user, log_file } = service else {
        return Err(EngineError::known(
            ErrorCode::ServiceControlMissing,
            "This datastore's service is not one that the worker runs itself.",
        ));
    };
    let mut servers = servers();
    if servers.get(&datastore_id).is_some_and(|server| server.daemon.is_running()) {
        return Ok(());
    }
    let stop_signal = driver_for(engine).map_or(Signal::SIGTERM, |driver| driver.stop_signal());
    let mut arguments = start.iter();
    let mut command = Command::new(arguments.next().cloned().unwrap_or_default()).args(arguments);
    if let Some(user) = user {
        command = command.run_as(credentials(user)?);
    }
    let log_file = log_file.as_ref().map_or_else(|| PathBuf::from("/dev/null"), PathBuf::from);
    let daemon = Daemon::start(command, DaemonOptions { log_file, death_signal: Some(stop_signal) })
        .map_err(|source| failed(EngineError::process("starting the server", source)))?;
    servers.insert(datastore_id, Arc::new(OwnServer { daemon, stop_signal }));
    Ok(())
}

/// Stops every server that this process started, all at once, and waits for their end. Meant for the end of the program.
///
/// # Errors
/// The first failure; the others are stopped nevertheless.
pub async fn stop_all_process_services() -> Result<(), EngineError> {
    let all = std::mem::take(&mut *servers());
    let stops = all.values().map(|server| stop_one(server, STOP_LIMIT));
    futures::future::join_all(stops).await.into_iter().collect()
}

pub(super) fn is_running(datastore_id: Uuid) -> bool {
    servers().get(&datastore_id).is_some_and(|server| server.daemon.is_running())
}

/// Stops the server of a datastore.
///
/// # Errors
/// `service_control_failed` when it runs but is not ours.
pub(super) async fn stop(context: &ServiceContext, limit: Duration) -> Result<(), EngineError> {
    let server = servers().get(&context.datastore_id).cloned();
    if let Some(server) = server.filter(|server| server.daemon.is_running()) {
        stop_one(&server, limit).await?;
        servers().remove(&context.datastore_id);
        return Ok(());
    }
    match stopped::signs_of_life(context).await {
        None => Ok(()),
        Some(sign) => Err(EngineError::known(
            ErrorCode::ServiceControlFailed,
            format!(
                "This worker did not start the server, but {sign}. Stop it by hand, or set the datastore's service to \
                 what really runs it."
            ),
        )),
    }
}

async fn stop_one(server: &OwnServer, limit: Duration) -> Result<(), EngineError> {
    let stopped = server.daemon.stop(server.stop_signal, limit).await;
    stopped.map(drop).map_err(|source| failed(EngineError::process("stopping the server", source)))
}

fn credentials(user: &str) -> Result<Credentials, EngineError> {
    let found = Credentials::of_user(user)
        .map_err(|error| EngineError::known(ErrorCode::ServiceControlFailed, format!("user {user:?}: {error}")))?;
    found.ok_or_else(|| {
        EngineError::known(
            ErrorCode::ServiceControlFailed,
            format!("There is no user {user:?} on the worker's machine."),
        )
    })
}

fn failed(error: EngineError) -> EngineError {
    let error = error.to_job_error();
    let code = if error.code == ErrorCode::MissingTool { error.code } else { ErrorCode::ServiceControlFailed };
    EngineError::known(code, error.detail)
}
