//! `make bench`: measures what Holdfast promises to cost, beside the bare commands that do the same, in one run on one
//! machine, and prints a table.
//!
//! Invariants: only optimised binaries and real servers are measured, each as a process of its own; both sides of a ratio
//! take turns and meet the same caches, which are warm: the data was read before, and everything written was synced. A bound
//! that is missed is marked and is no failure of the run; what could not be measured is.
//!
//! `HOLDFAST_BENCH_MIB` sets the size of the databases (1024), `TMPDIR` the file system. A part's name as argument runs
//! only that part: `cargo bench --bench bounds -- mariadb`.

mod bare;
mod database;
mod holdfast;
mod increments;
mod list;
mod logs;
mod mariadb;
mod mysql;
mod postgresql;
mod retention;
mod rounds;
mod schedules;
mod server;
mod table;
mod web_app;
mod windows;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use table::{Table, mib};

/// The sizes that databases are measured at.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub small_bytes: u64,
    pub large_bytes: u64,
}

const PARTS: [&str; 10] =
    ["web-app", "list", "schedules", "retention", "windows", "postgresql", "mariadb", "mysql", "increments", "logs"];

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bounds: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// All that the others are measured by, for an engine that not every machine has.
async fn mysql(sizes: Sizes, table: &mut Table) -> Result<()> {
    server::measure(&mysql::start()?, sizes, table).await?;
    logs::measure(&mysql::start()?, sizes, table).await
}

/// On each engine that makes increments.
async fn increments(sizes: Sizes, table: &mut Table) -> Result<()> {
    increments::measure(&mariadb::start()?, None, sizes, table).await?;
    let postgresql = postgresql::start_18()?;
    increments::measure(&postgresql, Some(postgresql.binaries()), sizes, table).await
}

/// On each engine that keeps a log.
async fn logs(sizes: Sizes, table: &mut Table) -> Result<()> {
    logs::measure(&postgresql::start()?, sizes, table).await?;
    logs::measure(&mariadb::start()?, sizes, table).await
}

async fn run() -> Result<ExitCode> {
    // Fails only when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sizes = sizes()?;
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = wanted.iter().find(|name| !PARTS.contains(&name.as_str())) {
        bail!("there is no part {unknown:?}; there are {}", PARTS.join(", "));
    }
    println!("Databases of {} and {}. Caches are warm.", mib(sizes.small_bytes), mib(sizes.large_bytes));
    let mut table = Table::default();
    let mut unmeasured = Vec::new();
    for part in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == part) {
            continue;
        }
        let measured = match part {
            "web-app" => web_app::measure(&mut table),
            "list" => list::measure(&mut table).await,
            "schedules" => schedules::measure(&mut table).await,
            "retention" => retention::measure(&mut table),
            "windows" => windows::measure(&mut table),
            "postgresql" => server::measure(&postgresql::start()?, sizes, &mut table).await,
            "mariadb" => server::measure(&mariadb::start()?, sizes, &mut table).await,
            "mysql" => mysql(sizes, &mut table).await,
            "increments" => increments(sizes, &mut table).await,
            _ => logs(sizes, &mut table).await,
        };
        if let Err(error) = measured {
            unmeasured.push(format!("{part} could not be measured: {error:#}"));
        }
    }
    print!("\n{table}");
    for line in &unmeasured {
        eprintln!("{line}");
    }
    Ok(if unmeasured.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sizes() -> Result<Sizes> {
    let large_mib: u64 = match std::env::var("HOLDFAST_BENCH_MIB") {
        Ok(text) => text.parse().context("HOLDFAST_BENCH_MIB is no number")?,
        Err(_) => 1024,
    };
    if large_mib < 64 {
        bail!("HOLDFAST_BENCH_MIB must be at least 64: smaller databases show nothing but the start of processes");
    }
    Ok(Sizes { small_bytes: (large_mib / 4) << 20, large_bytes: large_mib << 20 })
}
