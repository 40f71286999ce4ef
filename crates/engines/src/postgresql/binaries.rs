//! Where PostgreSQL's programs are. Several major versions live side by side, and it matters which is used: client
//! programs talk to servers of their own and of older versions, a server runs on files of its own version only.

use std::path::{Path, PathBuf};

use domain::Engine;
use domain::version::version_numbers;
use process::{Command, find_program};
use tokio_util::sync::CancellationToken;

use crate::program_directories::named;

/// A program's directory, and the major version of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub major: u32,
    pub directory: PathBuf,
}

/// Where distributions install versions side by side: what stands before and after the version's number.
const LAYOUTS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql/", "/bin"), // Debian
    ("/usr/pgsql-", "/bin"),          // PostgreSQL's own packages for Red Hat
    ("/usr/lib/postgresql", "/bin"),  // openSUSE
    ("/usr/libexec/postgresql", ""),  // Alpine
];
/// The majors that can be there: the oldest that has the options used here, and more than enough to come.
const MAJORS: std::ops::RangeInclusive<u32> = 10..=40;

/// A directory with `program` of the same major version as the server's, or else of the nearest newer one.
pub(super) async fn client(program: &str, server_major: u32) -> Option<Binaries> {
    let found = installed(program).find(|binaries| binaries.major >= server_major);
    match found {
        Some(binaries) => Some(binaries),
        None => elsewhere(program).await.into_iter().find(|binaries| binaries.major >= server_major),
    }
}

/// A directory with `psql` of any version, the newest where there are several.
pub(super) async fn psql() -> Option<PathBuf> {
    match installed("psql").last() {
        Some(binaries) => Some(binaries.directory),
        None => elsewhere("psql").await.pop().map(|binaries| binaries.directory),
    }
}

/// The directory with the server program of exactly this major version.
pub(super) async fn server(major: u32) -> Option<PathBuf> {
    let found = installed("postgres").find(|binaries| binaries.major == major);
    let found = match found {
        Some(binaries) => Some(binaries),
        None => elsewhere("postgres").await.into_iter().find(|binaries| binaries.major == major),
    };
    found.map(|binaries| binaries.directory)
}

/// Every version of a program, the oldest first.
fn installed(program: &str) -> impl Iterator<Item = Binaries> {
    let directories = MAJORS.flat_map(|major| {
        LAYOUTS
            .iter()
            .map(move |(before, after)| Binaries { major, directory: format!("{before}{major}{after}").into() })
    });
    directories.filter(move |binaries| find_program(binaries.directory.join(program), &[]).is_some())
}

/// Those in the directories that somebody named, in the system's path, or where building from source puts one, whose
/// versions only they can tell; the oldest first.
async fn elsewhere(program: &str) -> Vec<Binaries> {
    let named = named(Engine::Postgresql).into_iter().map(|directory| directory.join(program));
    let usual = find_program(program, &[PathBuf::from("/usr/local/pgsql/bin")]);
    let mut found = Vec::new();
    for path in named.filter_map(|path| find_program(path, &[])).chain(usual) {
        found.extend(ask_version(&path).await);
    }
    found.sort_by_key(|binaries| binaries.major);
    found
}

async fn ask_version(path: &Path) -> Option<Binaries> {
    let output = Command::new(path).arg("--version").output(&CancellationToken::new()).await.ok()?;
    let major = *version_numbers(&output.stdout).first()?;
    Some(Binaries { major, directory: path.parent().map(Path::to_path_buf)? })
}
