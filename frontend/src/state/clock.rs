//! The time of day, and the zone in which times are shown: the viewer's own or UTC, one choice for the whole app.

use std::time::Duration;

use chrono::{DateTime, Local, Utc};
use js_sys::{Array, Intl, Object, Reflect};
use leptos::prelude::*;

const STORED_UNDER: &str = "holdfast.times";

/// Ticks, so that "5 min ago" and running durations stay true.
#[derive(Clone, Copy)]
pub struct Clock {
    /// Now, every second: for what runs.
    pub second: RwSignal<DateTime<Utc>>,
    /// Now, every ten seconds: for what is past.
    pub now: RwSignal<DateTime<Utc>>,
    /// Whether times are shown in UTC.
    pub utc: RwSignal<bool>,
}

impl Clock {
    /// Starts the clock; it runs as long as the app.
    pub fn start() -> Self {
        let utc = RwSignal::new(stored().as_deref() == Some("utc"));
        let clock = Self { second: RwSignal::new(Utc::now()), now: RwSignal::new(Utc::now()), utc };
        set_interval(
            move || {
                let now = Utc::now();
                clock.second.set(now);
                if (now - clock.now.get_untracked()).num_seconds() >= 10 {
                    clock.now.set(now);
                }
            },
            Duration::from_secs(1),
        );
        clock
    }

    /// Chooses the zone and remembers it in this browser.
    pub fn choose(&self, utc: bool) {
        self.utc.set(utc);
        let storage = web_sys::window().and_then(|window| window.local_storage().ok().flatten());
        if let Some(storage) = storage {
            // A browser that stores nothing keeps the choice until the page is left.
            let _ = storage.set_item(STORED_UNDER, if utc { "utc" } else { "local" });
        }
    }

    /// The instant in the chosen zone: `2026-11-22 07:00:01`.
    pub fn write(&self, at: DateTime<Utc>) -> String {
        if self.utc.get() { write_utc(at) } else { write_local(at) }
    }

    /// How long ago it was.
    pub fn ago(&self, at: DateTime<Utc>) -> String {
        domain::format::ago((self.now.get() - at).num_seconds())
    }
}

/// The app's clock.
pub fn clock() -> Clock {
    expect_context::<Clock>()
}

/// `2026-11-22 07:00:01` in the viewer's zone.
pub fn write_local(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-11-22 05:00:01` in UTC.
pub fn write_utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The viewer's zone at an instant: `UTC+02:00`.
pub fn zone_name(at: DateTime<Utc>) -> String {
    format!("UTC{}", at.with_timezone(&Local).format("%:z"))
}

/// The IANA name of the viewer's zone, `Europe/Berlin`, where the browser tells one that is known here.
pub fn own_zone() -> Option<String> {
    let options = Intl::DateTimeFormat::new(&Array::new(), &Object::new()).resolved_options();
    let name = Reflect::get(&options, &"timeZone".into()).ok()?.as_string()?;
    domain::recurrence::parse_zone(&name).is_ok().then_some(name)
}

fn stored() -> Option<String> {
    web_sys::window()?.local_storage().ok()??.get_item(STORED_UNDER).ok()?
}
