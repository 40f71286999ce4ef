//! What the files of a server are called, and which of them it reads when it starts.
//!
//! With `appendonly yes` a server that finds a snapshot and no append-only file starts *empty*. So what is restored is laid
//! out for what the live server is set to: since Redis 7 (and in every Valkey) a directory with a manifest and the snapshot
//! as its base, before that one file that begins with the snapshot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain::version::version_numbers;
use domain::{Engine, ErrorCode};
use tokio_util::sync::CancellationToken;

use super::facts::{ServerFacts, Settings};
use crate::data_directory::check_replaceable;
use crate::{EngineError, Staging};

/// Names of a server's files, relative to its data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub snapshot: String,
    pub append_only: bool,
    /// Since Redis 7: otherwise the append-only file lies beside the snapshot.
    pub has_append_directory: bool,
    pub append_directory: String,
    pub append_file: String,
    pub databases: u32,
}

/// How the names begin of what a restore keeps inside a data directory that is a mount point.
pub(super) const OURS: &str = ".holdfast-";

/// More than anybody has configured, where nobody can be asked: a server refuses data of a database beyond its number.
const MANY_DATABASES: u32 = 1024;

impl Layout {
    /// As the backup noted it.
    pub(super) fn of_facts(engine: Engine, facts: &BTreeMap<String, String>, version: &str) -> Self {
        let fact = |name: &str| facts.get(name).map(String::as_str).filter(|value| !value.is_empty());
        // A name in a manifest must not lead anywhere else.
        let name = |name: &str, usual: &str| {
            let plain =
                |value: &&str| !value.contains('/') && !value.starts_with('.') && !value.chars().any(char::is_control);
            fact(name).filter(plain).unwrap_or(usual).to_owned()
        };
        let major = version_numbers(version).first().copied().unwrap_or(0);
        Self {
            snapshot: name("dbfilename", "dump.rdb"),
            append_only: fact("appendonly").or(fact("aof_enabled")).is_some_and(|value| value == "yes" || value == "1"),
            has_append_directory: engine == Engine::Valkey || major >= 7,
            append_directory: name("appenddirname", "appendonlydir"),
            append_file: name("appendfilename", "appendonly.aof"),
            databases: fact("databases").and_then(|value| value.parse().ok()).unwrap_or(MANY_DATABASES),
        }
    }

    /// As the live server has it now; where it can't be asked, as its files and the backup tell.
    pub(super) async fn of_staging(engine: Engine, staging: &Staging) -> Result<Self, EngineError> {
        let mut facts = staging.manifest.engine_facts.clone();
        let mut version = staging.manifest.engine_version.clone();
        let mut known = false;
        if let Ok(live) = ServerFacts::ask(engine, &staging.datastore, &staging.cancel).await {
            version = live.version().to_owned();
            facts.remove("appendonly");
            facts.insert("aof_enabled".to_owned(), live.value("aof_enabled").to_owned());
            known = true;
        }
        if let Some(settings) = live_settings(staging, &staging.cancel).await {
            for name in ["dbfilename", "appendonly", "appenddirname", "appendfilename", "databases"] {
                if let Some(value) = settings.value(name) {
                    facts.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        if staging.cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let mut layout = Self::of_facts(engine, &facts, &version);
        if !known && layout.has_append_files(&staging.live_directory) {
            layout.append_only = true;
        }
        Ok(layout)
    }

    /// Whether a directory has an append-only file, which a server without `appendonly` does not make.
    fn has_append_files(&self, directory: &Path) -> bool {
        directory.join(&self.append_directory).join(self.append_manifest()).is_file()
            || directory.join(&self.append_file).is_file()
    }

    pub(super) fn append_base(&self) -> String {
        format!("{}.1.base.rdb", self.append_file)
    }

    pub(super) fn append_manifest(&self) -> String {
        format!("{}.manifest", self.append_file)
    }

    /// One line (`aof.c`, `getAofManifestAsString`); a name with blanks is quoted.
    pub(super) fn append_manifest_text(&self) -> String {
        let base = self.append_base();
        let plain = base.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'\''));
        let name = if plain { base } else { format!("\"{}\"", base.replace('\\', "\\\\").replace('"', "\\\"")) };
        format!("file {name} seq 1 type b\n")
    }
}

async fn live_settings(staging: &Staging, cancel: &CancellationToken) -> Option<Settings> {
    Settings::ask(&staging.datastore, cancel).await.ok()
}

/// Refuses what does not look like a data directory of this engine's, and what this process can't replace. // F-63
///
/// A server's `dir` is any directory, often one that it shares: the marks are files that begin as snapshots or append-only
/// files do, and a directory that holds others' directories is refused, as a restore would take those away.
///
/// # Errors
/// `data_directory_mismatch`, `data_directory_inaccessible`.
pub(super) fn check_data_directory(engine: Engine, directory: &Path) -> Result<(), EngineError> {
    check_replaceable(directory, engine.title(), &[])?;
    let mut is_empty = true;
    let mut has_mark = false;
    let entries = fs::read_dir(directory).map_err(EngineError::file("looking at the data directory", directory))?;
    for entry in entries {
        let path = entry.map_err(EngineError::file("looking at the data directory", directory))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(OURS)) {
            continue;
        }
        is_empty = false;
        if path.is_dir() && !path.is_symlink() {
            if is_append_directory(&path) {
                has_mark = true;
            } else if path.file_name().is_some_and(|name| name != "lost+found") {
                return Err(EngineError::known(
                    ErrorCode::DataDirectoryMismatch,
                    format!(
                        "{} is not {}'s alone: it has the directory {}. Give the server a directory of its own.",
                        directory.display(),
                        engine.title(),
                        path.display()
                    ),
                ));
            }
        } else {
            has_mark |= begins_as_data(&path);
        }
    }
    if is_empty || has_mark {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::DataDirectoryMismatch,
        format!(
            "{} is not a data directory of {}: nothing in it begins as a snapshot or an append-only file does.",
            directory.display(),
            engine.title()
        ),
    ))
}

