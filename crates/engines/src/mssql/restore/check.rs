//! What a restore would do, and everything in its way. Touches no database.

use domain::{ErrorCode, Obstacle, format};

use super::super::client::Session;
use super::super::facts::{DatabaseFacts, ServerFacts};
use super::super::inspection::in_group;
use super::super::names::literal;
use super::super::preflight;
use super::super::shared::{self, Shared};
use super::plan::{DatabasePlan, databases};
use super::stop::stop_at;
use crate::EngineError;
use crate::problem::Problem;
use crate::served::{ServedPlan, ServedRequest};

/// Looks at the chain, the server and the shared place.
pub(super) async fn check(request: &ServedRequest) -> ServedPlan {
    let mut plan = ServedPlan::default();
    let databases = match databases(request) {
        Ok(databases) => databases,
        Err(error) => {
            plan.obstacles.push(error.to_obstacle());
            return plan;
        }
    };
    for database in &databases {
        plan.obstacles.extend(stop_at(database, request.stop.as_ref()).err().map(|error| error.to_obstacle()));
    }
    // One stream at a time lies in the shared place.
    let largest = databases.iter().flat_map(|database| &database.steps).map(|step| step.original_bytes).max();
    plan.needed_bytes = largest.unwrap_or(0);
    let steps = databases.iter().flat_map(|database| &database.steps);
    plan.streams = steps.map(|step| (step.link, step.stream.clone())).collect();
    if let Err(error) = look(request, &databases, &mut plan).await {
        plan.obstacles.push(error.to_obstacle());
    }
    plan
}

async fn look(request: &ServedRequest, databases: &[DatabasePlan], plan: &mut ServedPlan) -> Result<(), EngineError> {
    let mut session = Session::open(&request.place.datastore, &request.place.cancel).await?;
    let server = ServerFacts::of(&mut session).await?;
    plan.obstacles.extend(version(request, &server));
    let (there, made): (Vec<&DatabasePlan>, Vec<&DatabasePlan>) =
        databases.iter().partition(|database| server.database(&database.target).is_some());
    let names = |databases: &[&DatabasePlan]| databases.iter().map(|database| database.target.clone()).collect();
    plan.created = names(&made);
    if request.may_replace() {
        plan.replaced = names(&there);
    } else {
        plan.obstacles.extend(there.iter().map(|database| ServedRequest::name_taken(&database.target).to_obstacle()));
    }
    let others: Vec<&DatabaseFacts> = server
        .databases
        .iter()
        .filter(|database| database.is_user() && !plan.replaced.iter().any(|name| same(name, &database.name)))
        .collect();
    plan.untouched = others.iter().map(|database| database.name.clone()).collect();
    if request.needs_empty_server() && server.databases.iter().any(DatabaseFacts::is_user) {
        let detail = "The server has databases already. A new datastore is restored onto a server without any.";
        plan.obstacles.push(Obstacle::new(ErrorCode::TargetNotSupported, detail));
    }
    for database in plan.replaced.iter().filter_map(|name| server.database(name)) {
        plan.obstacles.extend(in_use(database));
    }
    plan.obstacles
        .extend(preflight::check_server_permissions(&mut session, &server).await?.map(Problem::into_obstacle));
    match Shared::of(&request.place.datastore) {
        Ok(shared) => {
            plan.obstacles
                .extend(shared::server_reads(&mut session, &server, &shared).await.err().map(Problem::into_obstacle));
            plan.obstacles.extend(shared.no_room(plan.needed_bytes));
            plan.needed_bytes = shared.occupied_bytes(plan.needed_bytes);
        }
        Err(error) => plan.obstacles.push(error.to_obstacle()),
    }
    plan.obstacles.extend(server_room(&mut session, &server, databases).await);
    Ok(())
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Backups are read by their own version and later ones (manual, "RESTORE", compatibility support). // F-64
fn version(request: &ServedRequest, server: &ServerFacts) -> Option<Obstacle> {
    let newest =
        request.chain.iter().filter_map(|manifest| manifest.engine_version.split('.').next()?.parse().ok()).max();
    let newest: u32 = newest?;
    (newest > server.major_version()).then(|| {
        let detail = format!(
            "The backup is of SQL Server {newest}.x, and the server is {}: a server reads no backups of newer versions.",
            server.version
        );
        Obstacle::new(ErrorCode::IncompatibleEngineVersion, detail)
    })
}

/// Why a database that is there can't be put aside.
fn in_use(database: &DatabaseFacts) -> Option<Obstacle> {
    if database.is_in_group {
        return Some(in_group(database).into_obstacle());
    }
    (!database.is_online()).then(|| {
        let detail = format!(
            "Database {:?} is {}: the server gives such a database no other name. Bring it online, or drop it.",
            database.name, database.state
        );
        Obstacle::new(ErrorCode::Conflict, detail)
    })
}

/// Room for all databases beside those in use, which stay until the time of the undo is over. Where all files are on one volume,
/// the usual case, this is exact; otherwise the server says so when it makes the files. // F-40
async fn server_room(session: &mut Session, server: &ServerFacts, databases: &[DatabasePlan]) -> Option<Obstacle> {
    let needed: u64 = databases
        .iter()
        .filter_map(|database| database.steps.last())
        .flat_map(|step| &step.files)
        .map(|file| file.size_bytes)
        .sum();
    let beside = databases.iter().find_map(|database| server.database(&database.name));
    let name = beside.map_or("master", |database| &database.name);
    let sql = format!("SELECT available_bytes FROM sys.dm_os_volume_stats(DB_ID({}), 1)", literal(name));
    let free = session.ask(&sql).await.ok()?.first()?.size("available_bytes")?;
    (free < needed).then(|| {
        let detail = format!(
            "The server's disk has {} free, and the restored databases need {} beside those in use.",
            format::bytes(free),
            format::bytes(needed)
        );
        Obstacle::new(ErrorCode::InsufficientDiskSpace, detail)
    })
}
