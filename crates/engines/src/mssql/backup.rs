//! A backup: the server writes each database into a file in the shared place, from where it is streamed and removed.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDateTime;
use domain::transaction_log::LogRange;
use domain::{BackupType, ErrorCode, LogLevel, Method};

use super::client::Session;
use super::facts::{DatabaseFacts, ServerFacts};
use super::header::{self, BackedUpFile, Header};
use super::names::identifier;
use super::progress::Watch;
use super::shared::{self, Shared, SharedFile};
use super::{EXTENSION, by_hand, increment, preflight};
use crate::problem::Problem;
use crate::{BackupFacts, BackupRequest, EngineError, OutputStream, Parent, RunningBackup, StreamSpec};

/// Times of a server that was not restarted differ by no more than its clock's granularity.
const START_TOLERANCE: Duration = Duration::from_secs(1);

struct Running {
    session: Session,
    watch: Watch,
    shared: Shared,
    /// What is read at the moment.
    reading: Option<SharedFile>,
    backup_type: BackupType,
    parent: Option<Parent>,
    before: ServerFacts,
    pending: VecDeque<DatabaseFacts>,
    begun: Instant,
    estimated_bytes: u64,
    /// What was backed up so far, in the streams' order.
    done: Vec<Done>,
}

/// One database's backup.
struct Done {
    statement: String,
    range: LogRange,
    files: Vec<BackedUpFile>,
    set_guid: String,
}

/// The name of the `index`-th stream. Names of databases never become names of objects.
pub(super) fn stream_name(index: usize) -> String {
    format!("database-{index:03}")
}

/// Starts a backup: looks at everything that could be in its way. Nothing is written yet.
///
/// # Errors
/// `unsupported_method`, `server_identity_changed`, `missing_privilege`, `server_setting_missing`, whatever the server refuses.
/// [`EngineError::ParentUnusable`] when a differential or log backup would not fit the parent.
pub(super) async fn start(request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    let BackupRequest { datastore, method, backup_type, parent, log, cancel, .. } = request;
    if method != Method::MssqlBackup || backup_type == BackupType::Incremental {
        let detail =
            format!("SQL Server takes full, differential and log backups, not {backup_type} ones by {method}.");
        return Err(EngineError::known(ErrorCode::UnsupportedMethod, detail));
    }
    let shared = Shared::of(&datastore)?;
    let mut session = Session::open(&datastore, &cancel).await?;
    let before = ServerFacts::of(&mut session).await?;
    preflight::check_identity(&datastore, &before)?;
    let databases = chosen(&before, backup_type, &log)?;
    preflight::check_backup_permissions(&mut session, &before, &databases)
        .await?
        .map_or(Ok(()), |problem| Err(problem.into_error()))?;
    match (&parent, backup_type) {
        (_, BackupType::Full) => {}
        (Some(parent), _) => increment::check(&parent.manifest, &databases, backup_type)?,
        (None, _) => return Err(EngineError::ParentUnusable { reason: "there is no backup to build on".to_owned() }),
    }
    let is_log = backup_type == BackupType::Log;
    shared.too_large(&databases, is_log, before.compresses()).map_or(Ok(()), |problem| Err(problem.into_error()))?;
    shared.sweep().await;
    shared::server_reads(&mut session, &before, &shared).await.map_err(Problem::into_error)?;
    let estimated_bytes = databases.iter().map(DatabaseFacts::size_bytes).sum();
    Ok(Box::new(Running {
        session,
        watch: Watch { datastore, log, cancel },
        shared,
        reading: None,
        backup_type,
        parent,
        before,
        pending: databases.into(),
        begun: Instant::now(),
        estimated_bytes,
        done: Vec::new(),
    }))
}

/// The databases that a backup of a type takes.
fn chosen(
    facts: &ServerFacts,
    backup_type: BackupType,
    log: &crate::LogSink,
) -> Result<Vec<DatabaseFacts>, EngineError> {
    let takes = |database: &&DatabaseFacts| backup_type != BackupType::Log || database.keeps_log();
    let databases: Vec<DatabaseFacts> = facts.user_databases().filter(takes).cloned().collect();
    for database in facts.databases.iter().filter(|database| database.is_user() && !database.is_online()) {
        log(LogLevel::Warning, &format!("Database {:?} is {} and is left out", database.name, database.state));
    }
    if databases.is_empty() {
        let detail = match backup_type {
            BackupType::Log => "No database keeps its log: the recovery model of all of them is SIMPLE.",
            _ => "There is no database to back up: only the server's own ones are online.",
        };
        return Err(EngineError::known(ErrorCode::ServerSettingMissing, detail));
    }
    Ok(databases)
}

#[async_trait]
impl RunningBackup for Running {
    fn estimated_bytes(&self) -> Option<u64> {
        (self.backup_type == BackupType::Full).then_some(self.estimated_bytes)
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        if let Some(read) = self.reading.take() {
            read.remove().await;
        }
        let Some(database) = self.pending.pop_front() else { return Ok(None) };
        let file = self.shared.file(EXTENSION);
        let done = self.back_up(&database, &file).await?;
        self.done.push(done);
        let spec = StreamSpec::new(stream_name(self.done.len() - 1), EXTENSION);
        let output = file.open().await?;
        self.reading = Some(file);
        Ok(Some(OutputStream { spec, output }))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        let after = ServerFacts::of(&mut self.session).await?;
        if after.identity != self.before.identity || was_restarted(self.before.started(), after.started()) {
            // F-50
            let detail = "The server was restarted or replaced while it was backed up.";
            return Err(EngineError::known(ErrorCode::SourceChanged, detail));
        }
        Ok(self.facts())
    }
}

