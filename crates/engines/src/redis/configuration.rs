//! Files of the live data directory that are no data: configuration, access lists, keys. A restore keeps them; backups by
//! `rdb` hold none, so the live server's are kept whichever were asked for.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use domain::{ErrorCode, LogLevel};

use super::layout::OURS;
use crate::{ConfigurationSource, EngineError, Staging};

/// What servers write by themselves: snapshots, append-only files, and their unfinished ones; and what a restore does.
fn is_data(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "rdb" | "aof" | "manifest") || name.starts_with("temp-") || name.starts_with(OURS)
}

/// Copies the live server's other files into the staged directory, with their owners and modes.
pub(super) async fn place(staging: &Staging, source: ConfigurationSource) -> Result<(), EngineError> {
    if source == ConfigurationSource::Backup {
        (staging.log)(LogLevel::Info, "Backups by rdb hold no configuration files; those of the live server are kept");
    }
    let (live, staged) = (staging.live_directory.clone(), staging.directory.clone());
    tokio::task::spawn_blocking(move || copy(&live, &staged))
        .await
        .unwrap_or_else(|error| Err(EngineError::known(ErrorCode::Internal, error.to_string())))
}

fn copy(live: &Path, staged: &Path) -> Result<(), EngineError> {
    let failed = |source| EngineError::file("listing the live server's files", live)(source);
    for entry in fs::read_dir(live).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        let target = staged.join(entry.file_name());
        // What is staged under this name is the restored data.
        if !metadata.is_file() || is_data(&entry.file_name().to_string_lossy()) || target.exists() {
            continue;
        }
        let keep = |source| EngineError::file("keeping a configuration file", &target)(source);
        // `copy` takes the mode along.
        fs::copy(entry.path(), &target).map_err(keep)?;
        let copied = fs::metadata(&target).map_err(keep)?;
        if (copied.uid(), copied.gid()) != (metadata.uid(), metadata.gid()) {
            chown(&target, Some(metadata.uid()), Some(metadata.gid())).map_err(keep)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_kept_and_data_is_not() {
        let (live, staged) = (tempfile::tempdir().expect("live"), tempfile::tempdir().expect("staged"));
        let names = [
            "users.acl",
            "redis.conf",
            "tls.key",
            "dump.rdb",
            "old.rdb",
            "temp-77.rdb",
            "appendonly.aof",
            "shop.dump",
            ".holdfast-1.journal",
        ];
        for name in names {
            fs::write(live.path().join(name), "live").expect("write");
        }
        fs::create_dir(live.path().join("appendonlydir")).expect("make");
        fs::write(staged.path().join("shop.dump"), "restored").expect("write");
        copy(live.path(), staged.path()).expect("copy");
        let mut names: Vec<_> = fs::read_dir(staged.path())
            .expect("list")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names, ["redis.conf", "shop.dump", "tls.key", "users.acl"]);
        assert_eq!(fs::read_to_string(staged.path().join("shop.dump")).expect("read"), "restored");
    }
}
