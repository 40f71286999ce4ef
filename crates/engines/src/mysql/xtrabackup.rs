//! Backups by Percona's `xtrabackup`, full and incremental, where it is installed: it copies the server's files as `mariadb-backup`
//! does MariaDB's, and what the two have in common is in `my_family`. It can't be had where the tests run: what needs no tool is
//! tested.

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, Method};
use process::{Command, Credentials, find_program};
use tokio_util::sync::CancellationToken;

use super::backup::{FILE_SETTINGS, STATEMENT_SETTINGS, check_same_server};
use super::client::query;
use super::facts::ServerFacts;
use super::way::Way;
use super::{layout, preflight};
use crate::logs::LogStart;
use crate::my_family::account::{grant_statement, missing_of};
use crate::my_family::binary_log::{LogFileName, position_of, stream_of};
use crate::my_family::blocking;
use crate::my_family::client::user;
use crate::my_family::hot_copy::Tool;
use crate::my_family::hot_copy::increment::{Increment, Now, restore_commands};
use crate::my_family::hot_copy::running::{Copying, arguments};
use crate::my_family::hot_copy::tool_info::{BinaryLogPosition, ToolInfo};
use crate::my_family::option_file::client_options;
use crate::problem::Problem;
use crate::{BackupFacts, BackupRequest, EngineError, OutputStream, RunningBackup};

/// The tool (Percona's manual, "xtrabackup option reference").
pub(crate) const TOOL: Tool = Tool {
    program: "xtrabackup",
    unpacker: "xbstream",
    format: "xbstream",
    engine: "MySQL",
    while_joining: Some("--apply-log-only"),
    temporary: Some("--target-dir"),
};

/// What it needs on `*.*` (Percona's manual, "Connection and privileges needed").
const NEEDED: [(&str, &str); 5] = [
    ("BACKUP_ADMIN", "BACKUP_ADMIN"),
    ("PROCESS", "PROCESS"),
    ("RELOAD", "RELOAD"),
    ("LOCK TABLES", "LOCK TABLES"),
    ("REPLICATION CLIENT", "REPLICATION CLIENT"),
];
/// MySQL's name for this machine means a socket, which is nowhere named.
const THIS_MACHINE: (&str, &str) = ("localhost", "127.0.0.1");

/// All that keeps it from making backups. A missing tool is told alone: who does not want it need not hear more.
pub(super) async fn against(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    way: Option<&Way>,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let missing = |program: &&str| find_program(program, &[]).is_none();
    if let Some(program) = [TOOL.program, TOOL.unpacker].iter().find(|program| missing(program)) {
        let detail = format!(
            "{program} is missing on the worker's machine. Install Percona XtraBackup of the server's series there; \
             no package of Debian's has it."
        );
        return vec![Problem::new(ErrorCode::MissingTool, detail)];
    }
    let mut problems = Vec::new();
    match way {
        Some(Way::Local { .. }) => {}
        Some(Way::Network { because }) => problems.push(Problem::of_error(because)),
        None => {
            let detail = "xtrabackup copies the files in the data directory, which is another one than was registered.";
            problems.push(Problem::new(ErrorCode::DataDirectoryMismatch, detail));
        }
    }
    match query(datastore, "SHOW GRANTS", cancel).await {
        Ok(grants) => {
            let lacking = missing_of(&NEEDED, &grants);
            if !lacking.is_empty() {
                let detail = format!("The account {} lacks {}.", facts.account, lacking.join(", "));
                let remedy = grant_statement(&lacking, &facts.account);
                problems.push(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
            }
        }
        Err(error) => problems.push(Problem::of_error(&error)),
    }
    problems
}

/// A running `xtrabackup`.
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
/// [`EngineError::ParentUnusable`], `unsupported_method`, whatever the server refuses, `server_identity_changed`,
/// `data_directory_mismatch`, `data_directory_inaccessible`, `missing_privilege`, `missing_tool`.
pub(super) async fn start(request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    let BackupRequest { datastore, backup_type, parent, log, cancel, .. } = request;
    let is_known = match backup_type {
        BackupType::Full => parent.is_none(),
        BackupType::Incremental => parent.is_some(),
        BackupType::Differential | BackupType::Log => false,
    };
    if !is_known {
        let detail = format!("{} makes full and incremental backups, not {backup_type} ones.", Method::Xtrabackup);
        return Err(EngineError::known(ErrorCode::UnsupportedMethod, detail));
    }
    let before = ServerFacts::ask(&datastore, &cancel).await?;
    preflight::check_identity(&datastore, &before)?;
    let way = Way::of(&datastore, &before)?;
    if let Some(problem) = against(&datastore, &before, Some(&way), &cancel).await.into_iter().next() {
        return Err(problem.into_error());
    }
    let directory = match way {
        Way::Local { directory } => directory,
        Way::Network { because } => return Err(because),
    };
    let now = Now { identity: before.identity(), version: before.version(), checkpoint: before.checkpoint };
    let increment = parent.map(|parent| Increment::on(&TOOL, parent, &now)).transpose()?;
    let owner = Credentials::of_owner(&directory).map_err(EngineError::file("finding the data's owner", &directory))?;
    let walked = directory.clone();
    let contents = blocking(move || {
        layout::contents(&walked).map_err(EngineError::file("looking through the data directory", &walked))
    })
    .await?;
    let files = (directory.as_path(), owner);
    let copying = Copying::start(&TOOL, logging_in(&datastore), &datastore, files, increment.as_ref(), &log)?;
    let (started, estimated_bytes) = (Instant::now(), contents.backup_bytes);
    Ok(Box::new(Running { copying, estimated_bytes, datastore, cancel, before, increment, started, owner }))
}

/// It knows fewer options than MySQL's own tools: neither a protocol nor a server's public key.
fn logging_in(datastore: &DatastoreAccess) -> Command {
    Command::new(TOOL.program)
        // It must be the first option.
        .arg_secret_file("--defaults-file=", client_options(datastore.password.as_ref()))
        .args(address(datastore))
}

fn address(datastore: &DatastoreAccess) -> [String; 3] {
    let host = datastore.host.trim_matches(['[', ']']);
    let host = if host == THIS_MACHINE.0 { THIS_MACHINE.1 } else { host };
    [format!("--host={host}"), format!("--port={}", datastore.port), format!("--user={}", user(datastore))]
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
        check_same_server(&self.before, &after, self.started)?;
        Ok(self.facts(&info, completion_mark))
    }
}

