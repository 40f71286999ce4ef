//! Archived logs of one database server: what archiving a segment costs the worker and its tools, and how long a replay takes
//! beside the engine's own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::Utc;
use domain::Datastore;
use domain::log_archive::LogArchivingStatus;

use crate::bare;
use crate::database::Database;
use crate::holdfast::ControlPlane;
use crate::rounds::{median, settle};
use crate::table::{Table, mib, seconds};

/// How much log is written, in bytes, and how much of it costs what the bound is about.
const LOG_BYTES: u64 = 256 << 20;
const SEGMENT_BYTES: u64 = 16 << 20;
/// The most processor time for archiving a segment.
const MOST_CPU: Duration = Duration::from_millis(300);
/// How much longer a replay may take than the bare commands: it compares what it reached, and stops its server cleanly.
const MOST_REPLAY: f64 = 1.25;
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(180);

/// Measures one server and adds its rows.
pub async fn measure(database: &impl Database, sizes: crate::Sizes, table: &mut Table) -> Result<()> {
    let title = database.title();
    let place = testkit::scratch_directory("bounds")?;
    let plane = ControlPlane::start(&place.join("holdfast"))?.with_programs(database.programs());
    database.grow_to(sizes.small_bytes)?;
    let worker = plane.start_worker().await?;
    let datastore = plane.register(&database.registration()).await?;
    plane.archive_logs(&datastore).await?;
    wait_until_complete(&plane, &datastore).await?;
    let (backup, _) = plane.back_up_when_free(&datastore).await?;
    wait_until_complete(&plane, &datastore).await?;

    println!("{title}: writing {} of log", mib(LOG_BYTES));
    let before = (cpu_of(worker.id())?, archived_bytes(&plane, &datastore)?);
    database.write_log(LOG_BYTES)?;
    wait_until_complete(&plane, &datastore).await?;
    let after = (cpu_of(worker.id())?, archived_bytes(&plane, &datastore)?);
    ensure!(after.1 > before.1, "nothing was archived");
    let cpu = (after.0.saturating_sub(before.0)).mul_f64(SEGMENT_BYTES as f64 / LOG_BYTES as f64);
    table.add_bounded(
        format!("{title}, archiving 16 MiB of log, CPU"),
        seconds(cpu),
        format!("< {}", seconds(MOST_CPU)),
        cpu < MOST_CPU,
    );

    let logs = place.join("logs");
    unpack_logs(&plane, &datastore, &logs)?;
    let bare_backup = place.join("bare.zst");
    let manifest = plane.manifest(&backup)?;
    let (mut holdfast, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        holdfast.push(plane.replay(&datastore, backup.id).await?);
        if round == 1 {
            plane.join_volumes(&backup, &bare_backup)?;
        }
        let directory = place.join(format!("bare-{round}"));
        bare::unpack(database.restore_script(), &bare_backup, &directory)?;
        settle()?;
        bare.push(bare::replay(&database.replay_script(), &directory, &logs, database.replay_start(&manifest)?)?);
        fs::remove_dir_all(&directory).context("remove the bare copy")?;
        if let (Some(holdfast), Some(bare)) = (holdfast.last(), bare.last()) {
            println!("{title} replay {round} of {ROUNDS}: Holdfast {}, bare {}", seconds(*holdfast), seconds(*bare));
        }
    }
    table.add_ratio(
        format!("{title}, replay of {} of log", mib(LOG_BYTES)),
        median(holdfast)?,
        median(bare)?,
        MOST_REPLAY,
    );
    Ok(())
}

async fn wait_until_complete(plane: &ControlPlane, datastore: &Datastore) -> Result<()> {
    let (now, deadline) = (Utc::now(), Instant::now() + PATIENCE);
    loop {
        let archiving = plane.client.recovery_window(datastore.id).await?.log_archiving;
        if archiving.complete_until.is_some_and(|until| until >= now) {
            return Ok(());
        }
        if Instant::now() > deadline || archiving.status == LogArchivingStatus::Stopped {
            bail!("the log is not archived: {archiving:?}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The processor time of a process and all below it, ended ones included (proc_pid_stat(5), fields 14 to 17).
fn cpu_of(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("read the process's times")?;
    let fields: Vec<&str> = stat.rsplit_once(") ").context("no times")?.1.split(' ').collect();
    let ticks: u64 = fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    let mut time = Duration::from_millis(ticks * 10);
    for thread in fs::read_dir(format!("/proc/{id}/task")).context("list its threads")?.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            time += cpu_of(child).unwrap_or_default();
        }
    }
    Ok(time)
}

fn folder(plane: &ControlPlane, datastore: &Datastore) -> PathBuf {
    plane.directory.join("backups").join(datastore.id.to_string()).join("logs")
}

/// Every piece that is stored.
fn pieces(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for incarnation in fs::read_dir(folder).context("list the log")?.flatten() {
        let files = fs::read_dir(incarnation.path()).context("list an incarnation")?.flatten().map(|file| file.path());
        found.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "zst")));
    }
    found.sort();
    Ok(found)
}

fn archived_bytes(plane: &ControlPlane, datastore: &Datastore) -> Result<u64> {
    pieces(&folder(plane, datastore))?.iter().map(|path| Ok(path.metadata()?.len())).sum()
}

/// Puts the server's own files into a directory: a segment's pieces, one after the other.
fn unpack_logs(plane: &ControlPlane, datastore: &Datastore, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).context("make a directory for the log")?;
    for piece in pieces(&folder(plane, datastore))? {
        let name = piece.file_name().and_then(|name| name.to_str()).context("no name")?;
        let stem = name.trim_end_matches(".zst");
        // `bin.000001.000000000000-000000000020`: of an open segment.
        let segment = match stem.rsplit_once('.') {
            Some((segment, range)) if range.contains('-') => segment,
            _ => stem,
        };
        let plain = zstd::decode_all(fs::File::open(&piece)?).context("decompress a piece")?;
        let mut file = fs::File::options().create(true).append(true).open(directory.join(segment))?;
        std::io::Write::write_all(&mut file, &plain)?;
    }
    Ok(())
}
