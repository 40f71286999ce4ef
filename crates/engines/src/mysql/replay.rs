//! Replays archived binary log on prepared data: `mysqlbinlog | mysql`, one session over all files, on a private server.
//!
//! Where the data stands in the log is known to the restored server alone, which learnt it from the clone; so it is started
//! first. Where to stop is then found in the log before a statement is replayed, and the transactions that were reached are
//! compared with those that were to be reached. // F-66

mod plan;
mod stop;

use std::collections::BTreeMap;

use domain::{ErrorCode, LogLevel, Method};
use process::Command;

use self::plan::Plan;
use super::binary_log::GtidSet;
use super::facts::LogPosition;
use super::private_server::{Purpose, Started};
use super::{client, programs};
use crate::logs::{LogReplay, Reached};
use crate::my_family::binary_log::LogFileName;
use crate::my_family::blocking;
use crate::my_family::private_server::{PrivateServer, with_path};
use crate::my_family::replay_account::Account;
use crate::my_family::replay_pipe::{self, Pipe, not_reached};
use crate::{EngineError, Staging};

/// The fact that tells up to where log was replayed on the data.
pub(super) const REPLAYED_FACT: &str = "replayed_to";
const STATE: &str = "REPLACE(@@GLOBAL.gtid_executed, '\\n', '')";

/// Where the data stands in the log.
struct Start {
    file: LogFileName,
    offset: u64,
    executed: GtidSet,
}

/// Replays up to the stop.
///
/// # Errors
/// `pitr_position_not_covered`, `log_gap`, `log_conflict` before a statement is replayed; `pitr_target_not_reached` when one
/// fails or the log is not what it was; those of the private server.
pub(super) async fn replay(staging: &Staging, replay: &LogReplay) -> Result<Reached, EngineError> {
    let work = replay.directory.join("private-server");
    let started = Started::on(staging, Purpose::Replay { work: &work }).await?;
    let done = run(staging, replay, &started.server).await;
    started.end(staging).await?;
    std::fs::remove_dir_all(&work).map_err(EngineError::file("removing the private server's files", &work))?;
    let plan = done?;
    Ok(Reached {
        position: plan.position_text(),
        last_commit_at: plan.last_commit_at,
        engine_facts: BTreeMap::from([
            (REPLAYED_FACT.to_owned(), plan.position_text()),
            ("gtid_executed".to_owned(), plan.expected.to_string()),
        ]),
    })
}

async fn run(staging: &Staging, replay: &LogReplay, server: &PrivateServer) -> Result<Plan, EngineError> {
    let start = start_of(staging, server).await?;
    let (directory, segments, stop) = (replay.directory.clone(), replay.segments.clone(), replay.stop.clone());
    let plan = blocking(move || Plan::make(&directory, &segments, &start, &stop)).await?;
    (staging.log)(LogLevel::Info, &format!("Replaying the binary log up to {}", plan.position_text()));
    if plan.is_empty() {
        return Ok(plan);
    }
    let reached = through_pipe(staging, replay, &plan, server).await?;
    if reached == plan.expected {
        return Ok(plan);
    }
    Err(not_reached(&format!("it reached the transactions {reached}, not {}", plan.expected)))
}

async fn start_of(staging: &Staging, server: &PrivateServer) -> Result<Start, EngineError> {
    let position = match staging.manifest.method {
        Method::Xtrabackup => of_copied(server, staging).await?,
        _ => LogPosition::of_restored(server, staging).await?,
    };
    let start = position.and_then(|position| {
        Some(Start {
            file: LogFileName::parse(&position.file)?,
            offset: position.position,
            executed: GtidSet::parse(&position.gtid_executed).ok()?,
        })
    });
    start.ok_or_else(|| {
        let detail =
            "The restored data does not tell where it stands in the binary log: nothing can be replayed on it.";
        EngineError::known(ErrorCode::PitrNotSupported, detail)
    })
}

/// Where files stand that `xtrabackup` copied: it told so. The server may have forgotten the newest GTIDs, which it keeps in its binary log.
async fn of_copied(server: &PrivateServer, staging: &Staging) -> Result<Option<LogPosition>, EngineError> {
    let position = LogPosition::of_manifest(&staging.manifest);
    // Of a manifest that somebody may have changed.
    let gtids = position.as_ref().and_then(|position| GtidSet::parse(&position.gtid_executed).ok());
    if let Some(gtids) = gtids.map(|gtids| gtids.to_string()).filter(|gtids| !gtids.is_empty()) {
        let forgotten = format!("SELECT REPLACE(GTID_SUBTRACT('{gtids}', @@GLOBAL.gtid_executed), '\\n', '')");
        let rows = server.ask(staging, &forgotten).await?;
        if let Some(forgotten) = rows.first().and_then(|row| row.first()).filter(|set| !set.is_empty()) {
            server.ask(staging, &format!("SET GLOBAL gtid_purged = '+{forgotten}'")).await?;
        }
    }
    Ok(position)
}

/// `mysqlbinlog | mysql`.
async fn through_pipe(
    staging: &Staging,
    replay: &LogReplay,
    plan: &Plan,
    server: &PrivateServer,
) -> Result<GtidSet, EngineError> {
    let account = Account::invent();
    // Statements about accounts need accounts. This one has no password, since nobody else reaches the socket; so far the server
    // takes everybody.
    let name = account.name();
    let accounts = format!(
        "FLUSH PRIVILEGES; CREATE USER '{name}'@'localhost'; \
         GRANT ALL PRIVILEGES ON *.* TO '{name}'@'localhost' WITH GRANT OPTION"
    );
    server.ask(staging, &accounts).await?;
    let length = plan.files.last().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |metadata| metadata.len());
    let reader = Command::new(programs::find_for_job("mysqlbinlog").await?)
        .args(["--no-defaults", "--verify-binlog-checksum"])
        .arg(format!("--start-position={}", plan.start))
        .args((plan.end < length).then(|| format!("--stop-position={}", plan.end)))
        .arg("--")
        .args(plan.files.iter());
    let session = Command::new(programs::find_for_job(client::CLIENT).await?)
        .args(["--no-defaults", "--protocol=socket"])
        .arg(with_path("--socket=", &server.socket()))
        .arg(format!("--user={name}"));
    let pipe = Pipe { reader, session, preface: "", state: STATE, account: &account };
    let told = replay_pipe::run(staging, replay, pipe).await?;
    GtidSet::parse(&told).map_err(|()| not_reached("the server's state can't be read"))
}
