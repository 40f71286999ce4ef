//! When a recurrence runs next, in UTC and in the viewer's zone: computed as the scheduler computes it.

use chrono::{DateTime, Local, SecondsFormat, Utc};
use domain::Recurrence;
use domain::schedule::PREVIEW_COUNT;
use leptos::prelude::*;

use crate::state::clock::{clock, own_zone};

/// `Thu 2026-11-26 05:00`
const FORMAT: &str = "%a %Y-%m-%d %H:%M";

fn row(at: DateTime<Utc>) -> AnyView {
    let local = at.with_timezone(&Local);
    view! {
        <tr>
            <td><time datetime=at.to_rfc3339_opts(SecondsFormat::Secs, true)>{at.format(FORMAT).to_string()}</time></td>
            <td><time datetime=local.to_rfc3339_opts(SecondsFormat::Secs, true)>{local.format(FORMAT).to_string()}</time></td>
        </tr>
    }
    .into_any()
}

#[component]
pub fn NextRuns(#[prop(into)] recurrence: Signal<Option<Recurrence>>) -> impl IntoView {
    let clock = clock();
    let runs = Memo::new(move |_| {
        let now = clock.now.get();
        recurrence.with(|recurrence| {
            let runs = recurrence.iter().flat_map(|recurrence| recurrence.runs_after(now));
            (0..PREVIEW_COUNT).zip(runs).map(|(_, run)| run).collect::<Vec<_>>()
        })
    });
    let own = own_zone().map_or_else(|| "Your zone".to_owned(), |zone| format!("Your zone, {zone}"));
    view! {
        <table class="runs">
            <caption>"Next runs"</caption>
            <thead>
                <tr><th scope="col">"UTC"</th><th scope="col">{own}</th></tr>
            </thead>
            <tbody>{move || runs.get().into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}