fn is_append_directory(path: &Path) -> bool {
    let is_manifest = |path: PathBuf| path.extension().is_some_and(|extension| extension == "manifest");
    fs::read_dir(path).is_ok_and(|mut entries| {
        let mut any = entries.by_ref().flatten().map(|entry| entry.path()).peekable();
        any.peek().is_none() || any.any(is_manifest)
    })
}

fn begins_as_data(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 5];
    let read = fs::File::open(path).and_then(|mut file| file.read(&mut head));
    let append_only = path.extension().is_some_and(|extension| extension == "aof");
    // An append-only file begins with a snapshot or with the number of a command's words.
    read.is_ok_and(|count| head == *b"REDIS" || head == *b"VALKE" || append_only && (count == 0 || head[0] == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_name_their_base() {
        let mut layout = Layout::of_facts(Engine::Redis, &BTreeMap::new(), "7.0.15");
        assert!(!layout.append_only && layout.has_append_directory);
        assert_eq!(layout.append_manifest_text(), "file appendonly.aof.1.base.rdb seq 1 type b\n");
        layout.append_file = "my \"own".into();
        assert_eq!(layout.append_manifest_text(), "file \"my \\\"own.1.base.rdb\" seq 1 type b\n");
    }

    #[test]
    fn f83_names_in_a_manifest_lead_nowhere_else() {
        for evil in ["../dump.rdb", "/etc/passwd", ".bashrc", "a\nb"] {
            let facts = BTreeMap::from([("dbfilename".to_owned(), evil.to_owned())]);
            assert_eq!(Layout::of_facts(Engine::Redis, &facts, "7.0.15").snapshot, "dump.rdb");
        }
    }

    #[test]
    fn f63_only_a_directory_of_its_own_passes() {
        let directory = tempfile::tempdir().expect("a directory");
        let check = || check_data_directory(Engine::Redis, directory.path());
        check().expect("an empty one");
        fs::write(directory.path().join("notes.txt"), "notes").expect("write");
        assert_eq!(check().expect_err("no mark").code(), ErrorCode::DataDirectoryMismatch);
        fs::write(directory.path().join("shop.dump"), "REDIS0010...").expect("write");
        check().expect("a snapshot");
        fs::create_dir(directory.path().join("appendonlydir")).expect("make");
        fs::write(directory.path().join("appendonlydir/appendonly.aof.manifest"), "file").expect("write");
        check().expect("with an append-only file");
        fs::create_dir_all(directory.path().join(".holdfast-1-replaced/appendonlydir")).expect("make");
        check().expect("with the data that a restore replaced");
        fs::create_dir(directory.path().join("photos")).expect("make");
        fs::write(directory.path().join("photos/1.jpg"), "x").expect("write");
        let refused = check().expect_err("somebody else's").to_job_error();
        assert_eq!(refused.code, ErrorCode::DataDirectoryMismatch);
        assert!(refused.detail.contains("photos"), "{}", refused.detail);
    }
}
