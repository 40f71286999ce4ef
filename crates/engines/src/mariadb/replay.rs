//! Replays archived binary log on prepared data: `mariadb-binlog | mariadb`, one session over all files, on a private server.
//!
//! Where it stops is found in the log before anything is started. The server writes a binary log of its own meanwhile, so that
//! the transactions that it reached can be compared with those that were to be reached. // F-66

mod plan;
mod stop;

use std::collections::BTreeMap;

use domain::{ErrorCode, LogLevel};
use process::Command;

use self::plan::Plan;
use super::binary_log::{GtidState, LogFileName};
use super::private_server::{self, Purpose};
use crate::logs::{LogReplay, Reached};
use crate::my_family::blocking;
use crate::my_family::private_server::{PrivateServer, make_owned, names, own, remove_new_files, with_path};
use crate::my_family::replay_account::Account;
use crate::my_family::replay_pipe::{self, Pipe, not_reached};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Staging};

/// Replays up to the stop.
///
/// # Errors
/// `pitr_time_ambiguous`, `pitr_position_not_covered`, `log_gap`, `log_conflict` before anything is started;
/// `pitr_target_not_reached` when a statement fails or the log is not what it was; those of [`private_server`].
pub(super) async fn replay(staging: &Staging, replay: &LogReplay) -> Result<Reached, EngineError> {
    let start = start_of(staging)?;
    let (directory, segments, stop) = (replay.directory.clone(), replay.segments.clone(), replay.stop.clone());
    let plan = blocking(move || Plan::make(&directory, &segments, &start, &stop)).await?;
    (staging.log)(LogLevel::Info, &format!("Replaying the binary log up to {}", plan.position_text()));
    if !plan.is_empty() {
        let reached = run(staging, replay, &plan).await?;
        check_reached(&plan.expected, &reached)?;
    }
    Ok(Reached {
        position: plan.position_text(),
        last_commit_at: plan.last_commit_at,
        engine_facts: BTreeMap::from([("gtid".to_owned(), plan.expected.to_string())]),
    })
}

/// Where the backup stands in the log.
struct Start {
    file: LogFileName,
    offset: u64,
    state: GtidState,
}

fn start_of(staging: &Staging) -> Result<Start, EngineError> {
    let fact = |name: &str| staging.manifest.engine_facts.get(name).map(String::as_str).unwrap_or_default();
    let start = || {
        let file = LogFileName::parse(fact("binary_log_file"))?;
        let offset = fact("binary_log_position").parse().ok()?;
        Some(Start { file, offset, state: GtidState::parse(fact("gtid")).ok()? })
    };
    start().ok_or_else(|| {
        let detail = "The backup does not tell where it stands in the binary log: nothing can be replayed on it.";
        EngineError::known(ErrorCode::PitrNotSupported, detail)
    })
}

async fn run(staging: &Staging, replay: &LogReplay, plan: &Plan) -> Result<GtidState, EngineError> {
    private_server::check_version(staging).await?;
    let private = PrivateDirectory::create(staging.owner)?;
    let work = replay.directory.join("private-server");
    make_owned(staging, &work)?;
    let account = Account::invent();
    let init_file = private.path().join("init");
    std::fs::write(&init_file, creation(&account)).map_err(EngineError::file("writing statements", &init_file))?;
    own(staging, &init_file)?;
    let directory = staging.directory.clone();
    let before = blocking(move || names(&directory)).await?;
    let server =
        private_server::start(staging, private, Purpose::Replay { work: &work, init_file: &init_file }).await?;
    let reached = through_pipe(staging, replay, plan, &server, &account).await;
    server.stop().await?;
    let reached = reached?;
    let directory = staging.directory.clone();
    blocking(move || remove_new_files(&directory, &before, None)).await?;
    std::fs::remove_dir_all(&work).map_err(EngineError::file("removing the private server's log", &work))?;
    Ok(reached)
}

/// `mariadb-binlog | mariadb`.
async fn through_pipe(
    staging: &Staging,
    replay: &LogReplay,
    plan: &Plan,
    server: &PrivateServer,
    account: &Account,
) -> Result<GtidState, EngineError> {
    let length = plan.files.last().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |metadata| metadata.len());
    let reader = Command::new("mariadb-binlog")
        .args(["--no-defaults", "--verify-binlog-checksum"])
        .arg(format!("--start-position={}", plan.start))
        .args((plan.end < length).then(|| format!("--stop-position={}", plan.end)))
        .arg("--")
        .args(plan.files.iter());
    let session = Command::new("mariadb")
        .arg_secret_file("--defaults-file=", account.options())
        .arg("--protocol=socket")
        .arg(with_path("--socket=", &server.socket()))
        .arg(format!("--user={}", account.name()));
    let preface = format!("SET GLOBAL gtid_binlog_state = '{}';\n", plan.before);
    let pipe = Pipe { reader, session, preface: &preface, state: "@@GLOBAL.gtid_binlog_state", account };
    let told = replay_pipe::run(staging, replay, pipe).await?;
    GtidState::parse(&told).map_err(|()| not_reached("the server's state can't be read"))
}

/// The session's account. It may hand on every role that there is, as statements of the log do.
fn creation(account: &Account) -> String {
    format!(
        "{}INSERT INTO mysql.roles_mapping SELECT 'localhost', '{}', User, 'Y' FROM mysql.global_priv \
         WHERE Host = '' AND JSON_CONTAINS(Priv, 'true', '$.is_role');\nFLUSH LOCAL PRIVILEGES;\n",
        account.creation(),
        account.name()
    )
}

/// F-66
fn check_reached(expected: &GtidState, reached: &GtidState) -> Result<(), EngineError> {
    if expected.is_reached_by(reached) {
        return Ok(());
    }
    let detail = format!("The replay reached the transactions {reached}, not {expected}.");
    Err(EngineError::known(ErrorCode::PitrTargetNotReached, detail))
}
