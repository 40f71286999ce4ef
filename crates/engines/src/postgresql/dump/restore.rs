//! Restoring dumps: what stands in the way, and loading each into a database of another name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use domain::{ErrorCode, LogLevel};
use process::Command;
use tokio::io::AsyncReadExt;

use super::backup::stream_of;
use super::database::{self, Database};
use super::globals::Globals;
use super::names::Names;
use super::{GLOBALS_STREAM, RESTORE_TOOL, TOOL_FACT, ask, check, switch, tool};
use crate::feed::feed;
use crate::postgresql::STALL_LIMIT;
use crate::postgresql::connection::Connection;
use crate::postgresql::findings::identifier;
use crate::postgresql::server::{self, Server};
use crate::served::{RestoredDatabase, ServedPlace, ServedPlan, ServedRequest, ServedRestore, ServedState, Staged};
use crate::{EngineError, Probe};

/// More than all roles of a server take.
const MOST_GLOBALS_BYTES: u64 = 64 << 20;
/// The file that names the roles that the restore makes, written before it does.
const ROLES_FILE: &str = "roles.json";

/// Restores of dumps.
pub(in crate::postgresql) struct PgDump;

/// Where, and with what.
pub(super) struct Session<'a> {
    pub place: &'a ServedPlace,
    pub connection: Connection,
    /// A database that is none of those that are restored.
    pub maintenance: &'static str,
    pub names: Names,
}

impl<'a> Session<'a> {
    pub(super) fn new(place: &'a ServedPlace, restored: &[String]) -> Self {
        let maintenance = if restored.iter().any(|name| name == "postgres") { "template1" } else { "postgres" };
        Self { place, connection: Connection::to(&place.datastore), maintenance, names: Names::of(place.restore_id) }
    }

    pub(super) async fn ask(&self, sql: &str) -> Result<String, EngineError> {
        let ServedPlace { datastore, cancel, .. } = self.place;
        ask(&self.connection, datastore, (self.maintenance, sql), cancel).await
    }

    pub(super) async fn databases(&self) -> Result<Vec<Database>, EngineError> {
        database::all(&self.connection, &self.place.datastore, &self.place.cancel).await
    }
}

/// A database to restore.
pub(super) struct Restored {
    /// As the backup has it.
    pub database: Database,
    pub stream: String,
    /// The name that it gets.
    pub name: String,
}

/// The databases to restore, in the order of their streams.
pub(super) fn restored(request: &ServedRequest) -> Result<Vec<Restored>, EngineError> {
    let held = held(request)?;
    let names: Vec<&str> = held.iter().map(|database| database.name.as_str()).collect();
    let chosen = request.restored(&names)?;
    let restored = |one: RestoredDatabase| {
        let database = held.get(one.index)?.clone();
        Some(Restored { database, stream: stream_of(one.index), name: one.name })
    };
    Ok(chosen.into_iter().filter_map(restored).collect())
}

/// All databases that a backup holds, in the order of their streams.
fn held(request: &ServedRequest) -> Result<Vec<Database>, EngineError> {
    let Some(manifest) = request.chain.last() else {
        return Err(EngineError::known(ErrorCode::Internal, "There is nothing to restore."));
    };
    let dumps = manifest.streams.iter().filter(|stream| stream.name != GLOBALS_STREAM);
    let databases = dumps.enumerate().map(|(index, _)| {
        let stream = stream_of(index);
        let fact = manifest.engine_facts.get(&stream).ok_or_else(|| {
            EngineError::known(ErrorCode::ManifestInvalid, format!("The manifest does not tell what {stream} is."))
        })?;
        Database::of_fact(fact)
    });
    databases.collect()
}

/// The major version that `pg_restore` needs at least: the server's own, and that of the tool that wrote the archives.
pub(super) fn restore_tool_major(request: &ServedRequest, server: &Server) -> u32 {
    let written = request.chain.last().and_then(|manifest| manifest.engine_facts.get(TOOL_FACT)?.parse().ok());
    server.major().max(written.unwrap_or(0))
}

#[async_trait]
impl ServedRestore for PgDump {
    async fn check(&self, request: &ServedRequest) -> ServedPlan {
        check::look(request).await.unwrap_or_else(|error| ServedPlan::impossible(&error))
    }

    async fn stage(&self, request: &ServedRequest) -> Result<Staged, EngineError> {
        let restored = restored(request)?;
        let names: Vec<String> = restored.iter().map(|one| one.name.clone()).collect();
        let session = Session::new(&request.place, &names);
        let server = server::ask_for_job(&request.place.datastore, &request.place.cancel).await?;
        let tools = tool(RESTORE_TOOL, restore_tool_major(request, &server)).await?;
        make_roles(request, &session, &tools.directory).await?;
        let mut before = 0;
        for (index, Restored { database, stream, .. }) in restored.iter().enumerate() {
            let staged = session.names.staged(index);
            (request.place.log)(LogLevel::Info, &format!("Loading {:?} beside the data in use", database.name));
            session.ask(&database.creation(&staged, server.major())).await?;
            before = load(request, &session, (&tools.directory, stream, &staged), before).await?;
            for statement in database.properties(&staged) {
                session.ask(&statement).await?;
            }
        }
        let state = switch::state_of(&session, &names, request.may_replace()).await?;
        Ok(Staged { state, reached: None })
    }

