//! Loading a dump over the data in use, with a dump of that in hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{ErrorCode, LogLevel, Obstacle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::accounts::{AccountList, Name, backquoted, written};
use super::backup::{Tail, command, dump_failure};
use super::{ACCOUNTS_STREAM, DATABASES_FACT, Dialect, databases, missing_privileges};
use crate::driver::BASE_STREAM;
use crate::feed::feed;
use crate::problem::Problem;
use crate::served::{ServedPlace, ServedPlan, ServedRequest, ServedRestore, ServedState, Staged};
use crate::{EngineError, Probe};

const COPY_BYTES: usize = 256 << 10;
/// How long a statement may take that gives no answer meanwhile. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(60 * 60);
/// What an undo loads.
const SAFETY_DUMP: &str = "before.sql";
/// The file that names the accounts that the restore makes, written before it does.
const NEW_ACCOUNTS: &str = "accounts.json";
/// The state's entries: lists of databases as JSON.
const REPLACED: &str = "replaced";
const CREATED: &str = "created";

/// Restores of dumps.
pub(crate) struct DumpRestore {
    pub dialect: &'static dyn Dialect,
}

/// The names of the databases that a backup holds.
fn restored(request: &ServedRequest) -> Result<Vec<String>, EngineError> {
    let fact = request.chain.last().and_then(|manifest| manifest.engine_facts.get(DATABASES_FACT));
    let unknown =
        || EngineError::known(ErrorCode::ManifestInvalid, "The manifest does not tell which databases it holds.");
    serde_json::from_str(fact.ok_or_else(unknown)?).map_err(|_| unknown())
}

#[async_trait]
impl ServedRestore for DumpRestore {
    async fn check(&self, request: &ServedRequest) -> ServedPlan {
        self.look(request).await.unwrap_or_else(|error| ServedPlan::impossible(&error))
    }

    async fn stage(&self, request: &ServedRequest) -> Result<Staged, EngineError> {
        let ServedPlace { datastore, work_directory, keep_directory, cancel, log, .. } = &request.place;
        let link = request.chain.len().saturating_sub(1);
        let mut before = 0;
        for stream in request.chain.last().map(|manifest| manifest.streams.as_slice()).unwrap_or_default() {
            // All of it is here, and is what was written, before anything of the data in use is touched.
            let output = request.source.open(link, &stream.name).await?;
            let progress = Arc::clone(&request.progress);
            let on_bytes = move |bytes| progress(before + bytes);
            before += save(output, &work_directory.join(&stream.name), None, &on_bytes).await?;
            if cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
        }
        let there = databases::all(self.dialect, datastore, cancel).await?;
        let there: BTreeSet<String> = there.into_iter().map(|database| database.name).collect();
        let (replaced, created): (Vec<_>, Vec<_>) =
            restored(request)?.into_iter().partition(|name| there.contains(name));
        if !replaced.is_empty() {
            log(LogLevel::Info, &format!("Dumping what will be replaced: {}", replaced.join(", ")));
            log(LogLevel::Warning, "What is written from now on is not in it: an undo does not bring it back");
            self.dump_into(&request.place, &replaced, &keep_directory.join(SAFETY_DUMP)).await?;
        }
        let list = |names: &[String]| serde_json::to_string(names).unwrap_or_default();
        let state = [(REPLACED.to_owned(), list(&replaced)), (CREATED.to_owned(), list(&created))];
        Ok(Staged { state: ServedState(state.into()), reached: None })
    }

    async fn switch(&self, request: &ServedRequest, _: &ServedState) -> Result<Probe, EngineError> {
        let place = &request.place;
        self.make_accounts(place).await?;
        let dump = place.work_directory.join(BASE_STREAM);
        if tokio::fs::try_exists(&dump).await.unwrap_or(false) {
            (place.log)(LogLevel::Info, "Loading the dump");
            let progress = Arc::clone(&request.progress);
            self.load(place, &dump, &move |bytes| progress(bytes)).await?;
        }
        self.probe(place).await
    }

