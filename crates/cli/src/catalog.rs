//! `holdfast catalog rebuild`: the catalog of a lost control database, from what a storage holds. // F-24

use std::collections::BTreeSet;
use std::path::Path;

use domain::{StoredManifest, SubjectKind};
use store::{Store, StoreError, now};
use uuid::Uuid;
use vault::Vault;

use crate::access::acting;
use crate::arguments::CatalogRebuildArguments;
use crate::control_database::ControlDatabase;
use crate::failure::Failure;
use crate::files::{data_directory_or_default, make_directory};

/// Takes in what the storage holds and says what came of it. Backups whose manifest can't be read are named on stderr and
/// make the command fail, after all others were taken in.
pub async fn rebuild(arguments: CatalogRebuildArguments) -> Result<(), Failure> {
    let directory = data_directory_or_default(arguments.database.data_dir.clone(), "holdfast")?;
    make_directory(&directory, 0o700)?;
    let database = arguments.database.locate()?;
    arguments.dial.apply(false)?;
    let name = arguments.storage;
    let in_database = |error: StoreError| match error {
        StoreError::NotFound { .. } => Failure::configuration(
            format!("There is no storage named {name:?}."),
            "Start Holdfast, add the storage, and name it with --storage.",
        ),
        error => Failure::other("opening the control database", error),
    };
    let store = open(&database, &directory.join("backups")).map_err(in_database)?;
    let storage = store.storage_access_by_name(&name).map_err(in_database)?;

    let reading = |error| Failure::other("reading the storage", error);
    let vault = Vault::open(&storage).map_err(reading)?;
    let found = vault.list_manifests().await.map_err(reading)?;
    let mut manifests: Vec<StoredManifest> = Vec::new();
    let mut unreadable = 0;
    for (folder, manifest) in found {
        match manifest {
            Ok(stored) => manifests.push(stored),
            Err(error) => {
                unreadable += 1;
                eprintln!("holdfast: {folder} is left out: {:#}", anyhow::Error::from(error));
            }
        }
    }
    let datastores: BTreeSet<Uuid> = manifests.iter().map(|stored| stored.manifest.datastore_id).collect();
    let mut logs = Vec::new();
    for datastore in datastores {
        let (segments, problems) = vault.list_log_segments(datastore).await.map_err(reading)?;
        unreadable += problems.len();
        for problem in problems {
            eprintln!("holdfast: {:#}; it is left out", anyhow::Error::from(problem));
        }
        logs.push((datastore, segments));
    }
    let adoption = acting(&store, "catalog_rebuild", SubjectKind::Storage)
        .catalog_adopt(storage.id, &manifests, &logs, now())
        .map_err(|error| Failure::other("writing the catalog", error))?;
    println!("{} backups were taken in, {} were known already.", adoption.backups, adoption.known);
    if adoption.log_segments > 0 {
        println!("{} segments of archived log were taken in.", adoption.log_segments);
    }
    for name in &adoption.datastores {
        println!("Datastore {name:?} is new: enter its address and its account in its settings.");
    }
    for id in &adoption.without_parent {
        eprintln!("holdfast: backup {id} is left out: the backup that it builds on is not in the storage as it was");
    }
    for id in &adoption.changed {
        eprintln!("holdfast: backup {id} can't be used: its manifest in the storage is not the one that was written");
    }
    match unreadable + adoption.without_parent.len() + adoption.changed.len() {
        0 => Ok(()),
        left_out => Err(anyhow::anyhow!("{left_out} things can't be used; the lines above name them").into()),
    }
}

/// Opens the control database, new or not, with the default storage in it.
fn open(database: &ControlDatabase, default_storage: &Path) -> Result<Store, StoreError> {
    let store = Store::open_with(&database.url, &database.key_file)?;
    store.storage_ensure_default(&default_storage.to_string_lossy(), now())?;
    Ok(store)
}
