//! Where a thing belongs: the project of the datastore that it is of.

use diesel::prelude::*;
use domain::access::{Place, Reach};
use uuid::Uuid;

use crate::columns::optional_uuid;
use crate::connection::AnyConnection;
use crate::schema::{backups, datastores, jobs, projects, restores, schedules};
use crate::{Store, StoreError};

impl Store {
    /// The place of a thing, by what its id is of.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn place_of(&self, reach: Reach, id: Uuid) -> Result<Place, StoreError> {
        let text = id.to_string();
        self.read(|connection| {
            let datastore = match reach {
                Reach::Everything => return Ok(Place::Everything),
                Reach::Somewhere => return Ok(Place::Somewhere),
                Reach::Project => {
                    let found = projects::table.find(&text).select(projects::id).first::<String>(connection);
                    found.optional()?.ok_or(StoreError::NotFound { what: "project" })?;
                    return Ok(Place::Project(id));
                }
                Reach::Datastore => text,
                Reach::Backup => {
                    let found = backups::table.find(&text).select(backups::datastore_id).first(connection);
                    found.optional()?.ok_or(StoreError::NotFound { what: "backup" })?
                }
                Reach::Restore => {
                    let found = restores::table.find(&text).select(restores::datastore_id).first(connection);
                    found.optional()?.ok_or(StoreError::NotFound { what: "restore" })?
                }
                Reach::Schedule => {
                    let found = schedules::table.find(&text).select(schedules::datastore_id).first(connection);
                    found.optional()?.ok_or(StoreError::NotFound { what: "schedule" })?
                }
                Reach::Job => {
                    let found: Option<Option<String>> =
                        jobs::table.find(&text).select(jobs::datastore_id).first(connection).optional()?;
                    match found.ok_or(StoreError::NotFound { what: "job" })? {
                        Some(datastore) => datastore,
                        // Of a datastore that is gone or was only tried.
                        None => return Ok(Place::Everything),
                    }
                }
            };
            of_datastore(connection, &datastore)
        })
    }
}

fn of_datastore(connection: &mut AnyConnection, id: &str) -> Result<Place, StoreError> {
    let found: Option<Option<String>> =
        datastores::table.find(id).select(datastores::project_id).first(connection).optional()?;
    let project = found.ok_or(StoreError::NotFound { what: "datastore" })?;
    Ok(Place::of_project(optional_uuid("datastores.project_id", project.as_deref())?))
}
