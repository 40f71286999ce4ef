//! A backup: `mariadb-backup` writes a stream of the data directory's files.

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, Method};
use process::Credentials;
use tokio_util::sync::CancellationToken;

use super::binary_log::{LogFileName, position_of, stream_of};
use super::client::logging_in;
use super::facts::ServerFacts;
use super::preflight::{check_identity, check_privileges, check_same_files, local_data_directory};
use super::private_server::STATEMENT_SETTINGS;
use super::{TOOL, layout};
use crate::logs::LogStart;
use crate::my_family::client::user;
use crate::my_family::hot_copy::increment::{Increment, Now, restore_commands};
use crate::my_family::hot_copy::running::{Copying, arguments};
use crate::my_family::hot_copy::tool_info::{BinaryLogPosition, ToolInfo};
use crate::my_family::uptime::was_restarted;
use crate::problem::Problem;
use crate::{BackupFacts, BackupRequest, EngineError, OutputStream, RunningBackup};

/// A running `mariadb-backup`.
struct Running {
    copying: Copying,
    estimated_bytes: u64,
    datastore: DatastoreAccess,
    cancel: CancellationToken,
    before: ServerFacts,
    increment: Option<Increment>,
    started: Instant,
    owner: Credentials,
}

/// Starts a backup.
///
/// # Errors
/// [`EngineError::ParentUnusable`], `unsupported_method`, whatever the server refuses, `server_identity_changed`, `data_directory_mismatch`,
/// `data_directory_inaccessible`, `missing_privilege`, `missing_tool`.
pub(super) async fn start(request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    let is_known = match request.backup_type {
        BackupType::Full => request.parent.is_none(),
        BackupType::Incremental => request.parent.is_some(),
        BackupType::Differential | BackupType::Log => false,
    };
    if request.method != Method::Mariabackup || !is_known {
        let asked = format!("{} backups by {}", request.backup_type, request.method);
        return Err(EngineError::known(
            ErrorCode::UnsupportedMethod,
            format!("MariaDB takes full and incremental backups by mariabackup, not {asked}."),
        ));
    }
    let datastore = request.datastore;
    let before = ServerFacts::ask(&datastore, &request.cancel).await?;
    check_identity(&datastore, &before)?;
    check_privileges(&datastore, &before, &request.cancel).await.map_err(Problem::into_error)?;
    let now = Now { identity: before.identity(), version: before.version(), checkpoint: before.checkpoint };
    let increment = request.parent.map(|parent| Increment::on(&TOOL, parent, &now)).transpose()?;
    let directory = local_data_directory(&datastore, &before)?;
    check_same_files(&datastore, &before, &directory, &request.cancel).await?;
    let owner = Credentials::of_owner(&directory).map_err(EngineError::file("finding the data's owner", &directory))?;
    let walked = directory.clone();
    let estimated_bytes = tokio::task::spawn_blocking(move || layout::contents(&walked))
        .await
        .ok()
        .and_then(Result::ok)
        .map_or(0, |contents| contents.backup_bytes);

    let command = logging_in(TOOL.program, &datastore);
    let files = (directory.as_path(), owner);
    let copying = Copying::start(&TOOL, command, &datastore, files, increment.as_ref(), &request.log)?;
    let started = Instant::now();
    Ok(Box::new(Running {
        copying,
        estimated_bytes,
        datastore,
        cancel: request.cancel,
        before,
        increment,
        started,
        owner,
    }))
}

#[async_trait]
impl RunningBackup for Running {
    fn estimated_bytes(&self) -> Option<u64> {
        // How many pages changed is known only afterwards.
        (self.estimated_bytes > 0 && self.increment.is_none()).then_some(self.estimated_bytes)
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        Ok(self.copying.take_stream())
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        let told = self.copying.finish(&self.datastore, self.increment.as_ref(), &self.cancel).await?;
        let (info, completion_mark) = told;
        let after = ServerFacts::ask(&self.datastore, &self.cancel).await?;
        self.check_same_server(&after)?;
        Ok(self.facts(&info, completion_mark))
    }
}

impl Running {
    /// F-50
    fn check_same_server(&self, after: &ServerFacts) -> Result<(), EngineError> {
        let restarted = was_restarted(self.before.uptime_seconds, after.uptime_seconds, self.started.elapsed());
        let replaced =
            after.identity() != self.before.identity() || after.data_directory() != self.before.data_directory();
        if restarted || replaced {
            let what = if replaced { "replaced" } else { "restarted" };
            return Err(EngineError::known(
                ErrorCode::SourceChanged,
                format!("The server was {what} while it was backed up."),
            ));
        }
        Ok(())
    }

    /// Where replaying the binary log on the backup begins.
    fn log_start(&self, position: Option<&BinaryLogPosition>) -> Option<LogStart> {
        let position = position?;
        let file = LogFileName::parse(&position.file)?;
        let offset = position.position.parse().ok()?;
        let stream = stream_of(&self.before.identity()?);
        Some(LogStart { stream, position: position_of(file.number(), offset) })
    }

    fn facts(&self, info: &ToolInfo, completion_mark: String) -> BackupFacts {
        let log_file_size: u64 = self.before.variable("innodb_log_file_size").parse().unwrap_or(0);
        let position = info.binary_log_position();
        let mut engine_facts = BTreeMap::new();
        let mut note = |name: &str, value: &str| {
            if !value.is_empty() {
                engine_facts.insert(name.to_owned(), value.to_owned());
            }
        };
        for name in ["from_lsn", "to_lsn", "last_lsn", "tool_version"] {
            note(name, info.value(name).unwrap_or_default());
        }
        for name in ["server_id", "gtid_domain_id", "lower_case_table_names"].into_iter().chain(STATEMENT_SETTINGS) {
            note(name, self.before.variable(name));
        }
        note("binary_log_base", &self.before.binary_log_inside().unwrap_or_default());
        if let Some(position) = &position {
            note("binary_log_file", &position.file);
            note("binary_log_position", &position.position);
            note("gtid", &position.gtid);
        }
        let directory = self.before.data_directory();
        let mut command_line = vec![
            TOOL.program.to_owned(),
            format!("--host={}", self.datastore.host),
            format!("--port={}", self.datastore.port),
            format!("--user={}", user(&self.datastore)),
        ];
        command_line.extend(arguments(&TOOL, &directory, self.increment.as_ref()));
        let stream_bytes = self.copying.stream_bytes();
        // What an increment leads to, not what it holds.
        let data_bytes = if self.increment.is_some() { self.estimated_bytes.max(stream_bytes) } else { stream_bytes };
        BackupFacts {
            engine_version: self.before.version().to_owned(),
            server_identity: self.before.identity(),
            log_ranges: Vec::new(),
            log_start: self.log_start(position.as_ref()),
            log_position: position.map(|position| position.to_string()),
            command_line,
            completion_mark,
            // The server makes its redo log anew when it starts.
            unpacked_size_bytes: Some(data_bytes.saturating_add(log_file_size)),
            restore_commands: restore_commands(&TOOL, self.owner, self.increment.as_ref()),
            engine_facts,
            continuation: None,
        }
    }
}
