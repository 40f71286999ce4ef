//! A full backup: `redis-cli --rdb -` asks for a snapshot as a replica does, and writes it to its standard output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, Engine, ErrorCode, LogLevel, Method};
use process::{Child, ChildStdout, Command, ProcessError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::facts::{SETTINGS, ServerFacts, Settings, check_protocol};
use super::layout::Layout;
use super::rdb_stream::{Ending, RdbStream, Seen};
use super::{STALL_LIMIT, acl, client};
use crate::shell::shell_word;
use crate::{BackupFacts, BackupRequest, EngineError, OutputStream, RunningBackup, StreamSpec};

/// How the tool says that all came (`redis-cli.c`, `getRDB`).
const COMPLETION_MARK: &str = "Transfer finished with success";
/// How long a trial may take: a refusal comes at once.
const TRIAL_LIMIT: Duration = Duration::from_millis(500);

struct Running {
    engine: Engine,
    child: Child,
    output: Option<RdbStream<ChildStdout>>,
    seen: Arc<Mutex<Seen>>,
    ending: watch::Receiver<Ending>,
    datastore: DatastoreAccess,
    cancel: CancellationToken,
    before: ServerFacts,
    settings: Option<Settings>,
    estimated_bytes: Option<u64>,
}

/// Starts a backup.
///
/// # Errors
/// `unsupported_method`, whatever the server refuses, `missing_tool`. That `SYNC` is not allowed shows at the end only.
pub(super) async fn start(engine: Engine, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    if (request.method, request.backup_type) != (Method::Rdb, BackupType::Full) {
        return Err(EngineError::known(
            ErrorCode::UnsupportedMethod,
            format!("{} takes full backups by rdb, not {} by {}.", engine.title(), request.backup_type, request.method),
        ));
    }
    let datastore = request.datastore;
    check_protocol(engine, &datastore).await?;
    let before = ServerFacts::ask(engine, &datastore, &request.cancel).await?;
    // Without the right to ask, a restore has to make out by itself what the server's files are called.
    let settings = match Settings::ask(&datastore, &request.cancel).await {
        Ok(settings) => Some(settings),
        Err(error) if error.code() == ErrorCode::MissingPrivilege => None,
        Err(error) => return Err(error),
    };
    let estimated_bytes = settings.as_ref().and_then(snapshot_file).and_then(|file| Some(file.metadata().ok()?.len()));
    let (tell, ending) = watch::channel(Ending::Untold);
    let log = Arc::clone(&request.log);
    let command = transfer(&datastore).stall_limit(STALL_LIMIT).on_line(move |_, line| {
        if let Some(ending) = Ending::of_line(line) {
            tell.send_replace(ending);
        }
        log(LogLevel::Tool, line);
    });
    let mut child = command.spawn().map_err(|source| EngineError::process("starting the snapshot", source))?;
    let seen = Arc::<Mutex<Seen>>::default();
    let output = child.stdout.take().map(|stdout| RdbStream::new(stdout, ending.clone(), Arc::clone(&seen)));
    Ok(Box::new(Running {
        engine,
        child,
        output,
        seen,
        ending,
        datastore,
        cancel: request.cancel,
        before,
        settings,
        estimated_bytes,
    }))
}

fn transfer(datastore: &DatastoreAccess) -> Command {
    client::logging_in(datastore).args(["--rdb", "-"]).stdout_piped()
}

/// The newest snapshot that the server itself wrote, as far as it can be seen from here.
fn snapshot_file(settings: &Settings) -> Option<PathBuf> {
    Some(settings.data_directory()?.join(settings.value("dbfilename")?))
}

/// Tries whether the server lets the user take a snapshot, without making it take one: it waits
/// `repl-diskless-sync-delay` seconds for other replicas first, and a replica that left by then gets nothing. Where it would
/// begin at once, nothing is tried.
///
/// # Errors
/// What the backup would fail with.
pub(super) async fn try_snapshot(
    datastore: &DatastoreAccess,
    settings: &Settings,
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    let delay: u64 = settings.value("repl-diskless-sync-delay").and_then(|text| text.parse().ok()).unwrap_or(0);
    if settings.value("repl-diskless-sync") != Some("yes") || delay == 0 {
        return Ok(());
    }
    let failed = |source| EngineError::process("trying a snapshot", source);
    let mut child = transfer(datastore).spawn().map_err(failed)?;
    // Dropping the child at the end of the limit ends it: it was not refused.
    match tokio::time::timeout(TRIAL_LIMIT, child.wait(cancel)).await {
        Err(_) => Ok(()),
        Ok(Err(error)) => Err(failed(error)),
        Ok(Ok(exit)) if exit.status.success() => Ok(()),
        Ok(Ok(exit)) => Err(failure(
            datastore,
            ProcessError::Exit {
                program: client::program().to_owned(),
                status: exit.status,
                stderr_tail: exit.stderr_tail,
            },
        )),
    }
}

/// What the tool's last words mean.
fn failure(datastore: &DatastoreAccess, error: ProcessError) -> EngineError {
    let lines = error.stderr_tail();
    if let Some(line) = lines.iter().find(|line| line.contains("NOPERM") && line.contains("SYNC")) {
        return acl::missing(datastore, &["+sync", "+psync", "+replconf"], line).into_error();
    }
    match client::login_failure(datastore, lines) {
        Some(failure) => failure,
        None => EngineError::process("taking the snapshot", error),
    }
}

#[async_trait]
impl RunningBackup for Running {
    fn estimated_bytes(&self) -> Option<u64> {
        self.estimated_bytes
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        Ok(self.output.take().map(|output| OutputStream::new(StreamSpec::base(super::STREAM_EXTENSION), output)))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        let exit = self.child.wait(&self.cancel).await;
        let exit = exit.and_then(|exit| exit.success_or_error(client::program()));
        let exit = exit.map_err(|error| failure(&self.datastore, error))?;
        let completion_mark = self.check_transfer(&exit.stderr_tail)?;
        let after = ServerFacts::ask(self.engine, &self.datastore, &self.cancel).await?;
        // F-50
        if after.value("run_id") != self.before.value("run_id") {
            return Err(EngineError::known(
                ErrorCode::SourceChanged,
                "The server was restarted or replaced while it was backed up.",
            ));
        }
        Ok(self.facts(completion_mark))
    }
}

impl Running {
    /// F-02: the tool's word, the number of bytes, and both ends of the snapshot.
    fn check_transfer(&self, lines: &[String]) -> Result<String, EngineError> {
        let incomplete = |detail: String| Err(EngineError::known(ErrorCode::BackupIncomplete, detail));
        let Some(mark) = lines.iter().find(|line| line.starts_with(COMPLETION_MARK)) else {
            return incomplete(format!(
                "The tool ended without saying {COMPLETION_MARK:?}; its last line was {:?}.",
                lines.last().map(String::as_str).unwrap_or_default()
            ));
        };
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match *self.ending.borrow() {
            Ending::Length(bytes) => Some(bytes),
            Ending::Marker => {
                mark.split_once("success after ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
            }
            Ending::Untold => None,
        };
        if told != Some(seen.bytes) {
            return incomplete(format!("{} bytes of the snapshot came; the tool speaks of {told:?}.", seen.bytes));
        }
        if !seen.has_magic || !seen.has_end {
            return incomplete("What came does not begin and end as a snapshot does.".to_owned());
        }
        Ok(mark.clone())
    }

    fn facts(&self, completion_mark: String) -> BackupFacts {
        let mut engine_facts = BTreeMap::new();
        for name in SETTINGS.into_iter().filter(|name| *name != "dir" && !name.starts_with("repl-")) {
            if let Some(value) = self.settings.as_ref().and_then(|settings| settings.value(name)) {
                engine_facts.insert(name.to_owned(), value.to_owned());
            }
        }
        for name in ["executable", "redis_version", "aof_enabled"] {
            engine_facts.insert(name.to_owned(), self.before.value(name).to_owned());
        }
        let mut command_line = vec![client::program().to_owned()];
        command_line.extend(["-h".to_owned(), self.datastore.host.clone()]);
        command_line.extend(["-p".to_owned(), self.datastore.port.to_string()]);
        if let Some(username) = &self.datastore.username {
            command_line.extend(["--user".to_owned(), username.clone()]);
        }
        command_line.extend(["--rdb", "-"].map(str::to_owned));
        let layout = Layout::of_facts(self.engine, &engine_facts, self.before.version());
        let directory = self.settings.as_ref().and_then(Settings::data_directory);
        BackupFacts {
            engine_version: self.before.version().to_owned(),
            server_identity: None,
            log_position: None,
            log_ranges: Vec::new(),
            log_start: None,
            command_line,
            completion_mark,
            unpacked_size_bytes: None,
            restore_commands: restore_commands(&layout, &owner(self.engine, directory.as_deref())),
            engine_facts,
            continuation: None,
        }
    }
}

/// Whom the server's files belong to, as far as it can be seen from here, otherwise as Debian has it.
fn owner(engine: Engine, directory: Option<&Path>) -> String {
    use std::os::unix::fs::MetadataExt;
    let user = directory.and_then(|directory| {
        let uid = directory.metadata().ok()?.uid();
        Some(nix::unistd::User::from_uid(uid.into()).ok()??.name)
    });
    user.unwrap_or_else(|| engine.as_str().to_owned())
}

fn restore_commands(layout: &Layout, owner: &str) -> Vec<String> {
    let inside = |name: &str| format!("DATA_DIRECTORY/{}", shell_word(name));
    let mut commands = vec![
        "mkdir -m 700 DATA_DIRECTORY".to_owned(),
        format!("cat base.*.rdb.zst | zstd -dc > {}", inside(&layout.snapshot)),
    ];
    if layout.append_only {
        if layout.has_append_directory {
            let manifest = format!("{}/{}", layout.append_directory, layout.append_manifest());
            commands.push(format!("mkdir -m 700 {}", inside(&layout.append_directory)));
            let base = format!("{}/{}", layout.append_directory, layout.append_base());
            commands.push(format!("cp {} {}", inside(&layout.snapshot), inside(&base)));
            commands.push(format!(
                "printf '%s\\n' {} > {}",
                shell_word(layout.append_manifest_text().trim_end()),
                inside(&manifest)
            ));
        } else {
            commands.push(format!("cp {} {}", inside(&layout.snapshot), inside(&layout.append_file)));
        }
    }
    commands.push(format!("chown -R {owner}: DATA_DIRECTORY"));
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_fit_the_layout() {
        let facts = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let plain =
            Layout::of_facts(Engine::Redis, &facts(&[("appendonly", "no"), ("dbfilename", "it's.rdb")]), "7.0.15");
        assert_eq!(
            restore_commands(&plain, "redis"),
            [
                "mkdir -m 700 DATA_DIRECTORY",
                r"cat base.*.rdb.zst | zstd -dc > DATA_DIRECTORY/'it'\''s.rdb'",
                "chown -R redis: DATA_DIRECTORY"
            ]
        );
        let append_only = Layout::of_facts(Engine::Valkey, &facts(&[("appendonly", "yes")]), "9.1.2");
        let commands = restore_commands(&append_only, "valkey");
        assert_eq!(
            commands[4],
            "printf '%s\\n' 'file appendonly.aof.1.base.rdb seq 1 type b' > \
             DATA_DIRECTORY/appendonlydir/appendonly.aof.manifest"
        );
        let old = Layout::of_facts(Engine::Redis, &facts(&[("appendonly", "yes")]), "6.2.5");
        assert_eq!(restore_commands(&old, "redis")[2], "cp DATA_DIRECTORY/dump.rdb DATA_DIRECTORY/appendonly.aof");
    }
}
