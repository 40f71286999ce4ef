//! What a restore of dumps would do, and everything in its way. Touches nothing.

use std::collections::BTreeSet;

use domain::{ErrorCode, Obstacle};

use super::database::Database;
use super::names::is_kept;
use super::restore::{Restored, Session, restore_tool_major, restored};
use super::{GLOBALS_STREAM, RESTORE_TOOL};
use crate::EngineError;
use crate::postgresql::binaries;
use crate::postgresql::findings::{identifier, literal};
use crate::postgresql::server;
use crate::problem::Problem;
use crate::served::{ServedPlace, ServedPlan, ServedRequest};

/// What a restore writes on the worker's disk: names.
const NEEDED_BYTES: u64 = 1 << 20;
const LONGEST_NAME_BYTES: usize = 63;
const TEMPLATES: [&str; 2] = ["template0", "template1"];

/// What would be replaced, and all that stands in the way.
pub(super) async fn look(request: &ServedRequest) -> Result<ServedPlan, EngineError> {
    let restored = restored(request)?;
    let ServedPlace { datastore, cancel, .. } = &request.place;
    let server = server::ask_for_job(datastore, cancel).await?;
    let session = Session::new(&request.place, &[]);
    let there = session.databases().await?;
    let given: BTreeSet<&str> = restored.iter().map(|one| one.name.as_str()).collect();
    let (taken, other): (Vec<_>, Vec<_>) =
        there.iter().filter(|one| !is_kept(&one.name)).partition(|one| given.contains(one.name.as_str()));
    let names = |list: &[&Database]| list.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let known: BTreeSet<&str> = taken.iter().map(|one| one.name.as_str()).collect();
    let mut obstacles = Vec::new();
    if !request.may_replace() {
        let refused = restored.iter().filter_map(|one| against_new_name(&one.name, known.contains(one.name.as_str())));
        obstacles.extend(refused.map(|error| error.to_obstacle()));
    }
    let replaced = if request.may_replace() { taken } else { Vec::new() };
    if request.needs_empty_server() {
        for database in &there {
            if database.name != "postgres" || !database.is_empty(&session.connection, datastore, cancel).await? {
                let detail = format!("The server is not empty: it has a database {:?}.", database.name);
                obstacles.push(Obstacle::new(ErrorCode::TargetNotSupported, detail));
            }
        }
    }
    if server.in_recovery {
        let detail = "The server is a standby, which takes no data; restore into its primary.";
        obstacles.push(Obstacle::new(ErrorCode::TargetNotSupported, detail));
    }
    obstacles.extend(against_user(&session, &replaced).await?);
    obstacles.extend(against_owners(&session, &restored, server.major()).await?);
    let major = restore_tool_major(request, &server);
    if binaries::client(RESTORE_TOOL, major).await.is_none() {
        let problem = super::no_tool(RESTORE_TOOL, major);
        obstacles.push(Obstacle::new(problem.code, problem.detail));
    }
    let link = request.chain.len().saturating_sub(1);
    let in_link = |stream: &str| (link, stream.to_owned());
    Ok(ServedPlan {
        created: given.iter().filter(|name| !known.contains(*name)).map(|name| (*name).to_owned()).collect(),
        replaced: names(&replaced),
        untouched: names(&other),
        needed_bytes: NEEDED_BYTES,
        streams: restored.iter().map(|one| one.stream.as_str()).chain([GLOBALS_STREAM]).map(in_link).collect(),
        obstacles,
    })
}

/// What keeps a database that is made from its name: the server cuts names that are longer (manual, "Identifiers and Key Words").
fn against_new_name(name: &str, is_taken: bool) -> Option<EngineError> {
    if is_taken || TEMPLATES.contains(&name) {
        return Some(ServedRequest::name_taken(name));
    }
    (name.len() > LONGEST_NAME_BYTES).then(|| {
        let detail = format!("The name {name:?} is longer than the {LONGEST_NAME_BYTES} bytes that PostgreSQL allows.");
        EngineError::known(ErrorCode::ValidationFailed, detail)
    })
}

fn missing(what: &str, remedy: String) -> Obstacle {
    Problem::new(ErrorCode::MissingPrivilege, what).remedy(remedy).into_obstacle()
}

/// What the user may not do that a restore does.
async fn against_user(session: &Session<'_>, replaced: &[&Database]) -> Result<Vec<Obstacle>, EngineError> {
    const QUESTION: &str = "\
        select rolcreatedb or rolsuper, rolsuper or pg_catalog.pg_has_role('pg_signal_backend', 'usage')
        from pg_catalog.pg_roles where rolname = current_user";
    let answer = session.ask(QUESTION).await?;
    let (makes, ends) = answer.split_once('|').unwrap_or_default();
    let role = identifier(&session.connection.user);
    let mut obstacles = Vec::new();
    if makes != "t" {
        obstacles.push(missing("The user may not make databases.", format!("ALTER ROLE {role} CREATEDB;")));
    }
    if ends != "t" && !replaced.is_empty() {
        let remedy = format!("GRANT pg_signal_backend TO {role};");
        obstacles.push(missing("The user may not end the sessions of others, who use the data.", remedy));
    }
    for database in replaced.iter().filter(|database| !database.is_owner) {
        let name = identifier(&database.name);
        let remedy = format!("ALTER DATABASE {name} OWNER TO {role};");
        obstacles.push(missing(&format!("The database {name} is another's, who alone may rename it."), remedy));
    }
    Ok(obstacles)
}

/// The roles that databases belong to, and to which the user can't give any (manual, "CREATE DATABASE"). Those that are not there
/// are made by the restore, with the user as their member.
async fn against_owners(
    session: &Session<'_>,
    restored: &[Restored],
    major: u32,
) -> Result<Vec<Obstacle>, EngineError> {
    let owners: BTreeSet<&str> = restored.iter().map(|one| one.database.owner.as_str()).collect();
    let listed: Vec<String> = owners.into_iter().map(literal).collect();
    // From 16 on a member may be one without the right to act as the role.
    let right = if major >= 16 { "set" } else { "member" };
    let question = format!(
        "select coalesce(json_agg(rolname order by rolname), '[]') from pg_catalog.pg_roles
         where rolname in ({}) and not pg_catalog.pg_has_role(oid, '{right}')",
        listed.join(", ")
    );
    let answer = session.ask(&question).await?;
    let foreign: Vec<String> = serde_json::from_str(&answer).unwrap_or_default();
    let role = identifier(&session.connection.user);
    let obstacle = |owner: String| {
        let owner = identifier(&owner);
        let what = format!("The user is no member of {owner}, to whom a database of the backup belongs.");
        missing(&what, format!("GRANT {owner} TO {role};"))
    };
    Ok(foreign.into_iter().map(obstacle).collect())
}
