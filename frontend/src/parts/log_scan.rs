//! "Find the mistake": looks through a span of the archived log for what people regret, and offers the place just before it.

use chrono::TimeDelta;
use chrono::{DateTime, Utc};
use domain::access::Permission;
use domain::format;
use domain::log_archive::{LogEntry, LogEntryKind, LogScan, LogScanCreate};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::icon::Icon;
use super::problem::Problem;
use super::show::Show;
use super::time::Time;
use crate::pages::datastore::CurrentDatastore;
use crate::state::clock::clock;
use crate::state::failure::Failure;
use crate::state::instant::{field_value, instants, with_fraction};
use crate::state::service::service;

const fn kind_title(kind: LogEntryKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        LogEntryKind::SchemaChange => ("bad", "warning", "Schema change"),
        LogEntryKind::LargeDelete => ("bad", "trash", "Large delete"),
        LogEntryKind::LargeUpdate => ("warn", "edit", "Large update"),
        LogEntryKind::Transaction => ("idle", "log", "Transaction"),
    }
}

#[component]
pub fn FindMistake(
    id: Uuid,
    /// What the span ends with at first: the chosen instant or the end of the log.
    around: Signal<Option<DateTime<Utc>>>,
    /// Whether the log carries whole seconds, so that single transactions matter.
    whole: Signal<bool>,
    /// Restores to just before a transaction.
    on_restore: Callback<LogEntry>,
) -> impl IntoView {
    let clock = clock();
    let (from, to) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let all = RwSignal::new(false);
    let lacks = expect_context::<CurrentDatastore>().lacking(Permission::LogScan);
    let scan = RwSignal::new(None::<LogScan>);
    let failure = RwSignal::new(None::<Failure>);
    let running = RwSignal::new(false);
    let began = RwSignal::new(None::<DateTime<Utc>>);
    let preset = move || {
        if let Some(at) = around.get_untracked() {
            let utc = clock.utc.get_untracked();
            from.set(field_value(at - TimeDelta::hours(1), utc));
            to.set(field_value(at, utc));
        }
    };
    Effect::new(move |_| {
        around.track();
        if from.with_untracked(String::is_empty) {
            preset();
        }
    });
    // The same span on the other clocks.
    Effect::new(move |before: Option<bool>| {
        let utc = clock.utc.get();
        if before.is_some_and(|before| before != utc) {
            for field in [from, to] {
                if let Some(at) =
                    field.with_untracked(|value| instants(value, !utc)).and_then(|all| all.first().copied())
                {
                    field.set(field_value(at, utc));
                }
            }
        }
        utc
    });
    // Of a time that clocks show twice, what makes the span longer.
    let span = Memo::new(move |_| {
        let utc = clock.utc.get();
        let from = from.with(|value| instants(value, utc))?.first().copied()?;
        // To the end of that second.
        let to = to.with(|value| instants(value, utc))?.last().copied()? + TimeDelta::microseconds(999_999);
        (from < to).then_some((from, to))
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let Some((from, to)) = span.get_untracked().filter(|_| !running.get_untracked()) else { return };
        running.set(true);
        began.set(Some(Utc::now()));
        failure.set(None);
        let body = LogScanCreate { from, to, all_transactions: all.get_untracked() };
        spawn_local(async move {
            match service().log_scan(id, &body).await {
                Ok(found) => drop(scan.try_set(Some(found))),
                Err(error) => drop(failure.try_set(Some(error.into()))),
            }
            let _ = running.try_set(false);
        });
    };
    let field = move |name: &'static str, label: &'static str, value: RwSignal<String>| {
        view! {
            <div class="field">
                <label for=name>{label}</label>
                <input id=name type="datetime-local" step="1" prop:value=value on:input=move |event| value.set(event_target_value(&event)) />
            </div>
        }
        .into_any()
    };
    let summary = move || {
        if running.get() {
            let seconds = began.get().map_or(0, |began| (clock.second.get() - began).num_seconds().max(0));
            return format!("Reading the log, {seconds} s so far. It takes up to a minute.");
        }
        scan.with(|scan| {
            scan.as_ref().map(|scan| match (scan.entries.len(), scan.transactions) {
                (0, 0) => "No transaction in this span.".to_owned(),
                (0, looked) => format!("Nothing that stands out among {looked} transactions."),
                (found, looked) => format!("{found} found among {looked} transactions."),
            })
        })
        .unwrap_or_default()
    };
    view! {
        <section class="panel section" aria-labelledby="find-mistake">
            <header>
                <h2 id="find-mistake">"Find the mistake"</h2>
                <p>"Looks through the archived log for tables that were dropped or changed and for large deletes and updates, so that you can restore to just before."</p>
            </header>
            <form class="scan" novalidate on:submit=submit>
                {field("scan-from", "From", from)}
                {field("scan-to", "To", to)}
                <button type="button" class="button" on:click=move |_| preset()>"Last hour before the instant"</button>
                <button type="submit" class="button primary" title=lacks disabled=move || running.get() || span.with(Option::is_none) || lacks.with(Option::is_some)>
                    <Icon name="search" />
                    "Find changes"
                </button>
                <Show when=move || whole.get()>
                    <label class="choice">
                        <input type="checkbox" prop:checked=all on:change=move |event| all.set(event_target_checked(&event)) />
                        <span>"Every transaction"</span>
                    </label>
                </Show>
            </form>
            <Show when=move || span.with(Option::is_none) && !from.with(String::is_empty)>
                <p class="field"><span class="problem"><Icon name="warning" />"The span must begin before it ends."</span></p>
            </Show>
            <p role="status" class="muted">
                <Show when=move || running.get()><Icon name="running" class="spinner" /></Show>
                " "
                {summary}
            </p>
            {move || failure.get().map(|failure| view! { <Problem failure /> })}
            <div class:stale=running>
                {move || scan.get().filter(|scan| !scan.entries.is_empty()).map(|scan| {
                    let truncated = scan.truncated;
                    view! {
                        <Found entries=scan.entries on_restore />
                        {truncated.then(|| view! {
                            <p class="footnote">"There was more than is listed. Choose a shorter span to see the rest."</p>
                        })}
                    }
                })}
            </div>
        </section>
    }
}

#[component]
fn Found(entries: Vec<LogEntry>, on_restore: Callback<LogEntry>) -> impl IntoView {
    let rows = entries.into_iter().map(|entry| {
        let (class, icon, kind) = kind_title(entry.kind);
        let at = entry.committed_at;
        let below = with_fraction(String::new(), at);
        let rows = entry.rows.map_or_else(|| "–".to_owned(), |rows| rows.to_string());
        let (summary, transaction, size) = (entry.summary.clone(), entry.transaction.clone(), format::bytes(entry.log_bytes));
        let label = format!("Restore to just before {transaction}");
        view! {
            <tr role="row" class="main">
                <td role="cell" data-label="Time" class="lead number nowrap"><Time at />{below}</td>
                <td role="cell" data-label="Kind"><span class=format!("state {class}")><Icon name=icon />{kind}</span></td>
                <td role="cell" data-label="What" class="what wide"><code>{summary}</code><span class="cell-sub">"Transaction " {transaction}</span></td>
                <td role="cell" data-label="Rows" class="number">{rows}</td>
                <td role="cell" data-label="Log" class="nowrap">{size}</td>
                <td role="cell" class="actions foot wide">
                    <button type="button" class="button small" aria-label=label on:click=move |_| on_restore.run(entry.clone())>
                        <Icon name="restore" />
                        "Restore to just before"
                    </button>
                </td>
            </tr>
        }
    });
    view! {
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label="Changes">
                    <caption>"Changes"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th role="columnheader" scope="col">"Time"</th>
                            <th role="columnheader" scope="col">"Kind"</th>
                            <th role="columnheader" scope="col">"What"</th>
                            <th role="columnheader" scope="col">"Rows"</th>
                            <th role="columnheader" scope="col">"Log"</th>
                            <th role="columnheader" scope="col"><span class="hidden-text">"Action"</span></th>
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{rows.collect_view()}</tbody>
                </table>
            </div>
        </div>
    }
}
