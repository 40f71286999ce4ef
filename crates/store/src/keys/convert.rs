//! Databases of before there were data keys: everything in them is sealed by the master key itself. What is sealed is sealed
//! anew, in the transaction that makes the first data key. The only place that lists every sealed column; the check of a
//! rotation uses the same list.

use diesel::prelude::*;

use super::Keys;
use crate::connection::AnyConnection;
use crate::datastores::row::password_place;
use crate::jobs::create::input_place;
use crate::master_key::MasterKey;
use crate::schema::{datastores, idempotency_keys, jobs, meta, storages, users};
use crate::{StoreError, access, audit, idempotency, storages as storages_module};

/// What the master key sealed in `meta`, to be known again.
const KEY_CHECK: &str = "key_check";

/// A sealed value: where it lies, and what it is.
pub(super) struct SealedValue {
    column: Column,
    /// The row's key.
    row: String,
    /// What it was sealed for.
    pub place: String,
    pub sealed: String,
}

#[derive(Clone, Copy)]
enum Column {
    Storage,
    Datastore,
    Job,
    Idempotency,
    SecondFactor,
    AuditHead,
}

/// Refuses a master key that is not the one that the database was made with. A database without anything takes any.
pub(super) fn check(connection: &mut AnyConnection, master: &MasterKey) -> Result<(), StoreError> {
    let sealed: Option<String> = meta::table.find(KEY_CHECK).select(meta::value).first(connection).optional()?;
    sealed.map_or(Ok(()), |sealed| master.open(KEY_CHECK, &sealed).map(drop))
}

/// Seals with the data key what the master key sealed. What does not open, since somebody damaged it, is left as it is.
pub(super) fn convert(connection: &mut AnyConnection, master: &MasterKey, keys: &Keys) -> Result<(), StoreError> {
    for value in all(connection)? {
        match master.open(&value.place, &value.sealed) {
            Ok(plain) => save(connection, &value, &keys.seal(&value.place, &plain)?)?,
            Err(_) => tracing::warn!(place = value.place, "a sealed value does not open and is left as it is"),
        }
    }
    diesel::delete(meta::table.find(KEY_CHECK)).execute(connection)?;
    Ok(())
}

/// Every sealed value of the database.
pub(super) fn all(connection: &mut AnyConnection) -> Result<Vec<SealedValue>, StoreError> {
    let mut values = Vec::new();
    let mut add = |column: Column, rows: Vec<(String, Option<String>)>, place: fn(&str) -> String| {
        values.extend(
            rows.into_iter()
                .filter_map(|(row, sealed)| Some(SealedValue { column, place: place(&row), row, sealed: sealed? })),
        );
    };
    let rows = storages::table.select((storages::id, storages::secret_sealed)).load(connection)?;
    add(Column::Storage, rows, storages_module::secret_place);
    let rows = datastores::table.select((datastores::id, datastores::password_sealed)).load(connection)?;
    add(Column::Datastore, rows, password_place);
    let rows =
        jobs::table.filter(jobs::input_sealed.is_not_null()).select((jobs::id, jobs::input_sealed)).load(connection)?;
    add(Column::Job, rows, input_place);
    let rows: Vec<(String, String)> =
        idempotency_keys::table.select((idempotency_keys::key, idempotency_keys::request_sealed)).load(connection)?;
    add(Column::Idempotency, rows.into_iter().map(|(key, sealed)| (key, Some(sealed))).collect(), idempotency::place);
    let rows = users::table.select((users::id, users::totp_sealed)).load(connection)?;
    add(Column::SecondFactor, rows, access::second_factor_place);
    let head: Option<String> = meta::table.find(audit::HEAD).select(meta::value).first(connection).optional()?;
    add(Column::AuditHead, vec![(audit::HEAD.to_owned(), head)], str::to_owned);
    Ok(values)
}

fn save(connection: &mut AnyConnection, value: &SealedValue, sealed: &str) -> Result<(), StoreError> {
    let row = &value.row;
    match value.column {
        Column::Storage => {
            diesel::update(storages::table.find(row)).set(storages::secret_sealed.eq(sealed)).execute(connection)?
        }
        Column::Datastore => diesel::update(datastores::table.find(row))
            .set(datastores::password_sealed.eq(sealed))
            .execute(connection)?,
        Column::Job => diesel::update(jobs::table.find(row)).set(jobs::input_sealed.eq(sealed)).execute(connection)?,
        Column::Idempotency => diesel::update(idempotency_keys::table.find(row))
            .set(idempotency_keys::request_sealed.eq(sealed))
            .execute(connection)?,
        Column::SecondFactor => {
            diesel::update(users::table.find(row)).set(users::totp_sealed.eq(sealed)).execute(connection)?
        }
        Column::AuditHead => diesel::update(meta::table.find(row)).set(meta::value.eq(sealed)).execute(connection)?,
    };
    Ok(())
}
