//! An instant: absolute in the chosen zone, with its age and the other zone in the tooltip. Every time in the app is this.

use chrono::{DateTime, SecondsFormat, Utc};
use leptos::prelude::*;

use crate::state::clock::{clock, write_local, write_utc, zone_name};

#[component]
pub fn Time(at: DateTime<Utc>) -> impl IntoView {
    let clock = clock();
    let both = format!("{} {}\n{} UTC", write_local(at), zone_name(at), write_utc(at));
    view! {
        <time
            class="nowrap"
            datetime=at.to_rfc3339_opts(SecondsFormat::Secs, true)
            title=move || format!("{}\n{both}", clock.ago(at))
        >
            {move || clock.write(at)}
        </time>
    }
}

/// The age of an instant first, for where that matters more: `5 min ago`.
#[component]
pub fn Ago(at: DateTime<Utc>) -> impl IntoView {
    let clock = clock();
    let both = format!("{} {}\n{} UTC", write_local(at), zone_name(at), write_utc(at));
    view! {
        <time class="nowrap" datetime=at.to_rfc3339_opts(SecondsFormat::Secs, true) title=both>
            {move || clock.ago(at)}
        </time>
    }
}

/// The time of day alone, where the day is told nearby.
#[component]
pub fn TimeOfDay(at: DateTime<Utc>) -> impl IntoView {
    let clock = clock();
    let both = format!("{} {}\n{} UTC", write_local(at), zone_name(at), write_utc(at));
    view! {
        <time class="nowrap" datetime=at.to_rfc3339_opts(SecondsFormat::Secs, true) title=both>
            {move || clock.write(at).split_off(11)}
        </time>
    }
}

/// An instant, or a dash where there is none.
pub fn time_or_dash(at: Option<DateTime<Utc>>) -> AnyView {
    match at {
        Some(at) => view! { <Time at /> }.into_any(),
        None => view! { <span class="muted">"–"</span> }.into_any(),
    }
}
