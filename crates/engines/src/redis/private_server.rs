//! A server that runs on staged data for a moment, on a socket that nobody but the data's owner and root reaches. It reads
//! no configuration and writes no snapshot.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Engine, ErrorCode};
use process::{Command, Daemon, DaemonOptions, ProcessError, Signal};
use tokio::time::{Instant, sleep};

use super::client::ask_socket;
use super::facts::ServerFacts;
use super::layout::Layout;
use super::programs;
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Probe, Staging};

/// It reads all data into memory first.
const START_LIMIT: Duration = Duration::from_secs(3600);
const STOP_LIMIT: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(50);
/// Lines of the server's log that a failure repeats.
const QUOTED_LINES: usize = 8;

/// Starts a server on the staged data, asks what it holds, and stops it.
///
/// # Errors
/// `restored_server_unhealthy` when it does not start, load or stop; `missing_tool`.
pub(super) async fn probe(engine: Engine, staging: &Staging) -> Result<Probe, EngineError> {
    let program = programs::server(engine, staging).await?;
    let layout = Layout::of_staging(engine, staging).await?;
    let directory = PrivateDirectory::create(staging.owner)?;
    let command = Command::new(program).run_as(staging.owner).args(arguments(staging, &layout, directory.path()));
    // The staged files are worth nothing to anybody if we die: no time is lost on a clean end.
    let options = DaemonOptions { log_file: directory.path().join("log"), death_signal: Some(Signal::SIGKILL) };
    let daemon = Daemon::start(command, options)
        .map_err(|source| EngineError::process("starting a server on the restored data", source))?;
    let server = PrivateServer { daemon, directory, title: engine.title() };
    let facts = server.wait_until_loaded(staging).await?;
    server.stop().await?;
    Ok(Probe { engine_version: facts.version().to_owned(), server_identity: None, summary: facts.summary() })
}

struct PrivateServer {
    daemon: Daemon,
    directory: PrivateDirectory,
    title: &'static str,
}

impl PrivateServer {
    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    async fn wait_until_loaded(&self, staging: &Staging) -> Result<ServerFacts, EngineError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if staging.cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            if !self.daemon.is_running() {
                return Err(self.unhealthy("does not start on the restored data"));
            }
            if tokio::net::UnixStream::connect(self.socket()).await.is_ok() {
                match ask_socket(&self.socket(), &["INFO"], &staging.cancel).await {
                    Ok(answer) => {
                        let facts = ServerFacts::parse(&answer);
                        if facts.value("loading") == "0" {
                            return Ok(facts);
                        }
                    }
                    Err(ProcessError::Cancelled { .. }) => return Err(EngineError::Cancelled),
                    Err(error @ ProcessError::ProgramNotFound { .. }) => {
                        return Err(EngineError::process("asking the restored server", error));
                    }
                    Err(_) => {}
                }
            }
            if Instant::now() >= deadline {
                return Err(self.unhealthy("does not finish loading the restored data"));
            }
            sleep(INTERVAL).await;
        }
    }

    async fn stop(&self) -> Result<(), EngineError> {
        match self.daemon.stop(Signal::SIGTERM, STOP_LIMIT).await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.unhealthy(&format!("ended on the restored data with {status}"))),
            Err(error) => Err(self.unhealthy(&format!("does not stop on the restored data: {error}"))),
        }
    }

    fn unhealthy(&self, what: &str) -> EngineError {
        let log = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(QUOTED_LINES)..).unwrap_or_default().join("\n");
        let title = self.title;
        EngineError::known(ErrorCode::RestoredServerUnhealthy, format!("{title} {what}. Its log ends with:\n{last}"))
    }
}

fn arguments(staging: &Staging, layout: &Layout, private: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut set = |name: &str, value: OsString| arguments.extend([OsString::from(format!("--{name}")), value]);
    set("port", "0".into());
    set("unixsocket", private.join("s").into());
    set("unixsocketperm", "700".into());
    set("pidfile", private.join("pid").into());
    set("daemonize", "no".into());
    set("dir", staging.directory.clone().into());
    set("dbfilename", layout.snapshot.clone().into());
    set("databases", layout.databases.to_string().into());
    set("save", "".into());
    set("appendonly", if layout.append_only { "yes" } else { "no" }.into());
    if layout.append_only {
        set("appendfilename", layout.append_file.clone().into());
        set("auto-aof-rewrite-percentage", "0".into());
        if layout.has_append_directory {
            set("appenddirname", layout.append_directory.clone().into());
        }
    }
    arguments
}
