//! A server that runs on staged data for a moment: nobody but the data's owner and root reaches it.
//!
//! It takes everybody who reaches its socket (`--skip-grant-tables`), since the passwords in a backup may be others than
//! today's. Nothing of the machine's configuration is read; what must fit the files is taken from the backup itself.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use domain::version::can_take;
use domain::{Engine, ErrorCode, LogLevel};
use process::Command;

use super::client::CLIENT;
use crate::my_family::blocking;
use crate::my_family::hot_copy::preparation::remove_tool_files;
use crate::my_family::private_server::{PrivateServer, names, remove_new_files, with_path};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Probe, Staging};

const SERVER: &str = "mariadbd";

/// Settings of the backed up server that its files depend on, as `mariadb-backup` notes them in `backup-my.cnf`. No other
/// line of that file is obeyed: some name programs to load.
const FILE_SETTINGS: [&str; 4] =
    ["innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces", "innodb_log_file_size"];

/// Settings of the backed up server that decide what a replayed `CREATE TABLE` makes, and that its log does not tell.
pub(super) const STATEMENT_SETTINGS: [&str; 3] =
    ["default_storage_engine", "innodb_default_row_format", "explicit_defaults_for_timestamp"];
/// The machine's time zone, as the live server has it: the log names it `SYSTEM`.
const MACHINE_TIME_ZONE: &str = ":/etc/localtime";

/// Nothing is lost with a server that dies while it replays, so it need not sync; its clean end does. Its binary log is only
/// there for its last state, and does not grow as large as the log that is replayed.
const WHILE_REPLAYING: [&str; 10] = [
    "--innodb-buffer-pool-size=256M",
    "--event-scheduler=OFF",
    "--server-id=1",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--max-binlog-size=64M",
    "--loose-binlog-expire-logs-seconds=1",
    "--binlog-format=ROW",
    "--max-allowed-packet=1G",
    // What was refused then is not in the log.
    "--innodb-strict-mode=OFF",
];

/// Starts a server on the staged data, asks what it holds, and stops it.
///
/// # Errors
/// `restored_server_unhealthy` when it does not start, can't open a table or does not stop; `missing_tool`;
/// `incompatible_engine_version` when the machine has a server of another series.
pub(super) async fn probe(staging: &Staging) -> Result<Probe, EngineError> {
    check_version(staging).await?;
    let private = PrivateDirectory::create(staging.owner)?;
    let directory = staging.directory.clone();
    let before = blocking(move || names(&directory)).await?;
    let server = start(staging, private, Purpose::Probe).await?;
    let probe = examine(&server, staging).await;
    server.stop().await?;
    let probe = probe?;
    let directory = staging.directory.clone();
    let log_base = binary_log_base(staging).map(str::to_owned);
    blocking(move || {
        remove_new_files(&directory, &before, log_base.as_deref())?;
        remove_tool_files(&directory)
    })
    .await?;
    Ok(probe)
}

/// What a private server is started for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To look at the data.
    Probe,
    /// To change it: with accounts, since statements about accounts need them, and with the binary log and the temporary files
    /// in `work`. The statements in `init_file` come first.
    Replay { work: &'a Path, init_file: &'a Path },
}

/// Starts it.
///
/// # Errors
/// As [`PrivateServer::start`].
pub(super) async fn start(
    staging: &Staging,
    directory: PrivateDirectory,
    purpose: Purpose<'_>,
) -> Result<PrivateServer, EngineError> {
    let arguments = arguments(staging, directory.path(), purpose)?;
    let command = Command::new(SERVER).env("TZ", MACHINE_TIME_ZONE).args(arguments);
    PrivateServer::start(staging, command, CLIENT, directory, matches!(purpose, Purpose::Probe)).await
}

async fn examine(server: &PrivateServer, staging: &Staging) -> Result<Probe, EngineError> {
    server.open_tables(staging, &["InnoDB", "Aria", "MyISAM"]).await?;
    continue_binary_log(server, staging).await?;
    let (engine_version, summary) = server.contents(staging, "mysql.global_priv").await?;
    Ok(Probe { engine_version, server_identity: None, summary })
}

