//! What is known of the request that is being answered, for errors and logs: its id and its path. It is set once, by
//! [`crate::edge`], and read wherever a problem is written.

use tokio::task_local;

/// The id and path of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) id: String,
    pub(crate) instance: String,
}

task_local! {
    pub(crate) static REQUEST: RequestContext;
}

/// The id of the request that is being answered, if one is.
pub(crate) fn id() -> Option<String> {
    REQUEST.try_with(|context| context.id.clone()).ok()
}

/// The path of the request that is being answered; empty outside of one.
pub(crate) fn instance() -> String {
    REQUEST.try_with(|context| context.instance.clone()).unwrap_or_default()
}
