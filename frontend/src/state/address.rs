//! The address knows what is shown: the job in the panel, the search, the order. So a reload or a sent link shows the same.

use leptos::prelude::*;
use uuid::Uuid;

use crate::router::router;

/// The query parameter that names the job in the panel.
pub const JOB: &str = "job";

/// A function that changes one parameter of the address and keeps the rest. `None` takes it away. With `replace` the
/// browser's "back" does not stop at the old address.
pub fn use_set_query() -> impl Fn(&str, Option<String>, bool) + Copy + Send + Sync + 'static {
    let router = router();
    move |name: &str, value: Option<String>, replace: bool| router.set_parameter(name, value.as_deref(), replace)
}

/// A function that opens the panel of a job over the page that is shown.
pub fn use_open_job() -> impl Fn(Uuid) + Copy + Send + Sync + 'static {
    let set_query = use_set_query();
    move |id| set_query(JOB, Some(id.to_string()), false)
}

/// One parameter of the address.
pub fn use_query(name: &'static str) -> Memo<Option<String>> {
    let router = router();
    Memo::new(move |_| router.parameter(name))
}

/// The id of the datastore that the address names; `None` when it is not an id.
pub fn use_datastore_id() -> Memo<Option<Uuid>> {
    let path = router().path;
    Memo::new(move |_| path.with(|path| path.strip_prefix("/datastores/")?.split('/').next()?.parse().ok()))
}