impl Running {
    fn log_start(&self, position: &BinaryLogPosition) -> Option<LogStart> {
        let file = LogFileName::parse(&position.file)?;
        let stream = stream_of(&self.before.identity()?);
        Some(LogStart { stream, position: position_of(file.number(), position.position.parse().ok()?) })
    }

    fn facts(&self, info: &ToolInfo, completion_mark: String) -> BackupFacts {
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
        for name in ["server_id", "gtid_mode"].into_iter().chain(FILE_SETTINGS).chain(STATEMENT_SETTINGS) {
            note(name, self.before.variable(name));
        }
        if let Some(position) = &position {
            note("binary_log_file", &position.file);
            note("binary_log_position", &position.position);
            note("gtid_executed", &position.gtid);
        }
        let does = arguments(&TOOL, &self.before.data_directory(), self.increment.as_ref());
        let stream_bytes = self.copying.stream_bytes();
        BackupFacts {
            engine_version: self.before.version().to_owned(),
            server_identity: self.before.identity(),
            log_start: position.as_ref().and_then(|position| self.log_start(position)),
            log_ranges: Vec::new(),
            log_position: position.map(|position| position.to_string()),
            command_line: [TOOL.program.to_owned()].into_iter().chain(address(&self.datastore)).chain(does).collect(),
            completion_mark,
            // What an increment leads to, not what it holds.
            unpacked_size_bytes: Some(match self.increment {
                Some(_) => self.estimated_bytes.max(stream_bytes),
                None => stream_bytes,
            }),
            restore_commands: restore_commands(&TOOL, self.owner, self.increment.as_ref()),
            engine_facts,
            continuation: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use domain::{Engine, Secret, Service};

    use super::*;

    fn access(host: &str) -> DatastoreAccess {
        DatastoreAccess {
            id: uuid::Uuid::new_v4(),
            name: "shop".into(),
            engine: Engine::Mysql,
            host: host.into(),
            port: 3307,
            username: Some("bk".into()),
            password: Some(Secret::new("secret")),
            data_directory: None,
            shared_directory: None,
            shared_storage: None,
            service: Service::None,
            server_identity: None,
            log_branch: "origin".into(),
        }
    }

    #[test]
    fn f80_the_arguments_are_the_tools_and_hold_no_password() {
        let mut all = address(&access("localhost")).to_vec();
        all.extend(arguments(&TOOL, Path::new("/var/lib/mysql"), None));
        let wanted = [
            "--host=127.0.0.1",
            "--port=3307",
            "--user=bk",
            "--backup",
            "--stream=xbstream",
            "--datadir=/var/lib/mysql",
        ];
        assert_eq!(all, wanted);
        assert_eq!(address(&access("[::1]"))[0], "--host=::1");
    }

    #[tokio::test]
    async fn a_missing_tool_is_the_only_reason() {
        if find_program(TOOL.program, &[]).is_some() {
            return;
        }
        let request = BackupRequest {
            datastore: access("127.0.0.1"),
            method: Method::Xtrabackup,
            backup_type: BackupType::Log,
            parent: None,
            work_directory: "/nonexistent".into(),
            log: std::sync::Arc::new(|_, _| ()),
            cancel: CancellationToken::new(),
        };
        assert_eq!(start(request).await.err().expect("no such type").code(), ErrorCode::UnsupportedMethod);
        let problems = against(&access("127.0.0.1"), &ServerFacts::default(), None, &CancellationToken::new()).await;
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].code, ErrorCode::MissingTool);
        assert!(problems[0].detail.starts_with("xtrabackup is missing"), "{}", problems[0].detail);
    }
}
