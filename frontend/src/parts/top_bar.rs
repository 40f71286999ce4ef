//! The bar at the top: where one is, whether changes come live, and in which zone times are shown. On a phone the menu of
//! pages stands at the bottom.

use chrono::Utc;
use leptos::prelude::*;

use super::icon::Icon;
use crate::router::router;
use crate::state::clock::{clock, zone_name};
use crate::state::live::live;

#[component]
fn Place(href: &'static str, icon: &'static str, name: &'static str) -> impl IntoView {
    let path = router().path;
    let here = move || {
        path.with(|path| {
            let below = if href == "/" { "/datastores" } else { href };
            (path == href || path.starts_with(below)).then_some("page")
        })
    };
    view! {
        <a href=href aria-current=here>
            <Icon name=icon />
            <span>{name}</span>
        </a>
    }
}

#[component]
pub fn TopBar() -> impl IntoView {
    let clock = clock();
    let live = live();
    let zone = format!("Times in your zone, {}", zone_name(Utc::now()));
    view! {
        <header class="bar">
            <a class="brand" href="/" aria-label="Holdfast: all datastores">
                <svg viewBox="0 0 32 32" aria-hidden="true">
                    <rect width="32" height="32" rx="8" fill="#4b1294" />
                    <path d="M10 8v16M22 8v16M10 16h12" fill="none" stroke="#fff" stroke-width="3.4" stroke-linecap="round" />
                    <circle cx="16" cy="16" r="3.6" fill="#c9a7ff" />
                </svg>
                <span>"Holdfast"</span>
            </a>
            <nav class="nav" aria-label="Pages">
                <Place href="/" icon="databases" name="Datastores" />
                <Place href="/activity" icon="activity" name="Activity" />
                <Place href="/workers" icon="workers" name="Workers" />
                <Place href="/storages" icon="storage" name="Storages" />
            </nav>
            <span class="live" class:away=move || !live.connected.get() title="Whether changes are shown as they happen">
                <span>{move || if live.connected.get() { "Live" } else { "Reconnecting" }}</span>
            </span>
            <div class="segments" role="group" aria-label="Time zone of all times">
                <button
                    type="button"
                    title=zone
                    aria-pressed=move || (!clock.utc.get()).to_string()
                    on:click=move |_| clock.choose(false)
                >
                    "Local"
                </button>
                <button
                    type="button"
                    title="Times in UTC"
                    aria-pressed=move || clock.utc.get().to_string()
                    on:click=move |_| clock.choose(true)
                >
                    "UTC"
                </button>
            </div>
        </header>
    }
}
