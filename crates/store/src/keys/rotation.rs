//! Replacing the master key, in four steps of which each may be the last: make the new key's file; seal the data keys with it,
//! in one transaction; look whether everything opens with it; put its file in the place of the old one. Killed before the
//! transaction's commit, the old key is the right one, and after it the new one; both files are there until the end, and
//! whoever opens the database next takes the one that fits. Doing it again finishes it.

use std::fs::File;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Actor, ActorKind, AuditEntry, Subject, SubjectKind};

use super::{KeyFile, convert, key_place, load, lock};
use crate::master_key::MasterKey;
use crate::schema::data_keys;
use crate::{Store, StoreError};

/// A rotation that has begun.
#[derive(Debug)]
pub struct KeyRotation {
    url: String,
    file: KeyFile,
    old: MasterKey,
    new: MasterKey,
    store: Store,
    /// Held to the end.
    _lock: File,
}

/// What a look at all secrets found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretsReport {
    /// How many open.
    pub open: usize,
    /// What those were sealed for that do not: they did not before either.
    pub closed: Vec<String>,
}

impl KeyRotation {
    /// The first step: waits for its turn, opens the database and makes the new key's file, or takes the one that an interrupted rotation left.
    ///
    /// # Errors
    /// As of [`Store::open_with`], except that it makes no first key.
    pub fn begin(url: &str, file: &KeyFile) -> Result<Self, StoreError> {
        let lock = file.lock().map_err(StoreError::MasterKey)?;
        // Also brings an interrupted rotation to its end, so that the file's key is the database's.
        let store = Store::open_locked(url, file)?;
        let old = MasterKey::load(file.path()).map_err(StoreError::MasterKey)?;
        let new = MasterKey::load_or_create(&file.next_path()).map_err(StoreError::MasterKey)?;
        Ok(Self { url: url.to_owned(), file: file.clone(), old, new, store, _lock: lock })
    }

    /// The second: seals the data keys with the new key, and leaves a row in the audit log. Afterwards the old key opens nothing.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`] when somebody elsewhere, with a copy of the key, was quicker.
    pub fn seal_anew(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        self.store.write(now, |transaction| {
            lock(transaction.connection)?;
            let mut changed = 0;
            for row in load(transaction.connection)? {
                if row.sealed_by == self.new.id() {
                    continue;
                }
                let place = key_place(&row.id);
                let sealed = self.new.seal(&place, &self.old.open(&place, &row.sealed)?)?;
                diesel::update(data_keys::table.find(&row.id))
                    .set((data_keys::sealed.eq(sealed), data_keys::sealed_by.eq(self.new.id())))
                    .execute(transaction.connection)?;
                changed += 1;
            }
            if changed > 0 {
                let actor = Actor::named(ActorKind::CommandLine, "holdfast keys rotate");
                let subject = Subject::of(SubjectKind::Service, None);
                transaction.audit(AuditEntry::new(actor, "keys_rotate", subject));
            }
            Ok(changed)
        })
    }

    /// The third: opens the database anew with the new key, and every secret in it.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`] when the new key is not the right one; the old file then stays.
    pub fn verify(&self) -> Result<SecretsReport, StoreError> {
        Store::open(&self.url, self.new.clone())?.secrets_verify()
    }

    /// The last: the new key's file takes the place of the old one, which is gone then.
    ///
    /// # Errors
    /// [`StoreError::MasterKey`].
    pub fn finish(self) -> Result<(), StoreError> {
        self.file.replace().map_err(StoreError::MasterKey)
    }
}

impl Store {
    /// Opens every secret of the database, and forgets it.
    pub fn secrets_verify(&self) -> Result<SecretsReport, StoreError> {
        let values = self.read(convert::all)?;
        let mut report = SecretsReport::default();
        for value in values {
            match self.key.open_sealed(&value.place, &value.sealed) {
                Ok(_) => report.open += 1,
                Err(_) => report.closed.push(value.place),
            }
        }
        Ok(report)
    }
}
