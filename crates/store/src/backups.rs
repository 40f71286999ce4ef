//! Backups: the catalog. A backup's status is that of the job that makes it; the row only repeats it for lists.

mod adopt;
pub(crate) mod begin;
mod list;
mod parent;
pub(crate) mod row;

pub use adopt::Adoption;
pub use list::BackupFilter;

use diesel::prelude::*;
use domain::Backup;
use uuid::Uuid;

use crate::schema::backups;
use crate::{Store, StoreError};
use row::BackupRow;

impl Store {
    /// One backup.
    pub fn backup_get(&self, id: Uuid) -> Result<Backup, StoreError> {
        self.read(|connection| row::find(connection, &id.to_string())?.into_backup_with_progress(connection))
    }

    /// The backup that people know by this number.
    pub fn backup_by_number(&self, number: i64) -> Result<Backup, StoreError> {
        self.read(|connection| {
            let row: Option<BackupRow> =
                backups::table.filter(backups::number.eq(number)).first(connection).optional()?;
            row.ok_or(StoreError::NotFound { what: "backup" })?.into_backup_with_progress(connection)
        })
    }
}
