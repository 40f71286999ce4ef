//! The switch: stop the server, rename, start, probe; or all the way back. It can't be cancelled from outside: what it
//! began it finishes, one way or the other.

use std::time::{Duration, Instant};

use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, JobError, Service};
use engines::service::{self, ServiceContext, ServiceState};
use engines::{ConfigurationSource, Driver, Probe, Staging};
use tokio_util::sync::CancellationToken;

use super::journal::{Journal, Step, journal_error};
use crate::context::{JobContext, JobFailure, describe};

/// How long a server may take to answer after its start: it may have to recover first.
const START_LIMIT: Duration = Duration::from_secs(300);
const PING_INTERVAL: Duration = Duration::from_millis(200);

/// What a switch needs.
pub struct SwitchRequest<'a> {
    pub context: &'a JobContext,
    pub driver: &'static dyn Driver,
    pub datastore: &'a DatastoreAccess,
    pub journal: &'a mut Journal,
    /// The staged data and whose configuration it gets; null when the incoming data is complete as it is.
    pub staging: Option<(&'a Staging, ConfigurationSource)>,
}

/// A switch that succeeded.
pub struct SwitchEnd {
    pub downtime_seconds: f64,
    pub server_identity: Option<String>,
}

/// Switches the incoming data in.
///
/// # Errors
/// The old data is in place and its server runs as before; or, when even that failed, the error says what is where, and
/// the journal stays so that the next start of the worker tries again.
pub async fn run_switch(request: SwitchRequest<'_>) -> Result<SwitchEnd, JobFailure> {
    let SwitchRequest { context, driver, datastore, journal, staging } = request;
    context.progress.begin("switching", None);
    let server = ServiceContext::of(datastore, context.log.sink());
    let state = service::status(&datastore.service, &server).await?;
    journal.record.server_was_running = state == ServiceState::Running;
    journal.advance(Step::Stopping)?;
    let stopped_at = Instant::now();
    let forward = async {
        context.log.info("Stopping the server");
        service::stop(&datastore.service, &server).await.map_err(|error| error.to_job_error())?;
        if let Some((staging, source)) = staging {
            driver.place_configuration(staging, source).await.map_err(|error| error.to_job_error())?;
        }
        let failed = |path: &std::path::Path, error: std::io::Error| journal_error("switch", path, &error);
        let directory = journal.record.layout.data_directory.clone();
        journal.record.layout.note_entries().map_err(|error| failed(&directory, error))?;
        journal.advance(Step::Switching)?;
        journal.record.layout.switch().map_err(|error| failed(&directory, error))?;
        journal.advance(Step::Starting)?;
        context.log.info("The restored data is in place; starting the server");
        start_and_wait(driver, datastore, &server).await
    };
    match forward.await {
        Ok(probe) => {
            let downtime_seconds = stopped_at.elapsed().as_secs_f64();
            journal.record.downtime_seconds = downtime_seconds;
            journal.record.server_identity.clone_from(&probe.server_identity);
            journal.advance(Step::Committed)?;
            context.log.info(format!(
                "The new data is in place ({}); the server was stopped for {}",
                probe.summary,
                domain::format::duration(downtime_seconds)
            ));
            Ok(SwitchEnd { downtime_seconds, server_identity: probe.server_identity })
        }
        Err(error) => {
            context.log.error(format!("{} Putting the old data back.", error.detail));
            roll_back(driver, datastore, &server, journal).await?;
            context.log.info("The old data is in place and its server runs as before");
            Err(error.into())
        }
    }
}

async fn start_and_wait(
    driver: &'static dyn Driver,
    datastore: &DatastoreAccess,
    server: &ServiceContext,
) -> Result<Probe, JobError> {
    service::start(&datastore.service, server).await.map_err(|error| error.to_job_error())?;
    if datastore.service == Service::None {
        return Ok(Probe {
            engine_version: String::new(),
            summary: "nobody told how to start it".to_owned(),
            server_identity: None,
        });
    }
    let never = CancellationToken::new();
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match driver.ping(datastore, &never).await {
            Ok(probe) => return Ok(probe),
            // The server answers and refuses the login: users came back with the data, as they were at the backup.
            Err(error) if error.code() == ErrorCode::AuthenticationFailed => {
                return Ok(Probe {
                    engine_version: String::new(),
                    server_identity: None,
                    summary: "it refuses the registered password: the backup holds another one; edit the datastore"
                        .to_owned(),
                });
            }
            Err(error) if Instant::now() >= deadline => {
                return Err(JobError::new(
                    ErrorCode::RestoredServerUnhealthy,
                    format!("The server did not answer within {} s: {}", START_LIMIT.as_secs(), describe(&error)),
                ));
            }
            Err(_) => {
                let state = service::status(&datastore.service, server).await.unwrap_or(ServiceState::Running);
                if state == ServiceState::Stopped {
                    return Err(JobError::new(
                        ErrorCode::RestoredServerUnhealthy,
                        "The server ended soon after its start on the restored data.",
                    ));
                }
                tokio::time::sleep(PING_INTERVAL).await;
            }
        }
    }
}

/// Puts the old data back and starts its server if it ran before.
async fn roll_back(
    driver: &'static dyn Driver,
    datastore: &DatastoreAccess,
    server: &ServiceContext,
    journal: &mut Journal,
) -> Result<(), JobError> {
    let stuck = |what: &str, detail: String| {
        let layout = &journal.record.layout;
        JobError::new(
            ErrorCode::ServiceControlFailed,
            format!(
                "{what}: {detail}. The data from before the restore is at {} or, if that does not exist, at {}. \
                 The worker tries again when it is started next.",
                layout.outgoing.display(),
                layout.data_directory.display()
            ),
        )
    };
    service::stop(&datastore.service, server)
        .await
        .map_err(|error| stuck("The server could not be stopped to put the old data back", describe(&error)))?;
    journal
        .record
        .layout
        .switch_back()
        .map_err(|error| stuck("The old data could not be renamed back", error.to_string()))?;
    if journal.record.server_was_running {
        start_and_wait(driver, datastore, server)
            .await
            .map_err(|error| stuck("The old data is in place, but its server did not start", error.detail))?;
    }
    journal.discard()
}