    async fn take_back(&self, place: &ServedPlace, state: &ServedState) -> Result<Probe, EngineError> {
        let list = |name: &str| -> Result<Vec<String>, EngineError> {
            let unknown = || EngineError::known(ErrorCode::Internal, "The journal of the restore can't be understood.");
            serde_json::from_str(state.0.get(name).ok_or_else(unknown)?).map_err(|_| unknown())
        };
        for name in list(CREATED)? {
            let sql = format!("DROP DATABASE IF EXISTS {}", backquoted(&name));
            self.dialect.query(&place.datastore, &sql, &place.cancel).await?;
        }
        if !list(REPLACED)?.is_empty() {
            (place.log)(LogLevel::Info, "Loading the dump of what was replaced");
            self.load(place, &place.keep_directory.join(SAFETY_DUMP), &|_| {}).await?;
        }
        self.drop_accounts(place).await;
        self.probe(place).await
    }

    async fn discard(&self, _: &ServedPlace, _: Option<&ServedState>) -> Result<(), EngineError> {
        // Nothing is kept on the server.
        Ok(())
    }
}

impl DumpRestore {
    async fn probe(&self, place: &ServedPlace) -> Result<Probe, EngineError> {
        let now = self.dialect.now(&place.datastore, &place.cancel).await?;
        let databases = databases::all(self.dialect, &place.datastore, &place.cancel).await?.len();
        let title = place.datastore.engine.title();
        Ok(Probe {
            summary: format!("{title} {} holds {databases} databases", now.version),
            engine_version: now.version,
            server_identity: now.identity,
        })
    }

    /// What would be replaced, and all that stands in the way.
    async fn look(&self, request: &ServedRequest) -> Result<ServedPlan, EngineError> {
        let ServedPlace { datastore, cancel, .. } = &request.place;
        let now = self.dialect.now(datastore, cancel).await?;
        let restored: BTreeSet<String> = restored(request)?.into_iter().collect();
        let there = databases::all(self.dialect, datastore, cancel).await?;
        let names: BTreeSet<String> = there.iter().map(|database| database.name.clone()).collect();
        let mut obstacles = Vec::new();
        if let Some(name) = names.first().filter(|_| request.needs_empty_server()) {
            let detail = format!("The server is not empty: it has a database {name:?}.");
            obstacles.push(Obstacle::new(ErrorCode::TargetNotSupported, detail));
        }
        for program in [self.dialect.client(), self.dialect.dump_tool()] {
            let lacking = self.dialect.lacks(program).await;
            obstacles.extend(lacking.map(|problem| Obstacle::new(problem.code, problem.detail)));
        }
        let grants = self.dialect.query(datastore, "SHOW GRANTS", cancel).await?;
        let missing = missing_privileges(self.dialect.restore_privileges(), &grants, &now.account, "restore");
        obstacles.extend(missing.map(Problem::into_obstacle));
        let replaced_bytes: u64 =
            there.iter().filter(|one| restored.contains(&one.name)).map(|one| one.size_bytes).sum();
        let stored_bytes: u64 = request.chain.iter().map(|manifest| manifest.original_size_bytes).sum();
        Ok(ServedPlan {
            replaced: restored.intersection(&names).cloned().collect(),
            created: restored.difference(&names).cloned().collect(),
            untouched: names.difference(&restored).cloned().collect(),
            // As statements, rows are about twice as long.
            needed_bytes: stored_bytes.saturating_add(replaced_bytes.saturating_mul(2)),
            streams: request.all_streams(),
            obstacles,
        })
    }

    /// Dumps databases into a file, durably.
    async fn dump_into(&self, place: &ServedPlace, names: &[String], path: &Path) -> Result<(), EngineError> {
        let failed = |error| dump_failure(&place.datastore, error);
        let mut child = command(self.dialect, &place.datastore, names, &place.log).await?.spawn().map_err(failed)?;
        let tail = Tail::default();
        if let Some(output) = child.stdout.take() {
            save(output, path, Some(&tail), &|_| {}).await?;
        }
        let exit = child.wait(&place.cancel).await;
        exit.and_then(|exit| exit.success_or_error(self.dialect.dump_tool())).map_err(failed)?;
        tail.completion_mark().map(drop)
    }

