//! Configuration that people keep inside the data directory: option files, certificates, keys, and the packager's marks.
//!
//! Physical backups hold none of them, so the live server's are kept whichever were asked for.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::chown;
use std::path::Path;

use domain::LogLevel;

use super::blocking;
use crate::{ConfigurationSource, EngineError, Staging};

const EXTENSIONS: [&str; 8] = ["cnf", "pem", "key", "crt", "cer", "der", "enc", "flag"];
/// MySQL's file with the server's identity: new data gets a new one.
const IDENTITY: &str = "auto.cnf";

fn is_configuration(name: &str) -> bool {
    name != IDENTITY && name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Copies the live server's configuration files into the staged directory, with their owners and modes.
pub(crate) async fn place(staging: &Staging, source: ConfigurationSource) -> Result<(), EngineError> {
    if source == ConfigurationSource::Backup {
        let method = staging.manifest.method;
        let note = format!("Backups by {method} hold no configuration files; those of the live server are kept");
        (staging.log)(LogLevel::Info, &note);
    }
    let (live, staged) = (staging.live_directory.clone(), staging.directory.clone());
    blocking(move || copy(&live, &staged)).await
}

fn copy(live: &Path, staged: &Path) -> Result<(), EngineError> {
    let failed = |source| EngineError::file("listing the live server's files", live)(source);
    for entry in fs::read_dir(live).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        if !metadata.is_file() || !is_configuration(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let target = staged.join(entry.file_name());
        let keep = |source| EngineError::file("keeping a configuration file", &target)(source);
        match fs::remove_file(&target) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(keep(error)),
            _ => {}
        }
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn configuration_is_kept_and_data_is_not() {
        let (live, staged) = (tempfile::tempdir().expect("live"), tempfile::tempdir().expect("staged"));
        for name in ["my.cnf", "server-key.pem", "debian-10.11.flag", "ibdata1", "binlog.000001", "auto", "auto.cnf"] {
            fs::write(live.path().join(name), "live").expect("write");
        }
        fs::set_permissions(live.path().join("server-key.pem"), fs::Permissions::from_mode(0o600)).expect("mode");
        std::os::unix::fs::symlink("/etc/passwd", live.path().join("link.cnf")).expect("link");
        fs::write(staged.path().join("my.cnf"), "backup").expect("write");
        copy(live.path(), staged.path()).expect("copy");
        let mut names: Vec<_> = fs::read_dir(staged.path())
            .expect("list")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names, ["debian-10.11.flag", "my.cnf", "server-key.pem"]);
        assert_eq!(fs::read_to_string(staged.path().join("my.cnf")).expect("read"), "live");
        let mode = fs::metadata(staged.path().join("server-key.pem")).expect("metadata").mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}
