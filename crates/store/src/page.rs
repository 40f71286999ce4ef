//! Pages of lists. A cursor is the sort key of the last item shown, so a page costs the same wherever it is and stays right
//! while rows come and go.

use domain::list::{DEFAULT_LIMIT, MAX_LIMIT};

use crate::StoreError;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items: 1 to [`MAX_LIMIT`]; anything else counts as the nearest of these.
    pub limit: u32,
    /// The `next_cursor` of the page before; the first page when null.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}

impl PageRequest {
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.limit.clamp(1, MAX_LIMIT)).unwrap_or(usize::MAX)
    }

    /// One row more than the page holds tells whether there is a next page.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit.clamp(1, MAX_LIMIT)) + 1
    }

    /// The number in a cursor of a list sorted by it.
    pub(crate) fn after_number(&self) -> Result<Option<i64>, StoreError> {
        self.decoded()?.map(|text| text.parse().map_err(|_| StoreError::InvalidCursor)).transpose()
    }

    /// The time and number in a cursor of a list sorted by them.
    pub(crate) fn after_time_and_number(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let Some(text) = self.decoded()? else { return Ok(None) };
        let (time, number) = text.split_once(' ').ok_or(StoreError::InvalidCursor)?;
        let read = |text: &str| text.parse().map_err(|_| StoreError::InvalidCursor);
        Ok(Some((read(time)?, read(number)?)))
    }

    /// The time and id in a cursor of a list sorted by both.
    pub(crate) fn after_time_and_id(&self) -> Result<Option<(i64, String)>, StoreError> {
        let Some(text) = self.decoded()? else { return Ok(None) };
        let (time, id) = text.split_once(' ').ok_or(StoreError::InvalidCursor)?;
        let time = time.parse().map_err(|_| StoreError::InvalidCursor)?;
        let id: uuid::Uuid = id.parse().map_err(|_| StoreError::InvalidCursor)?;
        Ok(Some((time, id.to_string())))
    }

    fn decoded(&self) -> Result<Option<String>, StoreError> {
        let decode = |cursor: &String| {
            let bytes = hex::decode(cursor).map_err(|_| StoreError::InvalidCursor)?;
            String::from_utf8(bytes).map_err(|_| StoreError::InvalidCursor)
        };
        self.cursor.as_ref().map(decode).transpose()
    }

    /// Cuts the rows to the page and makes the cursor of the next one from the last row shown.
    pub(crate) fn cut<R>(&self, rows: &mut Vec<R>, sort_key: impl Fn(&R) -> String) -> Option<String> {
        if rows.len() <= self.size() {
            return None;
        }
        rows.truncate(self.size());
        rows.last().map(|row| hex::encode(sort_key(row)))
    }
}

pub(crate) fn time_and_id(time: i64, id: &str) -> String {
    format!("{time} {id}")
}
