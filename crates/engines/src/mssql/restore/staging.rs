//! Restores the databases under other names, beside those in use.

use std::sync::Arc;

use domain::assignment::ReachedStop;
use domain::{BackupType, ErrorCode, LogLevel};

use super::super::EXTENSION;
use super::super::client::Session;
use super::super::facts::ServerFacts;
use super::super::names::{identifier, literal};
use super::super::preflight;
use super::super::progress::Watch;
use super::super::shared::{self, Shared, SharedFile};
use super::files::moves;
use super::plan::{DatabasePlan, Entry, Step, Suffixes, databases, to_state};
use super::stop::{StopAt, stop_at};
use crate::EngineError;
use crate::problem::Problem;
use crate::served::{ServedRequest, Staged};

struct Staging<'request> {
    request: &'request ServedRequest,
    session: Session,
    watch: Watch,
    shared: Shared,
    server: ServerFacts,
    suffixes: Suffixes,
    /// Bytes of the streams that were copied.
    copied: u64,
    /// How many files of databases were named.
    files: usize,
}

/// Restores each database of the chain and leaves it online under its other name.
///
/// # Errors
/// Whatever the server refuses; `pitr_target_not_reached` when the logs ended before the stop. // F-66
pub(super) async fn stage(request: &ServedRequest) -> Result<Staged, EngineError> {
    let place = &request.place;
    let plans = databases(request)?;
    let shared = Shared::of(&place.datastore)?;
    let mut session = Session::open(&place.datastore, &place.cancel).await?;
    let server = ServerFacts::of(&mut session).await?;
    preflight::check_identity(&place.datastore, &server)?;
    shared.sweep().await;
    shared::server_reads(&mut session, &server, &shared).await.map_err(Problem::into_error)?;
    let suffixes = Suffixes::of(place.restore_id);
    let mut entries = Vec::new();
    for plan in &plans {
        let had_live = server.database(&plan.target).is_some();
        if had_live && !request.may_replace() {
            return Err(ServedRequest::name_taken(&plan.target));
        }
        entries.push(Entry::new(&plan.target, had_live, &suffixes));
    }
    let watch = Watch { datastore: place.datastore.clone(), log: Arc::clone(&place.log), cancel: place.cancel.clone() };
    let mut staging = Staging { request, session, watch, shared, server, suffixes, copied: 0, files: 0 };
    let mut stops = Vec::new();
    for (plan, entry) in plans.iter().zip(&entries) {
        stops.extend(staging.database(plan, entry).await?);
    }
    let reached = request.stop.as_ref().map(|_| ReachedStop {
        position: if stops.is_empty() { "the end of the log".to_owned() } else { stops.join(", ") },
        last_commit_at: None,
    });
    Ok(Staged { state: to_state(&entries), reached })
}

impl Staging<'_> {
    /// Restores one database; where it stopped, for a person.
    async fn database(&mut self, plan: &DatabasePlan, entry: &Entry) -> Result<Option<String>, EngineError> {
        let stop = stop_at(plan, self.request.stop.as_ref())?;
        let last = stop.as_ref().map_or(plan.steps.len(), |stop| stop.step + 1);
        let steps = plan.steps.get(..last).unwrap_or(&plan.steps);
        for (index, step) in steps.iter().enumerate() {
            let is_last = index + 1 == steps.len();
            self.step(plan, entry, step, stop.as_ref(), is_last).await?;
        }
        if stop.is_none() {
            let sql = format!("RESTORE DATABASE {} WITH RECOVERY", identifier(&entry.staged));
            self.long(&format!("Recovering {:?}", plan.name), &sql).await?;
        }
        if self.request.stop.is_some() && !steps.iter().any(|step| step.backup_type == BackupType::Log) {
            let text = format!("No log of database {:?} is backed up: it is restored as its backup has it", plan.name);
            (self.request.place.log)(LogLevel::Warning, &text);
        }
        self.check_online(plan, entry, stop.as_ref()).await?;
        Ok(stop.map(|stop| format!("{:?} at {} of the server's clock", plan.name, stop.time)))
    }

    async fn step(
        &mut self,
        plan: &DatabasePlan,
        entry: &Entry,
        step: &Step,
        stop: Option<&StopAt>,
        is_last: bool,
    ) -> Result<(), EngineError> {
        let file = self.fetch(step).await?;
        let name = identifier(&entry.staged);
        let live = self.server.database(&plan.name);
        let sql = match step.backup_type {
            BackupType::Full => {
                let mut options = moves(&step.files, live, &self.server, (&self.suffixes.tag, self.files));
                self.files += step.files.len();
                options.extend(["NORECOVERY", "CHECKSUM"].map(str::to_owned));
                format!("RESTORE DATABASE {name} {}", file.from(&options.join(", ")))
            }
            BackupType::Log => match stop {
                // The server recovers only when it has reached the stop: if the log ends before, the database stays as it is.
                Some(stop) => {
                    let end = if is_last { "RECOVERY" } else { "NORECOVERY" };
                    let time = literal(&stop.time);
                    let options = format!("{end}, CHECKSUM, STOPAT = {time}");
                    format!("RESTORE LOG {name} {}", file.from(&options))
                }
                None => format!("RESTORE LOG {name} {}", file.from("NORECOVERY, CHECKSUM")),
            },
            _ => format!("RESTORE DATABASE {name} {}", file.from("NORECOVERY, CHECKSUM")),
        };
        let number = self.request.chain.get(step.link).map_or(0, |manifest| manifest.number);
        self.long(&format!("Restoring {:?} from backup {number}", plan.name), &sql).await?;
        file.remove().await;
        Ok(())
    }

    async fn long(&mut self, what: &str, sql: &str) -> Result<(), EngineError> {
        (self.request.place.log)(LogLevel::Info, what);
        let answer = self.watch.long(&mut self.session, what, sql).await;
        answer.map(drop).map_err(|refusal| refusal.during(what, &self.request.place.datastore))
    }

    /// Copies a stream to where the server reads it.
    async fn fetch(&mut self, step: &Step) -> Result<SharedFile, EngineError> {
        let file = self.shared.file(EXTENSION);
        let source = self.request.source.open(step.link, &step.stream).await?;
        let (before, progress) = (self.copied, &self.request.progress);
        let on_bytes = |bytes| progress(before + bytes);
        self.copied += file.write(source, &on_bytes, &self.request.place.cancel).await?;
        Ok(file)
    }

    /// F-66
    async fn check_online(
        &mut self,
        plan: &DatabasePlan,
        entry: &Entry,
        stop: Option<&StopAt>,
    ) -> Result<(), EngineError> {
        let facts = ServerFacts::of(&mut self.session).await?;
        let state = facts.database(&entry.staged).map_or("MISSING", |database| &database.state);
        match (state, stop) {
            ("ONLINE", _) => Ok(()),
            ("RESTORING", Some(stop)) => Err(EngineError::known(
                ErrorCode::PitrTargetNotReached,
                format!("The backed up log of {:?} ends before {} of the server's clock.", plan.name, stop.time),
            )),
            (state, _) => Err(EngineError::known(
                ErrorCode::RestoredServerUnhealthy,
                format!("The restored database {:?} is {state}, not ONLINE.", plan.name),
            )),
        }
    }
}
