//! A list of 50 among 200,000 backups of one datastore, over HTTP, on SQLite.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use client::ListQuery;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use domain::Backup;
use testkit::Postgres;
use uuid::Uuid;

use crate::database::Database;
use crate::holdfast::ControlPlane;
use crate::rounds::median;
use crate::table::{Table, milliseconds};

const BACKUPS: i64 = 200_000;
const MOST: Duration = Duration::from_millis(10);
const REQUESTS: usize = 300;

/// Measures and adds the rows.
pub async fn measure(table: &mut Table) -> Result<()> {
    let place = testkit::scratch_directory("bounds")?.join("holdfast");
    println!("List: making {BACKUPS} backups");
    let backup = one_backup(&place).await?;
    multiply(&place.join("holdfast.db"), &backup)?;

    let plane = ControlPlane::start(&place)?;
    let newest = ListQuery { limit: Some(50), ..ListQuery::default() };
    let middle = ListQuery { cursor: Some(middle(&plane, backup.datastore_id).await?), ..newest.clone() };
    for (what, query) in [("List of 50 of 200,000 backups, newest", newest), ("the same, from the middle", middle)] {
        let time = time(&plane, backup.datastore_id, &query).await?;
        table.add_bounded(what.into(), milliseconds(time), format!("< {}", milliseconds(MOST)), time < MOST);
    }
    Ok(())
}

/// Has one backup made for real, so that every column holds what it holds in use.
async fn one_backup(directory: &Path) -> Result<Backup> {
    let server = Postgres::start()?;
    let plane = ControlPlane::start(directory)?;
    let _worker = plane.start_worker().await?;
    let datastore = plane.register(&server.registration()).await?;
    Ok(plane.back_up(&datastore).await?.0)
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Copies the backup and its job until there are [`BACKUPS`], a second apart, while nobody uses the database.
fn multiply(database: &Path, backup: &Backup) -> Result<()> {
    let mut connection =
        SqliteConnection::establish(&database.to_string_lossy()).context("open the control database")?;
    let id = |prefix: &str| format!("printf('{prefix}%06x-0000-7000-8000-%012x', i, i)");
    let (job_id, backup_id) = (id("0a"), id("0b"));
    let later = ["created_at", "started_at", "ended_at"].map(|column| (column, format!("{column} + i * 1000000")));
    let mut of_job = vec![("id", job_id.clone()), ("backup_id", backup_id.clone())];
    of_job.push(("backup_number", "backup_number + i".into()));
    of_job.extend(later.clone());
    let mut of_backup = vec![("id", backup_id), ("job_id", job_id), ("number", "number + i".into())];
    of_backup.push(("size_bytes", "size_bytes + i % 10007".into()));
    of_backup.extend(later);
    let copied = BACKUPS - 1;
    let jobs = copies(&mut connection, "jobs", backup.job_id, copied, &of_job)?;
    let backups = copies(&mut connection, "backups", backup.id, copied, &of_backup)?;
    connection.batch_execute(&format!("begin; {jobs} {backups} commit;")).context("copy the backup")
}

/// The statement that copies one row of `table` a number of times; `i` counts the copies in the values that differ.
pub fn copies(
    connection: &mut SqliteConnection,
    table: &str,
    template: Uuid,
    count: i64,
    different: &[(&str, String)],
) -> Result<String> {
    let columns: Vec<Column> =
        diesel::sql_query(format!("select name from pragma_table_info('{table}')")).load(connection)?;
    let names: Vec<String> = columns.into_iter().map(|column| format!("\"{}\"", column.name)).collect();
    let value = |name: &String| {
        let own = different.iter().find(|(column, _)| name.trim_matches('"') == *column);
        own.map_or_else(|| name.clone(), |(_, value)| value.clone())
    };
    Ok(format!(
        "insert into {table} ({}) with recursive numbers (i) as
             (select 1 union all select i + 1 from numbers where i < {count})
         select {} from {table}, numbers where {table}.id = '{template}';",
        names.join(", "),
        names.iter().map(value).collect::<Vec<_>>().join(", ")
    ))
}

/// The cursor at which the older half begins.
async fn middle(plane: &ControlPlane, datastore: Uuid) -> Result<String> {
    let mut query = ListQuery { limit: Some(200), ..ListQuery::default() };
    let mut seen = 0;
    loop {
        let page = plane.client.backup_list(datastore, &query).await?;
        ensure!(page.total == BACKUPS, "the list tells of {} backups", page.total);
        seen += page.items.len();
        let cursor = page.next_cursor.context("the list ended before its middle")?;
        if seen >= usize::try_from(BACKUPS / 2)? {
            return Ok(cursor);
        }
        query.cursor = Some(cursor);
    }
}

/// The median of many requests, one after the other, from the question to the understood answer.
async fn time(plane: &ControlPlane, datastore: Uuid, query: &ListQuery) -> Result<Duration> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = Instant::now();
        let page = plane.client.backup_list(datastore, query).await?;
        times.push(started.elapsed());
        ensure!(page.items.len() == 50, "the list has {} items", page.items.len());
    }
    median(times)
}
