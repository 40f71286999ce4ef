//! Who answers at a datastore's address.

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;

use crate::EngineError;
use crate::wire::{Speaker, who_answers};

/// Refuses another engine before a password is sent to it.
pub(crate) async fn check_engine(datastore: &DatastoreAccess) -> Result<(), EngineError> {
    let title = datastore.engine.title();
    let address = format!("{}:{}", datastore.host, datastore.port);
    match who_answers(&datastore.host, datastore.port, datastore.engine).await {
        speaker if speaker.can_be(datastore.engine) => Ok(()),
        Speaker::Unreachable(reason) => {
            Err(EngineError::known(ErrorCode::HostUnreachable, format!("{address} can't be reached: {reason}.")))
        }
        Speaker::Unknown => Err(EngineError::known(
            ErrorCode::HostUnreachable,
            format!("What listens at {address} does not speak {title}'s protocol."),
        )),
        other => Err(EngineError::known(
            ErrorCode::EngineMismatch,
            format!("{} answers at {address}, not {title}.", other.title()),
        )),
    }
}

/// Refuses a server that is not the one that was registered. // F-54
///
/// # Errors
/// `server_identity_changed`.
pub(crate) fn check_registered(datastore: &DatastoreAccess, found: Option<String>) -> Result<(), EngineError> {
    match (&datastore.server_identity, found) {
        (Some(registered), Some(found)) if *registered != found => Err(EngineError::known(
            ErrorCode::ServerIdentityChanged,
            format!("The server at this address is {found}, not {registered} that was registered."),
        )),
        _ => Ok(()),
    }
}
