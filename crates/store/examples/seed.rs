//! Fills a control database with a datastore of very many backups and tells how long a page of their list takes:
//! `cargo run -p store --example seed -- <database url> <master key file> [backups]`.

use std::path::Path;
use std::time::Instant;

use chrono::Utc;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use domain::{DatastoreCreate, Engine};
use store::{BackupFilter, JobFilter, MasterKey, PageRequest, Store};

const MEASURED: usize = 201;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: seed <database url> <master key file> [backups]".into());
    };
    let count: i64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let store = Store::open(&url, MasterKey::load_or_create(Path::new(&key))?)?;
    let now = Utc::now();
    let storage = match store.storage_default() {
        Ok(storage) => storage,
        Err(_) => store.storage_ensure_default("/var/lib/holdfast/vault", now)?,
    };
    let draft = DatastoreCreate {
        name: format!("with {count} backups"),
        engine: Engine::Postgresql,
        host: "127.0.0.1".into(),
        port: None,
        username: None,
        password: None,
        data_directory: None,
        shared_directory: None,
        shared_storage_id: None,
        service: None,
        worker: None,
        storage_id: None,
        project_id: None,
    };
    let datastore = store.datastore_create(&draft, storage.id, None, None, now)?;

    let started = Instant::now();
    let postgres = url.starts_with("postgres");
    let hexadecimal = if postgres { "lpad(to_hex(i), 12, '0')" } else { "printf('%012x', i)" };
    let (no, yes) = if postgres { ("false", "true") } else { ("0", "1") };
    let (datastore_id, storage_id, start) = (datastore.id, storage.id, now.timestamp_micros() - count * 60_000_000);
    let numbers =
        format!("with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < {count})");
    // One in fifty failed; a backup each minute up to now.
    let status = "case when i % 50 = 0 then 'failed' else 'completed' end";
    // Each database wants the numbers in another place.
    let insert = |table: &str, columns: &str| match postgres {
        true => format!("{numbers} insert into {table} ({columns})"),
        false => format!("insert into {table} ({columns}) {numbers}"),
    };
    let jobs = insert(
        "jobs",
        "id, kind, exclusive, visible, status, attempt, cancel_requested, datastore_id, datastore_name, backup_id, \
         backup_number, worker, steps, last_line, created_at, started_at, ended_at",
    );
    let backups = insert(
        "backups",
        "id, number, datastore_id, storage_id, method, type, status, trigger, job_id, created_at, started_at, ended_at, \
         size_bytes, original_size_bytes, engine_version, encrypted, verification, deleting",
    );
    let statements = format!(
        "begin;
         {jobs} select '00000001-0000-7000-8000-' || {hexadecimal}, 'backup', {yes}, {yes}, {status}, 1, {no},
             '{datastore_id}', 'shop', '00000002-0000-7000-8000-' || {hexadecimal}, i, 'w1', '[]', 0,
             {start} + i * 60000000, {start} + i * 60000000 + 1000000, {start} + i * 60000000 + 9000000 from numbers;
         {backups} select '00000002-0000-7000-8000-' || {hexadecimal}, i, '{datastore_id}', '{storage_id}',
             'pg_basebackup', 'full', {status}, 'manual', '00000001-0000-7000-8000-' || {hexadecimal},
             {start} + i * 60000000, {start} + i * 60000000 + 1000000, {start} + i * 60000000 + 9000000,
             40000000 + i, 160000000 + i, '15.18', {no}, 'never', {no} from numbers;
         update meta set value = '{count}' where key = 'backup_number';
         commit;"
    );
    match url.strip_prefix("sqlite://").unwrap_or(&url) {
        _ if postgres => {
            let mut connection = PgConnection::establish(&url)?;
            connection.batch_execute(&statements)?;
            connection.batch_execute("analyze")?;
        }
        path => SqliteConnection::establish(path)?.batch_execute(&statements)?,
    }
    println!("{count} backups of datastore {datastore_id} in {:.1} s", started.elapsed().as_secs_f64());

    let page = PageRequest::default();
    let middle =
        store.backup_list(datastore.id, &BackupFilter::default(), &PageRequest { limit: 200, cursor: None })?;
    let later = PageRequest { limit: 50, cursor: middle.next_cursor };
    measure("newest 50 backups", || store.backup_list(datastore.id, &BackupFilter::default(), &page).map(drop))?;
    measure("next 50 after a cursor", || store.backup_list(datastore.id, &BackupFilter::default(), &later).map(drop))?;
    let failed = BackupFilter { status: Some(domain::JobStatus::Failed), ..BackupFilter::default() };
    measure("newest 50 failed", || store.backup_list(datastore.id, &failed, &page).map(drop))?;
    let span = BackupFilter { from: Some(now - chrono::Duration::days(7)), to: Some(now), ..BackupFilter::default() };
    measure("newest 50 of a week", || store.backup_list(datastore.id, &span, &page).map(drop))?;
    measure("the datastore's overview", || store.datastore_get(datastore.id, now).map(drop))?;
    measure("newest 50 jobs", || store.job_list(&JobFilter::default(), &page).map(drop))?;
    let of_datastore = JobFilter { datastore_id: Some(datastore.id), ..JobFilter::default() };
    measure("newest 50 jobs of the datastore", || store.job_list(&of_datastore, &page).map(drop))?;
    Ok(())
}

fn measure(
    what: &str,
    mut run: impl FnMut() -> Result<(), store::StoreError>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut taken = Vec::with_capacity(MEASURED);
    for _ in 0..MEASURED {
        let started = Instant::now();
        run()?;
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    let median = taken.get(MEASURED / 2).copied().unwrap_or_default();
    let worst = taken.last().copied().unwrap_or_default();
    println!("{what}: median {:.2} ms, worst {:.2} ms", median.as_secs_f64() * 1e3, worst.as_secs_f64() * 1e3);
    Ok(())
}
