//! Short messages at the bottom of the window: what came of a click whose place on the page has no room for it.

use std::time::Duration;

use leptos::prelude::*;

use super::failure::Failure;

const SHOWN: Duration = Duration::from_secs(9);

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Toast {
    pub id: u64,
    pub text: String,
    pub detail: Option<String>,
    pub request_id: Option<String>,
    pub bad: bool,
}

/// The messages that are shown.
#[derive(Clone, Copy)]
pub struct Toasts {
    pub shown: RwSignal<Vec<Toast>>,
    last: StoredValue<u64>,
}

impl Toasts {
    pub fn new() -> Self {
        Self { shown: RwSignal::new(Vec::new()), last: StoredValue::new(0) }
    }

    /// Tells that something went well.
    pub fn tell(&self, text: impl Into<String>) {
        self.push(Toast { id: 0, text: text.into(), detail: None, request_id: None, bad: false });
    }

    /// Tells why something did not go; stays until it is closed.
    pub fn fail(&self, failure: &Failure) {
        self.push(Toast {
            id: 0,
            text: failure.title.clone(),
            detail: Some(failure.detail.clone()),
            request_id: failure.request_id.clone(),
            bad: true,
        });
    }

    pub fn close(&self, id: u64) {
        self.shown.update(|shown| shown.retain(|toast| toast.id != id));
    }

    fn push(&self, mut toast: Toast) {
        toast.id = self.last.get_value() + 1;
        self.last.set_value(toast.id);
        let (toasts, id, bad) = (*self, toast.id, toast.bad);
        self.shown.update(|shown| {
            shown.retain(|other| other.text != toast.text || other.detail != toast.detail);
            shown.push(toast);
        });
        if !bad {
            set_timeout(move || toasts.close(id), SHOWN);
        }
    }
}

/// The app's messages.
pub fn toasts() -> Toasts {
    expect_context::<Toasts>()
}
