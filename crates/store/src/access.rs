//! Who may come in: users, their sessions, tokens of programs, and the projects that roles are given for. Secrets are drawn
//! here and kept as SHA-256 only; what has to be read again (the second factor) is sealed with the master key. What a caller
//! may do is decided in `domain::access`; this says who the caller is and where a thing belongs.

mod bindings;
mod places;
mod projects;
mod second_factor;
mod secrets;
mod sessions;
mod sign_in;
mod tokens;
mod users;

pub use sessions::{SESSION_ABSOLUTE_DAYS, SESSION_IDLE_HOURS, SessionHolder};
pub use sign_in::Credentials;
pub use tokens::{TokenHolder, TokenOrder};
pub use users::ExternalUser;

pub(crate) use projects::{of_projects, require_project};

use diesel::prelude::*;

use crate::connection::AnyConnection;
use crate::schema::meta;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// The row of `meta` that says that the first credential exists.
const CLAIMED: &str = "claimed";

impl Store {
    /// Whether the service's first credential exists, or once did: from then on nobody gets in without one.
    pub fn is_claimed(&self) -> Result<bool, StoreError> {
        self.read(is_claimed)
    }
}

fn is_claimed(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    Ok(meta::table.find(CLAIMED).select(meta::value).first::<String>(connection).optional()?.is_some())
}

/// Notes that a credential exists now. Never taken back.
fn claim(transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
    if is_claimed(transaction.connection)? {
        return Ok(());
    }
    let row = (meta::key.eq(CLAIMED), meta::value.eq("1"));
    match transaction.connection {
        // Two first credentials may be made at once, and a failed insert would end the transaction.
        AnyConnection::Postgres(postgres) => {
            diesel::insert_into(meta::table).values(row).on_conflict_do_nothing().execute(postgres)?
        }
        AnyConnection::Sqlite(sqlite) => diesel::insert_into(meta::table).values(row).execute(sqlite)?,
    };
    Ok(())
}
