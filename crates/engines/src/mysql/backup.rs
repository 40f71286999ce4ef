//! A backup: a clone of the server's data in a directory that goes away, and tar, which streams it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, LogLevel, Method};
use nix::unistd::User;
use process::{Child, ChildStdout, Command, Credentials};
use tokio_util::sync::CancellationToken;

use super::clone::{self, Clone};
use super::facts::{LogPosition, ServerFacts};
use super::way::Way;
use super::{STREAM_EXTENSION, layout, over_network, preflight};
use crate::logs::LogStart;
use crate::my_family::binary_log::{LogFileName, position_of, stream_of};
use crate::my_family::blocking;
use crate::my_family::client::user;
use crate::my_family::uptime::was_restarted;
use crate::problem::Problem;
use crate::{BackupFacts, BackupRequest, EngineError, LogSink, OutputStream, RunningBackup, StreamSpec};

/// How long tar may wait for somebody to take what it read. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// What the server that is started on the data has to be told, since its files depend on it.
pub(super) const FILE_SETTINGS: [&str; 3] = ["innodb_page_size", "innodb_data_file_path", "lower_case_table_names"];

/// Settings that decide what a replayed `CREATE TABLE` makes, and that the log does not tell.
pub(super) const STATEMENT_SETTINGS: [&str; 3] =
    ["default_storage_engine", "innodb_default_row_format", "explicit_defaults_for_timestamp"];

/// A clone that tar reads.
struct Running {
    child: Child,
    output: Option<ChildStdout>,
    clone: Clone,
    datastore: DatastoreAccess,
    cancel: CancellationToken,
    before: ServerFacts,
    /// Before the clone: what the data holds beyond it is passed over when the log is replayed.
    position: Option<LogPosition>,
    started: Instant,
    owner: Credentials,
}

/// Starts a backup. The clone is made before this returns.
///
/// # Errors
/// `unsupported_method`, whatever the server refuses, `server_identity_changed`, `data_directory_mismatch`,
/// `data_directory_inaccessible`, `missing_privilege`, `missing_tool`, `insufficient_disk_space`.
pub(super) async fn start(request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    let BackupRequest { datastore, method, backup_type, parent, log, cancel, .. } = request;
    if method != Method::MysqlClone || backup_type != BackupType::Full || parent.is_some() {
        return Err(EngineError::known(
            ErrorCode::UnsupportedMethod,
            format!("MySQL takes full backups by mysql-clone, not {backup_type} backups by {method}."),
        ));
    }
    let started = Instant::now();
    let before = ServerFacts::ask(&datastore, &cancel).await?;
    preflight::check_identity(&datastore, &before)?;
    let way = Way::of(&datastore, &before)?;
    if let Some(problem) = preflight::problem(&datastore, &before, Some(&way), &cancel).await {
        return Err(problem.into_error());
    }
    let source = Source { datastore: &datastore, facts: &before, log: &log, cancel: &cancel };
    let (clone, owner, position) = match way {
        Way::Local { directory } => source.beside(directory).await?,
        Way::Network { because } => source.over_network(&because).await?,
    };
    check_same_server(&before, &ServerFacts::ask(&datastore, &cancel).await?, started)?;
    let told = format!("The clone is complete: {}", domain::format::bytes(clone.bytes));
    log(LogLevel::Info, &told);

    let names = clone.beside().join("names");
    let (path, list) = (clone.path(), names.clone());
    blocking(move || write_names(&path, &list)).await?;
    let mut child = Command::new("tar")
        .args(tar_arguments(&clone.path(), &names))
        .run_as(owner)
        .stdout_piped()
        .stall_limit(STALL_LIMIT)
        .on_line({
            let log = Arc::clone(&log);
            move |_, line| log(LogLevel::Tool, line)
        })
        .spawn()
        .map_err(|source| EngineError::process("starting tar", source))?;
    Ok(Box::new(Running {
        output: child.stdout.take(),
        child,
        clone,
        datastore,
        cancel,
        before,
        position,
        started,
        owner,
    }))
}

/// A server that is cloned.
struct Source<'a> {
    datastore: &'a DatastoreAccess,
    facts: &'a ServerFacts,
    log: &'a LogSink,
    cancel: &'a CancellationToken,
}

/// A clone, whom its files belong to, and where the server stood in its log before.
type Made = (Clone, Credentials, Option<LogPosition>);

impl Source<'_> {
    /// The clone that the server makes beside its data directory.
    async fn beside(&self, directory: PathBuf) -> Result<Made, EngineError> {
        let owner =
            Credentials::of_owner(&directory).map_err(EngineError::file("finding the data's owner", &directory))?;
        let walked = directory.clone();
        let contents = blocking(move || {
            layout::contents(&walked).map_err(EngineError::file("looking through the data directory", &walked))
        })
        .await?;
        preflight::check_tables(&contents).map_err(Problem::into_error)?;
        let parent = preflight::clone_parent(&directory, contents.backup_bytes)?;
        let position = preflight::log_position(self.datastore, self.cancel).await?;
        (self.log)(LogLevel::Info, "The server clones its data");
        let clone = clone::local::make(self.datastore, &parent, owner, self.log, self.cancel).await?;
        Ok((clone, owner, position))
    }

    /// The clone that a server of the worker's own fetches.
    async fn over_network(&self, because: &EngineError) -> Result<Made, EngineError> {
        if let Some(problem) = over_network::problems(self.datastore, self.facts, self.cancel).await.into_iter().next()
        {
            return Err(problem.into_error());
        }
        let owner = clone::helper_user().map_err(Problem::into_error)?;
        let position = preflight::log_position(self.datastore, self.cancel).await?;
        let told = because.to_job_error().detail;
        (self.log)(LogLevel::Info, &format!("{told} A MySQL of the worker's own fetches the clone over the network"));
        let clone = clone::network::make(self.datastore, self.facts, owner, self.log, self.cancel).await?;
        Ok((clone, owner, position))
    }
}

