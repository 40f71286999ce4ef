//! The list of a datastore's schedules.

use diesel::prelude::*;
use domain::{Page, Schedule};
use uuid::Uuid;

use crate::connection::MultiBackend;
use crate::datastores::row as datastore_row;
use crate::page::{PageRequest, time_and_id};
use crate::schedules::row::ScheduleRow;
use crate::schema::schedules;
use crate::{Store, StoreError};

impl Store {
    /// Schedules of a datastore, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the datastore, [`StoreError::InvalidCursor`].
    pub fn schedule_list(&self, datastore_id: Uuid, page: &PageRequest) -> Result<Page<Schedule>, StoreError> {
        let after = page.after_time_and_id()?;
        let datastore = datastore_id.to_string();
        self.read(|connection| {
            datastore_row::find(connection, &datastore)?;
            let of_datastore =
                || schedules::table.filter(schedules::datastore_id.eq(&datastore)).into_boxed::<MultiBackend>();
            let mut query =
                of_datastore().order((schedules::created_at.desc(), schedules::id.desc())).limit(page.rows());
            if let Some((at, id)) = after {
                query = query
                    .filter(schedules::created_at.le(at))
                    .filter(schedules::created_at.lt(at).or(schedules::id.lt(id)));
            }
            let mut rows: Vec<ScheduleRow> = query.load(connection)?;
            let total = of_datastore().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let items = rows.into_iter().map(|row| row.into_schedule(connection)).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }
}