    async fn switch(&self, request: &ServedRequest, state: &ServedState) -> Result<Probe, EngineError> {
        switch::switch(&request.place, state).await?;
        probe(&request.place).await
    }

    async fn take_back(&self, place: &ServedPlace, state: &ServedState) -> Result<Probe, EngineError> {
        switch::take_back(place, state).await?;
        probe(place).await
    }

    async fn discard(&self, place: &ServedPlace, _: Option<&ServedState>) -> Result<(), EngineError> {
        let session = Session::new(place, &[]);
        let made: Vec<String> = session
            .databases()
            .await?
            .into_iter()
            .map(|one| one.name)
            .filter(|name| session.names.has_made(name))
            .collect();
        // After a switch nothing is left beside but what it replaced: the roles are in use then.
        let is_in_use = !made.is_empty() && made.iter().all(|name| name.ends_with("_before"));
        for name in made {
            switch::drop_database(&session, &name).await?;
        }
        if !is_in_use {
            drop_roles(&session).await;
        }
        Ok(())
    }
}

async fn probe(place: &ServedPlace) -> Result<Probe, EngineError> {
    let server = server::ask_for_job(&place.datastore, &place.cancel).await?;
    Ok(Probe {
        summary: server.summary(),
        server_identity: Some(server.system_identifier),
        engine_version: server.version,
    })
}

/// Makes the roles that the backup has and the server has not.
async fn make_roles(request: &ServedRequest, session: &Session<'_>, tools: &Path) -> Result<(), EngineError> {
    let link = request.chain.len().saturating_sub(1);
    let mut text = String::new();
    let stream = request.source.open(link, GLOBALS_STREAM).await?;
    let read = stream.take(MOST_GLOBALS_BYTES).read_to_string(&mut text).await;
    read.map_err(EngineError::file("reading the stream", GLOBALS_STREAM))?;
    let globals = Globals::parse(&text);
    let answer = session.ask("select coalesce(json_agg(rolname), '[]') from pg_catalog.pg_roles").await?;
    let there: BTreeSet<String> = serde_json::from_str(&answer).unwrap_or_default();
    let missing: BTreeSet<String> =
        globals.roles().into_iter().filter(|role| !there.contains(*role)).map(str::to_owned).collect();
    let file = roles_file(session.place);
    let names = serde_json::to_vec(&missing).unwrap_or_default();
    tokio::fs::write(&file, names).await.map_err(EngineError::file("writing", &file))?;
    if missing.is_empty() {
        return Ok(());
    }
    let log = Arc::clone(&request.place.log);
    log(LogLevel::Info, &format!("Making the roles {}", missing.iter().cloned().collect::<Vec<_>>().join(", ")));
    let mut script = globals.script(&missing);
    // Who makes a role may give it things only as its member (from PostgreSQL 16 on, not even that by itself).
    for role in &missing {
        let (role, user) = (identifier(role), identifier(&session.connection.user));
        script.push_str(&format!(
            "SELECT 'GRANT {} TO {}' WHERE NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) \\gexec\n",
            role.replace('\'', "''"),
            user.replace('\'', "''")
        ));
    }
    let psql = Command::new("psql").search_dir(tools).args(["--no-psqlrc", "--quiet", "--no-password"]);
    // By its input: passwords are in it. // F-80
    let psql = psql.args(["--set=ON_ERROR_STOP=1", "--single-transaction"]).env("PGDATABASE", session.maintenance);
    let session_log = Arc::clone(&log);
    let command = session.connection.apply(psql).on_line(move |_, line| session_log(LogLevel::Tool, line));
    let command = command.stall_limit(STALL_LIMIT);
    feed(command, script.as_bytes(), "making the roles", &|_| {}, &request.place.cancel).await.map(drop)
}

fn roles_file(place: &ServedPlace) -> PathBuf {
    place.keep_directory.join(ROLES_FILE)
}

/// Takes the roles away that a restore made which is of no use any more. One that owns something since stays.
async fn drop_roles(session: &Session<'_>) {
    let Ok(names) = tokio::fs::read(roles_file(session.place)).await else { return };
    let roles: BTreeSet<String> = serde_json::from_slice(&names).unwrap_or_default();
    for role in roles {
        if let Err(error) = session.ask(&format!("DROP ROLE IF EXISTS {}", identifier(&role))).await {
            (session.place.log)(
                LogLevel::Warning,
                &format!("The role {role:?} that the restore made stays: {}", error.to_job_error().detail),
            );
        }
    }
}

/// Loads the dump of a database; `before` bytes of others are done. Gives the sum.
async fn load(
    request: &ServedRequest,
    session: &Session<'_>,
    (tools, stream, staged): (&Path, &str, &str),
    before: u64,
) -> Result<u64, EngineError> {
    let link = request.chain.len().saturating_sub(1);
    let stream = request.source.open(link, stream).await?;
    let log = Arc::clone(&request.place.log);
    let command = Command::new(RESTORE_TOOL)
        .search_dir(tools)
        .args(["--exit-on-error", "--no-tablespaces", "--no-password"])
        .arg(format!("--dbname={staged}"));
    let command = session.connection.apply(command).on_line(move |_, line| log(LogLevel::Tool, line));
    let progress = Arc::clone(&request.progress);
    let on_bytes = move |bytes| progress(before + bytes);
    let command = command.stall_limit(STALL_LIMIT);
    let bytes = feed(command, stream, "loading the dump", &on_bytes, &request.place.cancel).await?;
    Ok(before + bytes)
}