/// A binary log inside the data directory begins anew with a restore, as the live server's stays with its data. So that
/// no GTID is given to two different changes of the restored data, the new log goes on after the last one that the
/// backup holds (manual, "gtid_binlog_state").
async fn continue_binary_log(server: &PrivateServer, staging: &Staging) -> Result<(), EngineError> {
    if binary_log_base(staging).is_none() {
        return Ok(());
    }
    let Some(gtid) = gtid(staging) else { return Ok(()) };
    server.ask(staging, &format!("SET GLOBAL gtid_binlog_state = '{gtid}'")).await?;
    (staging.log)(LogLevel::Info, &format!("The restored server's binary log begins anew, after GTID {gtid}"));
    Ok(())
}

pub(super) async fn check_version(staging: &Staging) -> Result<(), EngineError> {
    let output = Command::new(SERVER)
        .args(["--no-defaults", "--version"])
        .time_limit(Duration::from_secs(30))
        .output(&staging.cancel)
        .await
        .map_err(|source| EngineError::process("asking for MariaDB's version", source))?;
    let installed = output.stdout.split_once("Ver ").map_or(output.stdout.as_str(), |(_, version)| version).trim();
    if can_take(Engine::Mariadb, &staging.manifest.engine_version, installed) {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::IncompatibleEngineVersion,
        format!(
            "The backup was made with MariaDB {}; the worker's machine has {installed}.",
            staging.manifest.engine_version
        ),
    ))
}

fn arguments(staging: &Staging, private: &Path, purpose: Purpose<'_>) -> Result<Vec<OsString>, EngineError> {
    let mut arguments: Vec<OsString> =
        ["--no-defaults", "--skip-networking", "--skip-slave-start"].into_iter().map(OsString::from).collect();
    arguments.push(with_path("--datadir=", &staging.directory));
    arguments.push(with_path("--socket=", &private.join("s")));
    arguments.push(with_path("--pid-file=", &private.join("pid")));
    match purpose {
        Purpose::Probe => {
            arguments.push("--skip-grant-tables".into());
            arguments.push(with_path("--tmpdir=", private));
            arguments.extend(["--innodb-buffer-pool-size=64M", "--event-scheduler=DISABLED"].map(OsString::from));
        }
        Purpose::Replay { work, init_file } => {
            arguments.push(with_path("--tmpdir=", work));
            arguments.push(with_path("--init-file=", init_file));
            arguments.push(with_path("--log-bin=", &work.join("log")));
            arguments.extend(WHILE_REPLAYING.map(OsString::from));
            let plain = |value: &&str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            for name in STATEMENT_SETTINGS {
                if let Some(value) = fact(staging, name).filter(plain) {
                    arguments.push(format!("--{}={value}", name.replace('_', "-")).into());
                }
            }
        }
    }
    let small = ["--performance-schema=OFF"];
    let traceless = ["--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF"];
    arguments.extend(small.into_iter().chain(traceless).map(OsString::from));
    let settings = staging.directory.join("backup-my.cnf");
    let text =
        std::fs::read_to_string(&settings).map_err(EngineError::file("reading the backup's settings", &settings))?;
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if FILE_SETTINGS.contains(&name.trim()) {
            arguments.push(format!("--{}={}", name.trim().replace('_', "-"), value.trim()).into());
        }
    }
    if let Some(value) = fact(staging, "lower_case_table_names").filter(|value| value.parse::<u8>().is_ok()) {
        arguments.push(format!("--lower-case-table-names={value}").into());
    }
    if matches!(purpose, Purpose::Replay { .. }) {
        return Ok(arguments);
    }
    match binary_log_base(staging).filter(|_| gtid(staging).is_some()) {
        Some(base) => {
            arguments.push(format!("--log-bin={base}").into());
            let server_id = fact(staging, "server_id").and_then(|id| id.parse::<u32>().ok()).unwrap_or(1);
            arguments.push(format!("--server-id={server_id}").into());
        }
        None => arguments.push("--skip-log-bin".into()),
    }
    Ok(arguments)
}

fn fact<'a>(staging: &'a Staging, name: &str) -> Option<&'a str> {
    staging.manifest.engine_facts.get(name).map(String::as_str)
}

/// The base name of a binary log inside the data directory.
fn binary_log_base(staging: &Staging) -> Option<&str> {
    fact(staging, "binary_log_base").filter(|base| !base.is_empty() && !base.starts_with('.') && !base.contains('/'))
}

fn gtid(staging: &Staging) -> Option<&str> {
    let plain = |gtid: &&str| !gtid.is_empty() && gtid.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b','));
    fact(staging, "gtid").filter(plain)
}