fn tar_arguments(directory: &Path, names: &Path) -> Vec<std::ffi::OsString> {
    let with_path = crate::my_family::private_server::with_path;
    let mut arguments: Vec<_> = ["--create", "--file=-", "--format=gnu", "--numeric-owner"].map(Into::into).to_vec();
    arguments.push(with_path("--directory=", directory));
    arguments.extend(["--null", "--verbatim-files-from"].map(Into::into));
    arguments.push(with_path("--files-from=", names));
    arguments
}

/// Writes the names of what lies in a directory for tar, without the directory itself: a restore makes that with the mode that
/// the live one has. // F-82
fn write_names(directory: &Path, list: &Path) -> Result<(), EngineError> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| EngineError::file("listing the clone's files", directory)(source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    let text: Vec<u8> = names.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
    std::fs::write(list, text)
        // Nobody but the directory's owner comes here.
        .and_then(|()| std::fs::set_permissions(list, std::fs::Permissions::from_mode(0o644)))
        .map_err(EngineError::file("writing the list of the clone's files", list))
}

/// F-50
pub(super) fn check_same_server(
    before: &ServerFacts,
    after: &ServerFacts,
    started: Instant,
) -> Result<(), EngineError> {
    let replaced = after.identity() != before.identity() || after.data_directory() != before.data_directory();
    if replaced || was_restarted(before.uptime_seconds, after.uptime_seconds, started.elapsed()) {
        let what = if replaced { "replaced" } else { "restarted" };
        let detail = format!("The server was {what} while it was backed up.");
        return Err(EngineError::known(ErrorCode::SourceChanged, detail));
    }
    Ok(())
}

#[async_trait]
impl RunningBackup for Running {
    fn estimated_bytes(&self) -> Option<u64> {
        Some(self.clone.bytes)
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        Ok(self.output.take().map(|output| OutputStream::new(StreamSpec::base(STREAM_EXTENSION), output)))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        let failed = |source| EngineError::process("streaming the clone with tar", source);
        self.child.wait(&self.cancel).await.map_err(failed)?.success_or_error("tar").map_err(failed)?;
        let after = ServerFacts::ask(&self.datastore, &self.cancel).await?;
        check_same_server(&self.before, &after, self.started)?;
        Ok(self.facts())
    }
}

impl Running {
    /// Where replaying the binary log on the backup begins, at the latest.
    fn log_start(&self) -> Option<LogStart> {
        let position = self.position.as_ref()?;
        let file = LogFileName::parse(&position.file)?;
        let stream = stream_of(&self.before.identity()?);
        Some(LogStart { stream, position: position_of(file.number(), position.position) })
    }

    fn facts(&self) -> BackupFacts {
        let mut engine_facts = BTreeMap::new();
        let mut note = |name: &str, value: &str| {
            if !value.is_empty() {
                engine_facts.insert(name.to_owned(), value.to_owned());
            }
        };
        for name in ["server_id", "gtid_mode"].into_iter().chain(FILE_SETTINGS).chain(STATEMENT_SETTINGS) {
            note(name, self.before.variable(name));
        }
        if let Some(position) = &self.position {
            note("binary_log_file", &position.file);
            note("binary_log_position", &position.position.to_string());
            note("gtid_executed", &position.gtid_executed);
        }
        let login = [
            "mysql".to_owned(),
            format!("--host={}", self.datastore.host),
            format!("--port={}", self.datastore.port),
            format!("--user={}", user(&self.datastore)),
        ];
        let statement = format!("--execute={}", self.clone.statement);
        BackupFacts {
            engine_version: self.before.version().to_owned(),
            server_identity: self.before.identity(),
            log_position: self.position.as_ref().map(LogPosition::to_string),
            log_ranges: Vec::new(),
            log_start: self.log_start(),
            command_line: login.into_iter().chain([statement]).collect(),
            completion_mark: self.clone.mark.clone(),
            unpacked_size_bytes: Some(self.clone.bytes),
            restore_commands: restore_commands(self.owner),
            engine_facts,
            continuation: None,
        }
    }
}

/// How a person restores it. The server makes what a clone does not hold when it starts.
fn restore_commands(owner: Credentials) -> Vec<String> {
    let name = User::from_uid(owner.uid.into()).ok().flatten().map(|user| user.name);
    let owner = name.unwrap_or_else(|| "mysql".to_owned());
    vec![
        "mkdir -m 700 DATA_DIRECTORY".to_owned(),
        "zstd -dc base.*.tar.zst | tar --extract --preserve-permissions --no-same-owner --directory=DATA_DIRECTORY"
            .to_owned(),
        format!("chown -R {owner}: DATA_DIRECTORY"),
    ]
}
