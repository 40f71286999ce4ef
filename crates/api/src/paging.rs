//! The part of a list's query string that all lists share.

use domain::list::{DEFAULT_LIMIT, MAX_LIMIT};
use serde::Deserialize;
use store::PageRequest;
use utoipa::IntoParams;

use crate::problem::ApiProblem;

/// The query string of a list without filters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items a page has.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// The page that was asked for. // F-92
pub(crate) fn page_of(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest, ApiProblem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiProblem::invalid_field("/limit", format!("must be between 1 and {MAX_LIMIT}")));
    }
    Ok(PageRequest { limit, cursor })
}
