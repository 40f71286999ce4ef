//! The second factor: a sealed secret, whose codes are computed elsewhere, and recovery codes. Each is good once.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::Secret;
use uuid::Uuid;

use super::secrets::{digest_of, random};
use super::users::{UserRow, find};
use crate::columns::{from_json, to_json};
use crate::schema::users;
use crate::{Store, StoreError};

/// As RFC 4226, section 4, recommends.
const SECRET_BYTES: usize = 20;
const RECOVERY_CODES: usize = 10;

fn place(user: &str) -> String {
    format!("users.totp:{user}")
}

impl UserRow {
    pub(super) fn forget_second_factor(&mut self) {
        (self.totp_sealed, self.totp_on, self.recovery_codes) = (None, false, "[]".to_owned());
    }
}

impl Store {
    /// Draws the secret of a second factor, which is on once a code was confirmed. Null when one is on already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn user_totp_begin(&self, id: Uuid, now: DateTime<Utc>) -> Result<Option<Vec<u8>>, StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            if row.totp_on {
                return Ok(None);
            }
            let secret = random::<SECRET_BYTES>()?;
            row.totp_sealed = Some(transaction.key.seal(&place(&row.id), &secret)?);
            row.save(transaction.connection)?;
            row.is_subject(transaction)?;
            Ok(Some(secret.to_vec()))
        })
    }

    /// The secret of the second factor, also one that is not on yet.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongMasterKey`].
    pub fn user_totp_secret(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let row = find(connection, &id.to_string())?;
            row.totp_sealed.as_deref().map(|sealed| self.key.open(&place(&row.id), sealed)).transpose()
        })
    }

    /// Takes the code of a time step, once: false when that step's, or a later one's, was taken before. // F-88
    pub fn user_totp_accept(&self, id: Uuid, step: i64, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.aside().write(now, |transaction| {
            let fresh = users::table.find(id.to_string()).filter(users::totp_step.lt(step));
            Ok(diesel::update(fresh).set(users::totp_step.eq(step)).execute(transaction.connection)? == 1)
        })
    }

    /// Switches the second factor on, and gives new recovery codes. Null when it was on already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn user_totp_confirm(&self, id: Uuid, now: DateTime<Utc>) -> Result<Option<Vec<Secret>>, StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            if row.totp_on || row.totp_sealed.is_none() {
                return Ok(None);
            }
            let codes = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<Vec<String>, _>>()?;
            let digests: Vec<String> = codes.iter().map(|code| digest_of(&plain(code))).collect();
            row.recovery_codes = to_json("users.recovery_codes", &digests)?;
            row.totp_on = true;
            row.save(transaction.connection)?;
            row.is_subject(transaction)?;
            Ok(Some(codes.into_iter().map(Secret::new).collect()))
        })
    }

    /// Takes a recovery code, once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn user_recovery_code_use(&self, id: Uuid, code: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let digest = digest_of(&plain(code));
        self.aside().write(now, |transaction| {
            let row = find(transaction.connection, &id.to_string())?;
            let mut digests: Vec<String> = from_json("users.recovery_codes", &row.recovery_codes)?;
            let before = digests.len();
            digests.retain(|kept| *kept != digest);
            if digests.len() == before {
                return Ok(false);
            }
            // Of two who use the code at once, one finds the list changed.
            let unchanged = users::table.find(&row.id).filter(users::recovery_codes.eq(&row.recovery_codes));
            let left = to_json("users.recovery_codes", &digests)?;
            let used = diesel::update(unchanged).set(users::recovery_codes.eq(left)).execute(transaction.connection)?;
            Ok(used == 1)
        })
    }

    /// Switches the second factor off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn user_totp_disable(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            row.forget_second_factor();
            row.save(transaction.connection)?;
            row.is_subject(transaction)
        })
    }
}

/// 64 bits as four groups of four hexadecimal digits: easy to copy from paper.
fn recovery_code() -> Result<String, StoreError> {
    let text = hex::encode(random::<8>()?);
    let mut code = String::with_capacity(19);
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            code.push('-');
        }
        code.push(digit);
    }
    Ok(code)
}

/// The code as it is compared: people leave dashes out and type capitals.
fn plain(code: &str) -> String {
    code.chars().filter(|digit| digit.is_ascii_hexdigit()).map(|digit| digit.to_ascii_lowercase()).collect()
}
