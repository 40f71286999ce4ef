//! The address knows what is shown: the job in the panel, the search, the order. So a reload or a sent link shows the same.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_params_map, use_query_map};
use uuid::Uuid;

/// The query parameter that names the job in the panel.
pub const JOB: &str = "job";

/// A function that changes one parameter of the address and keeps the rest. `None` takes it away. With `replace` the
/// browser's "back" does not stop at the old address.
pub fn use_set_query() -> impl Fn(&str, Option<String>, bool) + Copy + Send + Sync + 'static {
    let navigate = StoredValue::new_local(use_navigate());
    let location = use_location();
    move |name: &str, value: Option<String>, replace: bool| {
        let mut query = location.query.get_untracked();
        query.remove(name);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            query.insert(name.to_owned(), value);
        }
        let address = format!("{}{}", location.pathname.get_untracked(), query.to_query_string());
        let options = NavigateOptions { replace, scroll: false, ..NavigateOptions::default() };
        navigate.with_value(|navigate| navigate(&address, options));
    }
}

/// A function that opens the panel of a job over the page that is shown.
pub fn use_open_job() -> impl Fn(Uuid) + Copy + Send + Sync + 'static {
    let set_query = use_set_query();
    move |id| set_query(JOB, Some(id.to_string()), false)
}

/// One parameter of the address.
pub fn use_query(name: &'static str) -> Memo<Option<String>> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|query| query.get(name)))
}

/// The id of the datastore that the address names; `None` when it is not an id.
pub fn use_datastore_id() -> Memo<Option<Uuid>> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| params.get("id").and_then(|id| id.parse().ok())))
}
