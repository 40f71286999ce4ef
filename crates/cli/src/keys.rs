//! `holdfast keys rotate`: replaces the master key. A service that runs meanwhile goes on, since it holds the data keys that the
//! master key only seals; it reads the new file when it starts the next time.

use chrono::Utc;
use clap::{Args, Subcommand};
use store::{KeyRotation, Store, StoreError};

use crate::control_database::ControlDatabaseArguments;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a new master key and seal with it what the old one sealed. May be interrupted at any moment and done again; the
    /// old key is removed when everything was seen to open with the new one.
    Rotate(ControlDatabaseArguments),
}

/// Runs the command.
pub fn run(arguments: KeysArguments) -> Result<(), Failure> {
    let KeysCommand::Rotate(database) = arguments.command;
    let database = database.locate()?;
    let failed = |error: StoreError| Failure::other("replacing the master key", error);
    // Makes neither a database nor a first key: there would be nothing to replace.
    drop(Store::open_existing(&database.url, &database.key_file).map_err(failed)?);
    let rotation = KeyRotation::begin(&database.url, &database.key_file).map_err(failed)?;
    rotation.seal_anew(Utc::now()).map_err(failed)?;
    let report = rotation.verify().map_err(failed)?;
    rotation.finish().map_err(failed)?;
    for place in &report.closed {
        eprintln!("holdfast: {place} opened with neither key: enter it again");
    }
    println!(
        "The master key in {} is new; {} secrets open with it. Keep a copy of the file apart from the control database.",
        database.key_file.path().display(),
        report.open
    );
    Ok(())
}
