//! Which way a clone comes to the worker: read beside the data directory, or fetched over the network.

use std::path::{Path, PathBuf};

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;

use super::facts::ServerFacts;
use super::layout;
use crate::EngineError;

/// Whether the worker can read the server's files.
pub(super) enum Way {
    /// It can: the server clones itself beside its data directory.
    Local { directory: PathBuf },
    /// It can't, and why: a server of the worker's own fetches the clone.
    Network { because: EngineError },
}

impl Way {
    /// Looks at the data directory that the server tells. A server on another machine may name a path that is another server's
    /// here.
    ///
    /// # Errors
    /// `data_directory_mismatch` when another directory was registered than the server tells.
    pub(super) fn of(datastore: &DatastoreAccess, facts: &ServerFacts) -> Result<Self, EngineError> {
        let told = facts.data_directory();
        let directory = match told.canonicalize() {
            Ok(directory) => directory,
            Err(error) => {
                let detail =
                    format!("The server's data directory {} can't be read by the worker: {error}.", told.display());
                let because = EngineError::known(ErrorCode::DataDirectoryInaccessible, detail);
                return Ok(Self::Network { because });
            }
        };
        if let Some(registered) = &datastore.data_directory {
            let same = Path::new(registered).canonicalize().is_ok_and(|registered| registered == directory);
            if !same {
                let detail = format!("The server's data directory is {}, not {registered}.", told.display());
                return Err(EngineError::known(ErrorCode::DataDirectoryMismatch, detail));
            }
        }
        Ok(match check(datastore, facts, &directory) {
            Ok(()) => Self::Local { directory },
            Err(because) => Self::Network { because },
        })
    }
}

/// That a directory is the server's, and can be read and replaced. // F-63
fn check(datastore: &DatastoreAccess, facts: &ServerFacts, directory: &Path) -> Result<(), EngineError> {
    layout::check_data_directory(directory)?;
    match layout::identity_of(directory) {
        Some(identity) if Some(&identity) == facts.identity().as_ref() => Ok(()),
        Some(identity) => Err(EngineError::known(
            ErrorCode::DataDirectoryMismatch,
            format!(
                "{} on the worker's machine is another server's ({identity}), not of the one at {}:{}.",
                directory.display(),
                datastore.host,
                datastore.port
            ),
        )),
        None => Err(EngineError::known(
            ErrorCode::DataDirectoryInaccessible,
            format!("{} can't be read, which tells whose data it is.", directory.join("auto.cnf").display()),
        )),
    }
}
