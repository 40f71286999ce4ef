//! A server that runs on staged data for a moment, to see that it starts and what it holds.
//!
//! It takes everybody who reaches its socket (`--skip-grant-tables`), since the passwords in a backup may be others than
//! today's. Nothing of the machine's configuration is read, nor what a server kept in the data (`SET PERSIST`); what must fit the
//! files comes from the manifest. It writes no log and makes no certificates. Its identity is removed with its end: the server
//! that starts on the data then makes its own.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use domain::version::can_take;
use domain::{Engine, ErrorCode, LogLevel};
use process::{Command, Credentials};

use super::backup::FILE_SETTINGS;
use super::client::CLIENT;
use super::facts::LogPosition;
use super::programs;
use crate::my_family::blocking;
use crate::my_family::private_server::{PrivateServer, names, remove_new_files, with_path};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Probe, Staging};

/// What is not said here is the server's default.
const ALWAYS: [&str; 14] = [
    "--persisted-globals-load=OFF",
    "--skip-grant-tables",
    "--skip-networking",
    "--skip-log-bin",
    "--mysqlx=OFF",
    "--secure-file-priv=NULL",
    "--event-scheduler=DISABLED",
    "--loose-skip-replica-start",
    "--loose-auto-generate-certs=OFF",
    "--loose-caching-sha2-password-auto-generate-rsa-keys=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    // It alone knows where the clone stands in the log.
    "--plugin-load-add=mysql_clone.so",
];

/// Starts a server on the staged data, asks what it holds, and stops it.
///
/// # Errors
/// `restored_server_unhealthy` when it does not start, can't open a table or does not stop; `missing_tool`;
/// `incompatible_engine_version` when the machine has a server of another series.
pub(super) async fn probe(staging: &Staging) -> Result<Probe, EngineError> {
    let server = programs::find_for_job("mysqld").await?;
    check_version(staging, &server).await?;
    let client = programs::find_for_job(CLIENT).await?;
    let private = PrivateDirectory::create(staging.owner)?;
    let (directory, inner) = (staging.directory.clone(), shown(staging));
    let before = blocking(move || {
        let before = names(&directory)?;
        make_shown(&directory, &inner)?;
        move_entries(&directory, &inner, &before)?;
        Ok(before)
    })
    .await?;
    let command = Command::new(server).args(arguments(staging, private.path()));
    let server = PrivateServer::start(staging, command, client, private, true).await?;
    let probe = examine(&server, staging).await;
    server.stop().await?;
    let probe = probe?;
    let (directory, inner) = (staging.directory.clone(), shown(staging));
    blocking(move || {
        move_entries(&inner, &directory, &names(&inner)?)?;
        std::fs::remove_dir(&inner).map_err(EngineError::file("removing the private server's directory", &inner))?;
        remove_new_files(&directory, &before, None)
    })
    .await?;
    Ok(probe)
}

/// Where the data lies while the server runs. InnoDB passes over the files in a data directory whose name begins with a dot (seen
/// with 9.7: "Could not find any file associated with the tablespace ID"), as a staging directory's may. Names in the data are
/// relative to it. Whoever is stopped in between has no use for the staging directory any more.
fn shown(staging: &Staging) -> PathBuf {
    staging.directory.join(format!("holdfast-data-{}", staging.manifest.backup_id.simple()))
}

/// Like the directory that it lies in.
fn make_shown(directory: &Path, inner: &Path) -> Result<(), EngineError> {
    let make = || {
        let metadata = std::fs::metadata(directory)?;
        std::fs::create_dir(inner)?;
        std::fs::set_permissions(inner, metadata.permissions())?;
        if Credentials::of_owner(inner)? != Credentials::of_owner(directory)? {
            chown(inner, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        Ok(())
    };
    make().map_err(EngineError::file("making the private server's directory", inner))
}

fn move_entries(from: &Path, to: &Path, names: &BTreeSet<OsString>) -> Result<(), EngineError> {
    for name in names {
        let path = from.join(name);
        std::fs::rename(&path, to.join(name)).map_err(EngineError::file("moving the restored files", &path))?;
    }
    Ok(())
}

async fn examine(server: &PrivateServer, staging: &Staging) -> Result<Probe, EngineError> {
    server.open_tables(staging, &["InnoDB"]).await?;
    let (engine_version, summary) = server.contents(staging, "mysql.user").await?;
    let sql = "SELECT BINLOG_FILE, BINLOG_POSITION, GTID_EXECUTED FROM performance_schema.clone_status";
    let rows = server.ask(staging, sql).await?;
    if let Some([file, position, gtid]) = rows.first().map(Vec::as_slice) {
        let position = LogPosition {
            file: file.clone(),
            position: position.parse().unwrap_or(0),
            gtid_executed: gtid.split_whitespace().collect(),
        };
        (staging.log)(LogLevel::Info, &format!("The data stands at {position} of the binary log"));
    }
    Ok(Probe { engine_version, server_identity: None, summary })
}

async fn check_version(staging: &Staging, server: &Path) -> Result<(), EngineError> {
    let installed = programs::version(server).await.unwrap_or_default();
    if can_take(Engine::Mysql, &staging.manifest.engine_version, &installed) {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::IncompatibleEngineVersion,
        format!(
            "The backup was made with MySQL {}; the worker's machine has {installed}.",
            staging.manifest.engine_version
        ),
    ))
}

fn arguments(staging: &Staging, private: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--no-defaults".into()];
    arguments.push(with_path("--datadir=", &shown(staging)));
    arguments.push(with_path("--socket=", &private.join("s")));
    arguments.push(with_path("--pid-file=", &private.join("pid")));
    arguments.push(with_path("--tmpdir=", private));
    arguments.extend(ALWAYS.map(OsString::from));
    for name in FILE_SETTINGS {
        // Of a manifest that somebody may have changed: nothing that could name a file elsewhere.
        let plain = |value: &&String| value.bytes().all(|b| b.is_ascii_alphanumeric() || b":;._".contains(&b));
        if let Some(value) = staging.manifest.engine_facts.get(name).filter(plain) {
            arguments.push(format!("--{}={value}", name.replace('_', "-")).into());
        }
    }
    arguments
}
