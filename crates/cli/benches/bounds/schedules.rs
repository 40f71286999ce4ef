//! 100,000 active schedules on SQLite: what they cost while none is due, and how long a thousand take that are due at one
//! instant.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use testkit::Postgres;
use uuid::Uuid;

use crate::holdfast::ControlPlane;
use crate::list::copies;
use crate::table::{Table, seconds};

const SCHEDULES: i64 = 100_000;
const DUE_AT_ONCE: i64 = 1_000;
/// How long the idle service is watched.
const IDLE: Duration = Duration::from_secs(20);
const MOST_IDLE_PERCENT: f64 = 1.0;
const MOST_FIRING: Duration = Duration::from_secs(2);
/// The unit of `/proc/<pid>/stat`: USER_HZ is 100 on Linux.
const TICK: Duration = Duration::from_millis(10);

/// Measures and adds the rows.
pub async fn measure(table: &mut Table) -> Result<()> {
    let place = testkit::scratch_directory("bounds")?.join("holdfast");
    println!("Schedules: making {SCHEDULES}");
    let datastore = one_datastore(&place).await?;
    let due = next_minute(Utc::now() + TimeDelta::seconds(40))?;
    let database = place.join("holdfast.db");
    multiply(&database, datastore, due)?;

    let plane = ControlPlane::start(&place)?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = plane.cpu_time(TICK)?;
    tokio::time::sleep(IDLE).await;
    let percent = (plane.cpu_time(TICK)? - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    table.add_bounded(
        format!("Idle with {SCHEDULES} schedules, of one core"),
        format!("{percent:.2} %"),
        format!("< {MOST_IDLE_PERCENT:.0} %"),
        percent < MOST_IDLE_PERCENT,
    );
    let took = fired(&database, due).await?;
    table.add_bounded(
        format!("{DUE_AT_ONCE} due at one instant, all started"),
        seconds(took),
        format!("< {}", seconds(MOST_FIRING)),
        took < MOST_FIRING,
    );
    Ok(())
}

/// Registers one datastore for real; it comes with a schedule.
async fn one_datastore(directory: &Path) -> Result<Uuid> {
    let server = Postgres::start()?;
    let plane = ControlPlane::start(directory)?;
    let _worker = plane.start_worker().await?;
    Ok(plane.register(&server.registration()).await?.id)
}

fn next_minute(after: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let minute = after + TimeDelta::minutes(1);
    minute.with_second(0).and_then(|minute| minute.with_nanosecond(0)).context("no such time")
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Copies the datastore and its schedule until there are [`SCHEDULES`], while nobody uses the database. A thousand are due
/// at `due`, the others an hour before that, which has passed for today.
fn multiply(database: &Path, datastore: Uuid, due: DateTime<Utc>) -> Result<()> {
    let mut connection =
        SqliteConnection::establish(&database.to_string_lossy()).context("open the control database")?;
    let schedule: String = schema::schedules::table.select(schema::schedules::id).first(&mut connection)?;
    let id = |prefix: &str| format!("printf('{prefix}%06x-0000-7000-8000-%012x', i, i)");
    let early = due - TimeDelta::hours(1);
    let choose =
        |at_once: String, other: String| format!("case when i <= {DUE_AT_ONCE} then {at_once} else {other} end");
    let recurrence = |at: DateTime<Utc>| format!("'TZ=UTC {} {} * * *'", at.minute(), at.hour());
    let micros = |at: DateTime<Utc>| at.timestamp_micros().to_string();
    let next = choose(micros(due), micros(early + TimeDelta::days(1)));
    let of_datastore = [("id", id("0a")), ("name", "name || i".into())];
    let of_schedule = [
        ("id", id("0b")),
        ("datastore_id", id("0a")),
        ("recurrence", choose(recurrence(due), recurrence(early))),
        ("handled_until", micros(Utc::now())),
        ("next_run_at", next.clone()),
        ("wake_at", next),
    ];
    let schedule: Uuid = schedule.parse().context("the schedule's id")?;
    let datastores = copies(&mut connection, "datastores", datastore, SCHEDULES, &of_datastore)?;
    let schedules = copies(&mut connection, "schedules", schedule, SCHEDULES, &of_schedule)?;
    connection.batch_execute(&format!("begin; {datastores} {schedules} commit;")).context("copy the schedule")
}

/// How long after the instant all of its backups had been started.
async fn fired(database: &Path, due: DateTime<Utc>) -> Result<Duration> {
    let mut connection =
        SqliteConnection::establish(&database.to_string_lossy()).context("open the control database")?;
    connection.batch_execute("pragma busy_timeout = 5000")?;
    let started = format!("select count(*) as number from schedule_runs where due_at = {}", due.timestamp_micros());
    loop {
        let numbers: Vec<Number> = diesel::sql_query(&started).load(&mut connection)?;
        if numbers.iter().any(|row| row.number >= DUE_AT_ONCE) {
            return (Utc::now() - due).to_std().context("they were started before they were due");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl ControlPlane {
    /// The processor time that the service has used, of all its threads: proc_pid_stat(5).
    fn cpu_time(&self, tick: Duration) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).context("read its processor time")?;
        // The second field is the name in brackets, which may hold spaces.
        let (_, fields) = stat.rsplit_once(") ").context("no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>();
        Ok(tick * ticks.context("the processor time is no number")?)
    }
}

mod schema {
    diesel::table! {
        schedules (id) { id -> Text, }
    }
}
