//! Incremental backups after a hundredth of the data has changed: what they store beside the full backup, and how long they
//! take beside the bare command.

use std::path::Path;

use anyhow::{Context, Result};
use domain::BackupType;

use crate::Sizes;
use crate::bare;
use crate::database::Database;
use crate::holdfast::ControlPlane;
use crate::rounds::{median, settle};
use crate::table::{Table, mib, seconds};

/// How much of the full backup's bytes an increment may store.
const MOST_STORED: f64 = 0.08;
/// How much longer it may take than the bare pipe.
const MOST_TIME: f64 = 1.15;
/// Each makes two full backups, too.
const ROUNDS: usize = 3;

/// Measures one server and adds its rows.
pub async fn measure(database: &impl Database, programs: Option<&Path>, sizes: Sizes, table: &mut Table) -> Result<()> {
    let title = format!("{} increment", database.title());
    let place = testkit::scratch_directory("bounds")?;
    let plane = ControlPlane::start(&place.join("holdfast"))?;
    println!("{title}: making {} of data", mib(sizes.large_bytes));
    database.grow_to(sizes.large_bytes)?;
    let _worker = plane.start_worker_with(programs).await?;
    let datastore = plane.register(&database.registration()).await?;
    let (mut holdfast, mut bare, mut stored) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 1..=ROUNDS {
        let (full, _) = plane.back_up(&datastore).await?;
        let bare_full = place.join("bare-full.zst");
        bare::backup(&database.backup_tool(&plane.manifest(&full)?, &place)?, &bare_full)?;
        database.prepare_bare_increment(&bare_full)?;
        database.change_a_hundredth(round)?;
        settle()?;
        let (increment, time) = plane.back_up_as(&datastore, BackupType::Incremental).await?;
        let tool = database.backup_tool(&plane.manifest(&increment)?, &place)?;
        bare.push(bare::backup(&tool, &place.join("bare-increment.zst"))?);
        holdfast.push(time);
        let sizes = increment.size_bytes.zip(full.size_bytes).context("a backup does not tell its size")?;
        stored = stored.max(sizes.0 as f64 / sizes.1 as f64);
        if let (Some(holdfast), Some(bare)) = (holdfast.last(), bare.last()) {
            println!("{title} {round} of {ROUNDS}: Holdfast {}, bare {}", seconds(*holdfast), seconds(*bare));
        }
    }
    table.add_bounded(
        format!("{title}, of the full's bytes, 1 % changed"),
        format!("{:.1} %", stored * 100.0),
        format!("≤ {:.0} %", MOST_STORED * 100.0),
        stored <= MOST_STORED,
    );
    table.add_ratio(format!("{title} of {}", mib(sizes.large_bytes)), median(holdfast)?, median(bare)?, MOST_TIME);
    Ok(())
}
