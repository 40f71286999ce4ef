//! Where programs are looked for: a fixed path, not the worker's own, so that a service manager, a shell and a test all
//! find the same tool.

use std::{
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// System directories, the administrator's first; servers often live in the `sbin` ones.
const SEARCH_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The executable that [`Command::new(program)`](crate::Command::new) would start: looked for in `extra` first, then in
/// the system's directories. A `program` with a slash is a path and must be absolute.
pub fn find_program(program: impl AsRef<OsStr>, extra: &[PathBuf]) -> Option<PathBuf> {
    let program = Path::new(program.as_ref());
    if program.as_os_str().is_empty() {
        return None;
    }
    if program.components().count() > 1 || program.is_absolute() {
        return (program.is_absolute() && is_executable(program)).then(|| program.to_path_buf());
    }
    directories(extra).map(|directory| directory.join(program)).find(|candidate| is_executable(candidate))
}

/// The value of `PATH` for a child.
pub(crate) fn search_path(extra: &[PathBuf]) -> OsString {
    directories(extra).map(Path::as_os_str).collect::<Vec<_>>().join(OsStr::new(":"))
}

fn directories(extra: &[PathBuf]) -> impl Iterator<Item = &Path> {
    extra.iter().map(PathBuf::as_path).chain(SEARCH_PATH.iter().map(Path::new))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
