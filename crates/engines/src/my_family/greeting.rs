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
