//! A server that runs on staged data for a moment, to see that it starts and what it holds, or to replay log on it.
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

use super::backup::{FILE_SETTINGS, STATEMENT_SETTINGS};
use super::client::CLIENT;
use super::facts::LogPosition;
use super::programs;
use super::replay::REPLAYED_FACT;
use crate::my_family::blocking;
use crate::my_family::private_server::{PrivateServer, make_owned, names, remove_new_files, with_path};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Probe, Staging};

/// Asks nobody who comes by its socket for a password.
const TAKES_EVERYBODY: &str = "--skip-grant-tables";
/// A server that works for itself. What is not said here is the server's default.
pub(super) const ALONE: [&str; 12] = [
    "--persisted-globals-load=OFF",
    "--skip-networking",
    "--skip-log-bin",
    "--mysqlx=OFF",
    "--secure-file-priv=NULL",
    "--event-scheduler=DISABLED",
    "--loose-skip-replica-start",
    "--loose-auto-generate-certs=OFF",
    "--loose-caching-sha2-password-auto-generate-rsa-keys=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    // It clones, and it alone knows where a clone stands in the log.
    "--plugin-load-add=mysql_clone.so",
];

/// Nothing is lost with a server that dies while it replays, so it need not sync; its clean end does.
const WHILE_REPLAYING: [&str; 5] = [
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=0",
    "--enforce-gtid-consistency=ON",
    "--max-allowed-packet=1G",
    // What was refused then is not in the log.
    "--innodb-strict-mode=OFF",
];
/// The machine's time zone, as the live server has it: the log names it `SYSTEM`.
const MACHINE_TIME_ZONE: &str = ":/etc/localtime";

/// What a private server is started for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To look at the data.
    Probe,
    /// To change it, with the temporary files in `work`.
    Replay { work: &'a Path },
}

/// Starts a server on the staged data, asks what it holds, and stops it.
///
/// # Errors
/// `restored_server_unhealthy` when it does not start, can't open a table or does not stop; `missing_tool`;
/// `incompatible_engine_version` when the machine has a server of another series.
pub(super) async fn probe(staging: &Staging) -> Result<Probe, EngineError> {
    let started = Started::on(staging, Purpose::Probe).await?;
    let probe = examine(&started.server, staging).await;
    started.end(staging).await?;
    probe
}

/// A server that runs on staged data, which lies elsewhere for as long.
pub(super) struct Started {
    pub server: PrivateServer,
    /// The entries of the data before.
    before: BTreeSet<OsString>,
}

impl Started {
    /// Starts it.
    ///
    /// # Errors
    /// As [`probe`].
    pub(super) async fn on(staging: &Staging, purpose: Purpose<'_>) -> Result<Self, EngineError> {
        let server = programs::find_for_job("mysqld").await?;
        check_version(staging, &server).await?;
        let client = programs::find_for_job(CLIENT).await?;
        let private = PrivateDirectory::create(staging.owner)?;
        if let Purpose::Replay { work } = purpose {
            make_owned(staging, work)?;
        }
        let (directory, inner) = (staging.directory.clone(), shown(staging));
        let before = blocking(move || {
            let before = names(&directory)?;
            make_shown(&directory, &inner)?;
            move_entries(&directory, &inner, &before)?;
            Ok(before)
        })
        .await?;
        let command =
            Command::new(server).env("TZ", MACHINE_TIME_ZONE).args(arguments(staging, private.path(), purpose));
        let server = PrivateServer::start(staging, command, client, private, true).await?;
        Ok(Self { server, before })
    }

    /// Stops it cleanly and leaves the data where it was, without what only this server needed.
    ///
    /// # Errors
    /// `restored_server_unhealthy` when it does not end well.
    pub(super) async fn end(self, staging: &Staging) -> Result<(), EngineError> {
        self.server.stop().await?;
        let (directory, inner, before) = (staging.directory.clone(), shown(staging), self.before);
        blocking(move || {
            let made: BTreeSet<OsString> = names(&inner)?;
            move_entries(&inner, &directory, &made)?;
            std::fs::remove_dir(&inner)
                .map_err(EngineError::file("removing the private server's directory", &inner))?;
            remove_new_files(&directory, &before, None)
        })
        .await
    }
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
    if staging.manifest.engine_facts.contains_key(REPLAYED_FACT) {
        return Ok(Probe { engine_version, server_identity: None, summary });
    }
    if let Some(position) = LogPosition::of_restored(server, staging).await? {
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

fn arguments(staging: &Staging, private: &Path, purpose: Purpose<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--no-defaults".into()];
    arguments.push(with_path("--datadir=", &shown(staging)));
    arguments.push(with_path("--socket=", &private.join("s")));
    arguments.push(with_path("--pid-file=", &private.join("pid")));
    arguments.push(TAKES_EVERYBODY.into());
    arguments.extend(ALONE.map(OsString::from));
    let mut settings = FILE_SETTINGS.to_vec();
    match purpose {
        Purpose::Probe => {
            arguments.push(with_path("--tmpdir=", private));
            arguments.push("--innodb-buffer-pool-size=64M".into());
        }
        Purpose::Replay { work } => {
            arguments.push(with_path("--tmpdir=", work));
            arguments.extend(WHILE_REPLAYING.map(OsString::from));
            settings.push("gtid_mode");
            settings.extend(STATEMENT_SETTINGS);
        }
    }
    for name in settings {
        // Of a manifest that somebody may have changed: nothing that could name a file elsewhere.
        let plain = |value: &&String| value.bytes().all(|b| b.is_ascii_alphanumeric() || b":;._".contains(&b));
        if let Some(value) = staging.manifest.engine_facts.get(name).filter(plain) {
            arguments.push(format!("--{}={value}", name.replace('_', "-")).into());
        }
    }
    arguments
}
