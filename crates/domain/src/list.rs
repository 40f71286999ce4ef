//! Lists as the API returns them: a page of items and a cursor for the next.

use serde::{Deserialize, Serialize};

/// The number of items on a page unless asked otherwise.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most items that may be asked for.
pub const MAX_LIMIT: u32 = 200;

/// One page of a list, newest first unless the list says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    pub items: Vec<T>,
    /// How many items all pages hold together.
    pub total: i64,
    /// Passed as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
}