fn was_restarted(before: Option<NaiveDateTime>, after: Option<NaiveDateTime>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => (after - before).abs().to_std().is_ok_and(|gone| gone > START_TOLERANCE),
        _ => false,
    }
}

impl Running {
    /// Has the server write one database's backup, and read it again.
    async fn back_up(&mut self, database: &DatabaseFacts, file: &SharedFile) -> Result<Done, EngineError> {
        let statement = self.statement(database, file);
        let what = format!("Backing up {:?}", database.name);
        (self.watch.log())(LogLevel::Info, &what);
        let datastore = self.watch.datastore.clone();
        let failed = |refusal: super::refusal::Refusal| refusal.during(&what, &datastore);
        self.watch.long(&mut self.session, &what, &statement).await.map_err(failed)?;
        // Header and checksums, as a restore would read them. // F-02
        let verifying = format!("Verifying the backup of {:?}", database.name);
        let verify = format!("RESTORE VERIFYONLY {}", file.from("CHECKSUM"));
        self.watch.long(&mut self.session, &verifying, &verify).await.map_err(failed)?;
        let header = self.session.rows(&what, &format!("RESTORE HEADERONLY {}", file.from(""))).await?;
        let header = Header::read(&header, &database.name, self.backup_type, self.before.clock)?;
        let files = self.session.rows(&what, &format!("RESTORE FILELISTONLY {}", file.from(""))).await?;
        self.check_line(&header.range)?;
        Ok(Done {
            statement,
            range: header.range,
            files: header::files(&files),
            set_guid: header.set_guid.map(|guid| guid.to_string()).unwrap_or_default(),
        })
    }

    fn statement(&self, database: &DatabaseFacts, file: &SharedFile) -> String {
        let what = if self.backup_type == BackupType::Log { "LOG" } else { "DATABASE" };
        let options = if self.backup_type == BackupType::Differential { "DIFFERENTIAL, " } else { "" };
        format!("BACKUP {what} {} {}", identifier(&database.name), file.to(options, self.before.compresses()))
    }

    /// Between the look at the server and the backup somebody else may have made one.
    fn check_line(&self, range: &LogRange) -> Result<(), EngineError> {
        let Some(parent) = &self.parent else { return Ok(()) };
        let before = parent.manifest.log_ranges.iter().find(|before| before.database == range.database);
        let fits = before.is_some_and(|before| match self.backup_type {
            BackupType::Log => range.first_lsn <= before.last_lsn,
            BackupType::Differential => range.differential_base_lsn == Some(before.checkpoint_lsn),
            _ => true,
        });
        if fits || self.backup_type == BackupType::Full {
            return Ok(());
        }
        let detail = format!(
            "Somebody else backed up {:?} at the same moment, and this backup builds on theirs.",
            range.database
        );
        Err(EngineError::known(ErrorCode::SourceChanged, detail))
    }

    fn facts(self: Box<Self>) -> BackupFacts {
        let mut engine_facts = BTreeMap::from([
            ("edition".to_owned(), self.before.edition.clone()),
            ("utc_offset_seconds".to_owned(), self.before.clock.offset().local_minus_utc().to_string()),
        ]);
        for (index, done) in self.done.iter().enumerate() {
            let stream = stream_name(index);
            let files = serde_json::to_string(&done.files).unwrap_or_default();
            engine_facts.insert(format!("{stream}.files"), files);
            engine_facts.insert(format!("{stream}.backup_set"), done.set_guid.clone());
            engine_facts.insert(stream, done.range.database.clone());
        }
        let positions: Vec<String> =
            self.done.iter().map(|done| format!("{} {}", done.range.database, done.range.last_lsn)).collect();
        let unpacked = self.done.iter().flat_map(|done| &done.files).map(|file| file.size_bytes).sum();
        let names: Vec<String> = self.done.iter().map(|done| done.range.database.clone()).collect();
        (self.watch.log())(
            LogLevel::Info,
            &format!("Backed up and verified {} databases in {:.1} s", names.len(), self.begun.elapsed().as_secs_f64()),
        );
        BackupFacts {
            engine_version: self.before.version.clone(),
            server_identity: self.before.identity(),
            log_position: Some(positions.join(", ")),
            log_start: None,
            command_line: self.done.iter().map(|done| done.statement.clone()).collect(),
            completion_mark: format!("RESTORE VERIFYONLY found the backups of {} databases whole", names.len()),
            unpacked_size_bytes: Some(unpacked),
            restore_commands: by_hand::restore_commands(self.backup_type, &names, self.parent.as_ref()),
            engine_facts,
            log_ranges: self.done.into_iter().map(|done| done.range).collect(),
            continuation: None,
        }
    }
}