    /// Runs the statements of a file; stops at the first that fails.
    async fn load(
        &self,
        place: &ServedPlace,
        path: &Path,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), EngineError> {
        let file = File::open(path).await.map_err(EngineError::file("reading the dump", path))?;
        self.run(place, file, on_bytes).await
    }

    async fn run(
        &self,
        place: &ServedPlace,
        input: impl AsyncRead + Unpin,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), EngineError> {
        let log = Arc::clone(&place.log);
        let command = self.dialect.logging_in(self.dialect.client(), &place.datastore).await?;
        let command = command
            // Of the client's own commands none but those that a dump has: `system` is one of the others.
            .args(["--binary-mode", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"])
            .stall_limit(STALL_LIMIT)
            .on_line(move |_, line| log(LogLevel::Tool, line));
        feed(command, input, "loading the dump", on_bytes, &place.cancel).await.map(drop)
    }

    /// Makes the accounts that the backup has and the server has not.
    async fn make_accounts(&self, place: &ServedPlace) -> Result<(), EngineError> {
        let path = place.work_directory.join(ACCOUNTS_STREAM);
        let text = tokio::fs::read_to_string(&path).await.map_err(EngineError::file("reading the accounts", &path))?;
        let accounts = AccountList::parse(&text);
        let wanted = accounts.names();
        if wanted.is_empty() {
            return Ok(());
        }
        let there = self.dialect.query(&place.datastore, "SELECT User, Host FROM mysql.user", &place.cancel).await?;
        let there: BTreeSet<Name> = there
            .into_iter()
            .filter_map(|row| <[String; 2]>::try_from(row).ok())
            .map(|[user, host]| (user, host))
            .collect();
        let missing: BTreeSet<Name> = wanted.difference(&there).cloned().collect();
        write_json(&new_accounts(place), &missing).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(written).collect();
        (place.log)(LogLevel::Info, &format!("Making the accounts {}", names.join(", ")));
        self.run(place, accounts.script(&missing).as_bytes(), &|_| {}).await?;
        for statement in accounts.memberships(&missing) {
            // Of a role that was there somebody else may be the administrator: no reason to give up the data.
            if let Err(error) = self.dialect.query(&place.datastore, &statement, &place.cancel).await {
                let detail = error.to_job_error().detail;
                (place.log)(LogLevel::Warning, &format!("{statement} was refused: {detail}"));
            }
        }
        Ok(())
    }

    /// Takes the accounts away again that the restore made.
    async fn drop_accounts(&self, place: &ServedPlace) {
        let accounts: BTreeSet<Name> = read_json(&new_accounts(place)).await.unwrap_or_default();
        for account in accounts {
            let kind = if account.1.is_empty() { "ROLE" } else { "USER" };
            let sql = format!("DROP {kind} IF EXISTS {}", written(&account));
            if let Err(error) = self.dialect.query(&place.datastore, &sql, &place.cancel).await {
                let detail = error.to_job_error().detail;
                (place.log)(LogLevel::Warning, &format!("The account {} stays: {detail}", written(&account)));
            }
        }
    }
}

fn new_accounts(place: &ServedPlace) -> PathBuf {
    place.keep_directory.join(NEW_ACCOUNTS)
}

async fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EngineError> {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    save(bytes.as_slice(), path, None, &|_| {}).await.map(drop)
}

async fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&tokio::fs::read(path).await.ok()?).ok()
}

/// Writes a stream to a file, which is durable when this returns, and gives its size. // F-42
async fn save(
    mut from: impl AsyncRead + Unpin,
    path: &Path,
    tail: Option<&Tail>,
    on_bytes: &(dyn Fn(u64) + Send + Sync),
) -> Result<u64, EngineError> {
    let failed = |error| EngineError::file("writing", path)(error);
    let mut file = tokio::fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(path).await;
    let mut file = file.map_err(failed)?;
    let (mut buffer, mut written) = (vec![0; COPY_BYTES], 0u64);
    loop {
        let count = from.read(&mut buffer).await.map_err(EngineError::file("reading", "the dump"))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        file.write_all(bytes).await.map_err(failed)?;
        if let Some(tail) = tail {
            tail.push(bytes);
        }
        written += u64::try_from(count).unwrap_or(0);
        on_bytes(written);
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    Ok(written)
}
