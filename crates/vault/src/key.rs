//! Names of objects. A manifest comes from outside, and on a local storage a key becomes a path, so each part must be
//! plain: letters, digits, `.`, `_`, `-`, not starting with a dot. // F-83

use object_store::path::Path;

use crate::error::VaultError;

/// The object `key` of the backup in `folder`.
pub(crate) fn object_path(folder: &str, key: &str) -> Result<Path, VaultError> {
    let name = format!("{folder}/{key}");
    if name.split('/').all(is_plain) { Ok(Path::from(name)) } else { Err(VaultError::InvalidName { name }) }
}

/// The folder of a backup.
pub(crate) fn folder_path(folder: &str) -> Result<Path, VaultError> {
    if folder.split('/').all(is_plain) {
        Ok(Path::from(folder))
    } else {
        Err(VaultError::InvalidName { name: folder.to_owned() })
    }
}

/// Where attempt `attempt` puts its objects, relative to the folder: attempts never share a key. // F-11
pub(crate) fn attempt_prefix(attempt: i32) -> String {
    if attempt <= 1 { String::new() } else { format!("attempt-{attempt}/") }
}

/// The key of a stream's volume.
pub(crate) fn volume_key(attempt: i32, stream: &str, index: usize, extension: &str) -> String {
    format!("{}{stream}.{index:03}.{extension}.zst", attempt_prefix(attempt))
}

/// Whether `text` may be one part of a key.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f83_keys_that_lead_elsewhere_are_refused() {
        for key in ["base.000.tar.zst", "attempt-2/base.017.mbstream.zst", "manifest.json"] {
            assert_eq!(object_path("a/backups/b", key).unwrap().as_ref(), format!("a/backups/b/{key}"));
        }
        for key in ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a\0b", "a%2e%2e", "x#1", "a b", "ä"] {
            assert!(object_path("a/backups/b", key).is_err(), "{key:?}");
        }
        assert!(folder_path("..").is_err());
        assert!(folder_path("").is_err());
    }

    #[test]
    fn f11_attempts_write_to_disjoint_keys() {
        assert_eq!(volume_key(1, "base", 0, "tar"), "base.000.tar.zst");
        assert_eq!(volume_key(3, "base", 1234, "tar"), "attempt-3/base.1234.tar.zst");
    }
}
