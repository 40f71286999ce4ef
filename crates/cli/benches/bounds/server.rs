//! Backups and restores of one database server: time, memory and downtime.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::{Backup, Datastore};

use crate::Sizes;
use crate::bare;
use crate::database::Database;
use crate::holdfast::ControlPlane;
use crate::rounds::{ROUNDS, median, settle};
use crate::table::{Table, mib, seconds};

/// How much longer a backup may take than the bare pipe.
const MOST_BACKUP: f64 = 1.10;
/// How much longer a restore may take than the bare commands, up to the start of the server.
const MOST_RESTORE: f64 = 1.15;
/// The worker's memory, in bytes.
const MOST_MEMORY: u64 = 128 << 20;
/// By how much the worker's memory may differ between the sizes and still be the same: allocators are not exact.
const SAME_MEMORY: f64 = 1.10;

/// Measures one server and adds its rows.
pub async fn measure(database: &impl Database, sizes: Sizes, table: &mut Table) -> Result<()> {
    let title = database.title();
    let place = testkit::scratch_directory("bounds")?;
    let plane = ControlPlane::start(&place.join("holdfast"))?.with_programs(database.programs());

    println!("{title}: making {} of data", mib(sizes.small_bytes));
    database.grow_to(sizes.small_bytes)?;
    let worker = plane.start_worker().await?;
    let datastore = plane.register(&database.registration()).await?;
    plane.back_up(&datastore).await?;
    let small_memory = worker.peak_memory()?;
    drop(worker);

    println!("{title}: making {} of data", mib(sizes.large_bytes));
    database.grow_to(sizes.large_bytes)?;
    settle()?;
    let worker = plane.start_worker().await?;
    let (first, _) = plane.back_up(&datastore).await?;
    let large_memory = worker.peak_memory()?;

    let measured = Measured { database, plane: &plane, datastore: &datastore, first: &first, place: &place };
    let backup = measured.backups().await?;
    drop(worker);
    let size = mib(sizes.large_bytes);
    table.add_ratio(format!("{title} {size}, full backup"), backup.holdfast, backup.bare, MOST_BACKUP);
    add_memory(table, title, sizes, small_memory, large_memory);

    let worker = plane.start_worker().await?;
    let restore = measured.restores().await?;
    table.add_ratio(
        format!("{title} {size}, restore up to the start"),
        restore.times.holdfast,
        restore.times.bare,
        MOST_RESTORE,
    );
    add_bounded_memory(table, format!("{title} {size}, worker's peak in restores"), worker.peak_memory()?);
    table.add_plain(format!("{title} {size}, downtime of a restore"), seconds(restore.downtime));
    table.add_plain(format!("{title} {size}, restore as a whole"), seconds(restore.whole));
    Ok(())
}

fn add_memory(table: &mut Table, title: &str, sizes: Sizes, small: u64, large: u64) {
    add_bounded_memory(table, format!("{title} {}, worker's peak in a backup", mib(sizes.small_bytes)), small);
    add_bounded_memory(table, format!("{title} {}, worker's peak in a backup", mib(sizes.large_bytes)), large);
    let growth = large as f64 / small as f64;
    table.add_bounded(
        format!("{title}, its growth with the data"),
        format!("{growth:.2}"),
        format!("≤ {SAME_MEMORY:.2}"),
        growth <= SAME_MEMORY,
    );
}

fn add_bounded_memory(table: &mut Table, what: String, bytes: u64) {
    table.add_bounded(what, mib(bytes), format!("≤ {}", mib(MOST_MEMORY)), bytes <= MOST_MEMORY);
}

/// Both sides' medians.
struct Times {
    holdfast: Duration,
    bare: Duration,
}

struct RestoreTimes {
    times: Times,
    downtime: Duration,
    whole: Duration,
}

/// What is measured.
struct Measured<'a, D> {
    database: &'a D,
    plane: &'a ControlPlane,
    datastore: &'a Datastore,
    /// A backup of the large data that exists already.
    first: &'a Backup,
    place: &'a Path,
}

impl<D: Database> Measured<'_, D> {
    fn bare_file(&self) -> PathBuf {
        self.place.join("bare.zst")
    }

    async fn backups(&self) -> Result<Times> {
        let title = self.database.title();
        let manifest = self.plane.manifest(self.first)?;
        let compression = manifest.original_size_bytes as f64 / manifest.size_bytes as f64;
        println!("{title}: the data compresses {compression:.2} to 1; the tool is {}", manifest.command_line.join(" "));
        let tool = self.database.backup_tool(&manifest, self.place)?;
        // Once for the caches.
        bare::backup(&tool, &self.bare_file())?;
        let (mut bare, mut holdfast) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            bare.push(bare::backup(&tool, &self.bare_file())?);
            settle()?;
            holdfast.push(self.plane.back_up(self.datastore).await?.1);
            tell(title, "backup", round, &holdfast, &bare);
        }
        Ok(Times { holdfast: median(holdfast)?, bare: median(bare)? })
    }

    async fn restores(&self) -> Result<RestoreTimes> {
        let title = self.database.title();
        let rows = self.database.row_count()?;
        let data = self.database.data_directory();
        let staged = data.parent().context("no parent")?.join("bare");
        let (mut bare, mut holdfast, mut downtime, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            bare.push(bare::restore(self.database.restore_script(), &self.bare_file(), &staged)?);
            settle()?;
            let (restore, time) = self.plane.restore(self.datastore, self.first.id).await?;
            ensure!(self.database.row_count()? == rows, "{title} has other rows after its restore");
            holdfast.push(time);
            downtime.push(duration(restore.downtime_seconds)?);
            whole.push(duration(restore.duration_seconds)?);
            tell(title, "restore", round, &holdfast, &bare);
        }
        Ok(RestoreTimes {
            times: Times { holdfast: median(holdfast)?, bare: median(bare)? },
            downtime: median(downtime)?,
            whole: median(whole)?,
        })
    }
}

fn duration(seconds: Option<f64>) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds.context("the restore does not tell its times")?).context("a time below zero")
}

fn tell(title: &str, what: &str, round: usize, holdfast: &[Duration], bare: &[Duration]) {
    if let (Some(holdfast), Some(bare)) = (holdfast.last(), bare.last()) {
        println!("{title}: {what} {round} of {ROUNDS}: Holdfast {}, bare {}", seconds(*holdfast), seconds(*bare));
    }
}
