//! What is known of the request that is being answered: its id and path, for errors and logs, and who asks for what, for the
//! audit log. It is set once, by [`crate::edge`], and read wherever a problem is written or something is changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Actor, AuditEntry};
use store::Store;
use tokio::task_local;

/// The id and path of a request, and its entry in the audit log. Clones share the entry.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) id: String,
    pub(crate) instance: String,
    audited: Arc<Mutex<Audited>>,
}

/// The entry of a request, from its routing to its end.
#[derive(Debug, Default)]
struct Audited {
    entry: Option<AuditEntry>,
    /// Whether the request may change something.
    is_change: bool,
    /// What the request's changes are made through, once it has made one.
    acting: Option<Store>,
}

task_local! {
    pub(crate) static REQUEST: RequestContext;
}

impl RequestContext {
    pub(crate) fn new(id: String, instance: String) -> Self {
        Self { id, instance, audited: Arc::default() }
    }
}

/// The id of the request that is being answered, if one is.
pub(crate) fn id() -> Option<String> {
    REQUEST.try_with(|context| context.id.clone()).ok()
}

/// The path of the request that is being answered; empty outside of one.
pub(crate) fn instance() -> String {
    REQUEST.try_with(|context| context.instance.clone()).unwrap_or_default()
}

fn with_audited<T: Default>(look: impl FnOnce(MutexGuard<'_, Audited>) -> T) -> T {
    REQUEST.try_with(|context| look(context.audited.lock().unwrap_or_else(PoisonError::into_inner))).unwrap_or_default()
}

/// Says what the request is, as far as its address tells. Until somebody says who asks, it is this machine.
pub(crate) fn begin_audit(entry: AuditEntry, is_change: bool) {
    with_audited(|mut audited| {
        audited.entry = Some(entry);
        audited.is_change = is_change;
    });
}

/// Says who asks, before anything is changed.
pub(crate) fn set_actor(actor: Actor) {
    with_audited(|mut audited| {
        if let Some(entry) = &mut audited.entry {
            entry.actor = actor;
        }
    });
}

/// The request's entry, for one who writes it himself.
pub(crate) fn audit_entry() -> Option<AuditEntry> {
    with_audited(|audited| audited.entry.clone())
}

/// The store through which this request changes things: its first change leaves the request's entry.
pub(crate) fn acting(store: &Store) -> Store {
    let acting = with_audited(|mut audited| {
        if !audited.is_change {
            return None;
        }
        if audited.acting.is_none() {
            audited.acting = audited.entry.clone().map(|entry| store.acting(entry));
        }
        audited.acting.clone()
    });
    acting.unwrap_or_else(|| store.clone())
}
