//! Which configuration a restored server gets: the live server's files in its data directory, or the backup's.
//!
//! Configuration outside the data directory (Debian keeps it in `/etc/postgresql`) is never touched by a restore.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use crate::EngineError;

/// `postgresql.conf`, `postgresql.auto.conf`, `pg_hba.conf`, `pg_ident.conf` and what people include; keys and
/// certificates; and the customary directory of further settings.
const SUFFIXES: [&[u8]; 5] = [b".conf", b".crt", b".key", b".pem", b".crl"];
const DIRECTORY: &str = "conf.d";

fn is_configuration(name: &Path) -> bool {
    let name = name.as_os_str().as_bytes();
    name == DIRECTORY.as_bytes() || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Replaces the staged configuration by the live server's: same names, owners, modes; links stay links. What only the
/// backup has is removed. The files are on disk when this returns.
pub(super) fn take_live(live: &Path, staged: &Path) -> Result<(), EngineError> {
    for entry in entries(staged)? {
        if is_configuration(entry.file_name().as_ref()) {
            remove(&entry.path())?;
        }
    }
    for entry in entries(live)? {
        let name = entry.file_name();
        if is_configuration(name.as_ref()) {
            copy(&entry.path(), &staged.join(name))?;
        }
    }
    sync(staged)
}

fn entries(directory: &Path) -> Result<Vec<fs::DirEntry>, EngineError> {
    let failed = || EngineError::file("reading the data directory", directory);
    fs::read_dir(directory).map_err(failed())?.collect::<Result<_, _>>().map_err(failed())
}

fn remove(path: &Path) -> Result<(), EngineError> {
    let is_directory = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(EngineError::file("removing the backup's configuration", path)(error))
        }
        _ => Ok(()),
    }
}

/// Copies a file, a link, or a directory with all that is in it. Sockets and the like are left out.
fn copy(from: &Path, to: &Path) -> Result<(), EngineError> {
    let failed = || EngineError::file("copying the live configuration", from);
    let metadata = fs::symlink_metadata(from).map_err(failed())?;
    if metadata.is_symlink() {
        symlink(fs::read_link(from).map_err(failed())?, to).map_err(failed())?;
    } else if metadata.is_dir() {
        fs::create_dir(to).map_err(failed())?;
        for entry in entries(from)? {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if metadata.is_file() {
        fs::copy(from, to).map_err(failed())?;
    } else {
        return Ok(());
    }
    lchown(to, Some(metadata.uid()), Some(metadata.gid())).map_err(failed())?;
    if !metadata.is_symlink() {
        // After the change of owner, which clears some bits.
        fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode())).map_err(failed())?;
        sync(to)?;
    }
    Ok(())
}

fn sync(path: &Path) -> Result<(), EngineError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(EngineError::file("writing the configuration", path))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn the_live_configuration_replaces_the_backups_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let (live, staged) = (directory.path().join("live"), directory.path().join("staged"));
        for root in [&live, &staged] {
            fs::create_dir_all(root.join("conf.d/deep")).unwrap();
            fs::write(root.join("PG_VERSION"), root.display().to_string()).unwrap();
        }
        fs::write(live.join("postgresql.conf"), "live").unwrap();
        fs::set_permissions(live.join("postgresql.conf"), Permissions::from_mode(0o640)).unwrap();
        fs::write(live.join("conf.d/deep/a.conf"), "live").unwrap();
        symlink("/etc/ssl/certs/x.crt", live.join("server.crt")).unwrap();
        fs::write(staged.join("postgresql.conf"), "backup").unwrap();
        fs::write(staged.join("old.conf"), "backup").unwrap();
        fs::write(staged.join("conf.d/deep/b.conf"), "backup").unwrap();
        fs::write(staged.join("server.crt"), "backup").unwrap();

        take_live(&live, &staged).unwrap();

        assert_eq!(fs::read_to_string(staged.join("postgresql.conf")).unwrap(), "live");
        assert_eq!(fs::metadata(staged.join("postgresql.conf")).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_to_string(staged.join("conf.d/deep/a.conf")).unwrap(), "live");
        assert_eq!(fs::read_link(staged.join("server.crt")).unwrap(), Path::new("/etc/ssl/certs/x.crt"));
        assert!(!staged.join("old.conf").exists() && !staged.join("conf.d/deep/b.conf").exists());
        assert_eq!(fs::read_to_string(staged.join("PG_VERSION")).unwrap(), staged.display().to_string());
        take_live(&live, &staged).expect("a second time, after an interruption");
    }
}
