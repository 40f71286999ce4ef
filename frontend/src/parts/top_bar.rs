//! The bar at the top: where one is, whether changes come live, in which zone times are shown, and who one is. On a phone
//! the menu of pages stands at the bottom.

use chrono::Utc;
use leptos::prelude::*;

use super::icon::Icon;
use super::menu::{Menu, MenuItem};
use super::show::Show;
use crate::router::router;
use crate::state::clock::{clock, zone_name};
use crate::state::live::live;
use crate::state::session::session;

#[component]
fn Place(href: &'static str, icon: &'static str, name: &'static str) -> impl IntoView {
    let path = router().path;
    let here = move || {
        path.with(|path| {
            let below = match href {
                "/" => "/datastores",
                "/access" if path == "/audit" => path,
                href => href,
            };
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
pub fn TopBar(
    /// Whether it is known who is there; before that there are no pages to go to.
    known: Signal<bool>,
) -> impl IntoView {
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
            <Show when=known fallback=|| view! { <span class="nav-space"></span> }>
                <nav class="nav" aria-label="Pages">
                    <Place href="/" icon="databases" name="Datastores" />
                    <Place href="/activity" icon="activity" name="Activity" />
                    <Place href="/workers" icon="workers" name="Workers" />
                    <Place href="/storages" icon="storage" name="Storages" />
                    <Place href="/access" icon="key" name="Access" />
                </nav>
                <span class="live" class:away=move || !live.connected.get() title="Whether changes are shown as they happen">
                    <span>{move || if live.connected.get() { "Live" } else { "Reconnecting" }}</span>
                </span>
            </Show>
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
            <Account />
        </header>
    }
}

/// Who is signed in, and the way out.
#[component]
fn Account() -> impl IntoView {
    let session = session();
    let router = router();
    let name = Memo::new(move |_| session.name());
    move || {
        let name = name.get()?;
        Some(view! {
            <Menu name=format!("Account of {name}") icon="user" label=name>
                <MenuItem icon="user" name="Profile" on_choose=move |()| router.go("/profile") />
                <MenuItem icon="power" name="Sign out" on_choose=move |()| session.sign_out() />
            </Menu>
        })
    }
}
