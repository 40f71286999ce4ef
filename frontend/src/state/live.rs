//! Live changes: one connection to the event stream for the whole app. An event only says what changed; whoever shows it
//! reads it again. After the service was away everything counts as changed, since events may have been missed.

use std::time::Duration;

use domain::EventKind;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::EventSource;

use super::session::Session;

const ADDRESS: &str = "/api/v1/events";
/// Changes within this time are told once.
const GATHERING: Duration = Duration::from_millis(120);
/// A connection that comes back sooner was never away.
const GRACE: Duration = Duration::from_millis(1500);
const RETRY: Duration = Duration::from_secs(3);

/// What is known of changes.
#[derive(Clone, Copy)]
pub struct Live {
    /// Whether the service is heard.
    pub connected: RwSignal<bool>,
    versions: StoredValue<Vec<(EventKind, RwSignal<u64>)>>,
    dirty: StoredValue<Vec<EventKind>>,
    source: StoredValue<Option<EventSource>, LocalStorage>,
    session: Session,
}

impl Live {
    /// Connects whenever somebody is signed in; the connection lasts as long as they are and mends itself.
    pub fn start(session: Session) -> Self {
        let versions = EventKind::ALL.iter().map(|kind| (*kind, RwSignal::new(0))).collect();
        let live = Self {
            connected: RwSignal::new(true),
            versions: StoredValue::new(versions),
            dirty: StoredValue::new(Vec::new()),
            source: StoredValue::new_local(None),
            session,
        };
        let known = Memo::new(move |_| session.me.with(Option::is_some));
        Effect::new(move |_| {
            if known.get() {
                live.connect();
            } else if let Some(source) = live.source.try_update_value(Option::take).flatten() {
                source.close();
                live.connected.set(true);
            }
        });
        live
    }

    /// Makes the running effect or memo run again when anything of these kinds changes.
    pub fn follow(&self, kinds: &[EventKind]) {
        self.versions.with_value(|versions| {
            for (_, version) in versions.iter().filter(|(kind, _)| kinds.contains(kind)) {
                version.track();
            }
        });
    }

    /// Tells that something of these kinds changed.
    pub fn changed(&self, kinds: &[EventKind]) {
        let first = self.dirty.with_value(Vec::is_empty);
        self.dirty.update_value(|dirty| dirty.extend(kinds));
        if first {
            let live = *self;
            set_timeout(move || live.tell(), GATHERING);
        }
    }

    fn tell(self) {
        let dirty = self.dirty.try_update_value(std::mem::take).unwrap_or_default();
        let versions = self.versions.get_value();
        for (_, version) in versions.iter().filter(|(kind, _)| dirty.contains(kind)) {
            version.update(|version| *version += 1);
        }
    }

    fn connect(self) {
        let Ok(source) = EventSource::new(ADDRESS) else { return };
        for &kind in EventKind::ALL {
            let heard = Closure::<dyn Fn()>::new(move || self.changed(&[kind]));
            // Fails only for arguments of the wrong type.
            let _ = source.add_event_listener_with_callback(kind.as_str(), heard.as_ref().unchecked_ref());
            heard.forget();
        }
        let opened = Closure::<dyn Fn()>::new(move || {
            if !self.connected.get_untracked() {
                self.connected.set(true);
                self.changed(EventKind::ALL);
            }
        });
        source.set_onopen(Some(opened.as_ref().unchecked_ref()));
        opened.forget();
        let lost = Closure::<dyn Fn()>::new(move || self.check_soon());
        source.set_onerror(Some(lost.as_ref().unchecked_ref()));
        lost.forget();
        self.source.set_value(Some(source));
    }

    /// After an error: shows it when it lasts, and connects anew where the browser has given up.
    fn check_soon(self) {
        let state = move || self.source.with_value(|source| source.as_ref().map(EventSource::ready_state));
        set_timeout(
            move || {
                if state().is_some_and(|state| state != EventSource::OPEN) {
                    self.connected.set(false);
                }
            },
            GRACE,
        );
        if state() == Some(EventSource::CLOSED) {
            // The stream does not tell why it was refused: when the session has ended, this answer does.
            self.session.read();
            set_timeout(
                move || {
                    if state() == Some(EventSource::CLOSED) {
                        self.connect();
                    }
                },
                RETRY,
            );
        }
    }
}

/// The app's connection to the event stream.
pub fn live() -> Live {
    expect_context::<Live>()
}
