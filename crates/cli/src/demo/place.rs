//! The demo's directory, and what it remembers between starts: ports, passwords, and the ids of its datastores.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use process::Credentials;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::failure::Failure;
use crate::files::{make_directory, random_word};

/// The demo's directory.
pub struct Place {
    directory: PathBuf,
    pub memory: Memory,
}

/// What the demo remembers.
#[derive(Default, Serialize, Deserialize)]
pub struct Memory {
    pub servers: Vec<ServerMemory>,
}

/// What it remembers of one server.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServerMemory {
    /// The folder of the server inside the demo's directory.
    pub folder: String,
    pub port: u16,
    /// Of the account that Holdfast uses.
    pub password: String,
    /// Of the demo's own account, where the engine needs one.
    pub admin_password: String,
    /// Once the server was set up and filled.
    pub is_filled: bool,
    /// Once the archiving of its logs was switched on, which a person may have undone since.
    #[serde(default)]
    pub archives_logs: bool,
    pub datastore_id: Option<Uuid>,
}

impl Place {
    /// Opens the directory, or makes it.
    pub fn open(directory: PathBuf) -> Result<Self, Failure> {
        make_directory(&directory, 0o711)?;
        let directory = fs::canonicalize(&directory).map_err(|error| failed("open", &directory, &error))?;
        if nix::unistd::geteuid().is_root() {
            // Each server runs as its own system user, who has to get here.
            let mode = fs::metadata(&directory).map_err(|error| failed("open", &directory, &error))?.mode();
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode | 0o011))
                .map_err(|error| failed("open", &directory, &error))?;
            if let Some(closed) = directory.ancestors().find(|path| !others_may_enter(path)) {
                return Err(Failure::configuration(
                    format!("The servers' system users can't enter {}.", closed.display()),
                    "Give --data-dir below a directory that everybody may enter, such as /var/lib.",
                ));
            }
        }
        let file = directory.join("demo.json");
        let memory = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed("read", &file, &error.into()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Memory::default(),
            Err(error) => return Err(failed("read", &file, &error)),
        };
        Ok(Self { directory, memory })
    }

    /// Where the control plane keeps its things.
    pub fn control_directory(&self) -> PathBuf {
        self.directory.join("holdfast")
    }

    /// The folder of a server and what is remembered of it; both are made at the first start. A port that somebody else
    /// took meanwhile is replaced.
    pub fn server(&mut self, folder: &str, owner: Option<Credentials>) -> Result<(PathBuf, ServerMemory), Failure> {
        let path = self.directory.join(folder);
        make_directory(&path, 0o711)?;
        for (inner, mode) in [("", 0o711), ("run", 0o700)] {
            let inner = path.join(inner);
            make_directory(&inner, mode)?;
            if let Some(owner) = owner {
                std::os::unix::fs::chown(&inner, Some(owner.uid), Some(owner.gid))
                    .map_err(|error| failed("give away", &inner, &error))?;
            }
        }
        let known = self.memory.servers.iter().position(|server| server.folder == folder);
        let mut server = match known {
            Some(index) => self.memory.servers.remove(index),
            None => ServerMemory {
                folder: folder.to_owned(),
                port: 0,
                password: random_word(24),
                admin_password: random_word(24),
                is_filled: false,
                archives_logs: false,
                datastore_id: None,
            },
        };
        if server.port == 0 || TcpListener::bind(("127.0.0.1", server.port)).is_err() {
            server.port = free_port().map_err(|error| Failure::other("finding a free port", error))?;
        }
        self.remember(server.clone())?;
        Ok((path, server))
    }

    /// Writes down what is known of a server now.
    pub fn remember(&mut self, server: ServerMemory) -> Result<(), Failure> {
        self.memory.servers.retain(|other| other.folder != server.folder);
        self.memory.servers.push(server);
        let file = self.directory.join("demo.json");
        let temporary = self.directory.join("demo.json.new");
        let write = || -> std::io::Result<()> {
            let mut opened =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            opened.write_all(&serde_json::to_vec_pretty(&self.memory)?)?;
            opened.sync_all()?;
            fs::rename(&temporary, &file)
        };
        write().map_err(|error| failed("write", &file, &error))
    }
}

fn others_may_enter(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o001 != 0)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::configuration(format!("Could not {what} {}: {error}", path.display()), "Give another --data-dir.")
}
