//! The plan of a restore, or all that stands in its way.

use domain::{DatabaseChanges, RestorePlan, format};
use leptos::prelude::*;

use super::icon::Icon;
use crate::state::chain::listed;

/// Which backups and logs it takes.
pub fn sources(plan: &RestorePlan) -> AnyView {
    let backups = match plan.chain.as_slice() {
        [full, increments @ ..] if !increments.is_empty() => {
            let word = if increments.len() == 1 { "increment" } else { "increments" };
            Some(format!("Backup {full} with {word} {}", listed(increments)))
        }
        [only] => Some(format!("Backup {only}")),
        _ => None,
    };
    let logs = (plan.log_segments > 0).then(|| {
        let word = if plan.log_segments == 1 { "segment" } else { "segments" };
        format!("Replays {} log {word}, {}", plan.log_segments, format::bytes(plan.log_bytes))
    });
    view! {
        {backups.map(|backups| view! { <dt>"Restored from"</dt> <dd>{backups}</dd> })}
        {logs.map(|logs| view! { <dt>"Log"</dt> <dd>{logs}</dd> })}
    }
    .into_any()
}

/// What the restore would do, in numbers.
fn figures(plan: &RestorePlan, beside: bool) -> AnyView {
    let seconds = |seconds: Option<u64>| match seconds {
        Some(seconds) => format!("about {}", format::duration(seconds as f64)),
        None => "not known before the first restore".to_owned(),
    };
    let replaces_files = plan.databases.is_none();
    let room = if replaces_files { "Disk space" } else { "Disk space of the worker" };
    view! {
        <dl class="plan">
            {plan.databases.as_ref().map(changes)}
            {sources(plan)}
            <dt>"Read from the storage"</dt> <dd>{format::bytes(plan.fetch_bytes)}</dd>
            {replaces_files.then(|| view! { <dt>"Unpacked"</dt> <dd>{format::bytes(plan.unpacked_bytes)}</dd> })}
            <dt>{room}</dt>
            <dd>{format::bytes(plan.needed_bytes)} " needed, " {format::bytes(plan.free_bytes)} " free"</dd>
            <dt>"Time"</dt> <dd>{seconds(plan.estimated_seconds)}</dd>
            {(!beside).then(|| view! { <dt>"Downtime"</dt> <dd>{seconds(plan.estimated_downtime_seconds)}</dd> })}
        </dl>
        <p class="small muted">{if beside { WAY_BESIDE } else { way(replaces_files) }}</p>
    }
    .into_any()
}

const WAY_BESIDE: &str =
    "The data goes through the running server, beside the databases in use. A copy gets its name once it is whole.";

const fn way(replaces_files: bool) -> &'static str {
    if replaces_files {
        "The copy is unpacked beside the live data, started and checked while the server runs on. Only then is the server stopped, switched over and started again."
    } else {
        "The data goes through the running server. What it replaces is kept until the time of the undo is over; what is written while the restore runs is lost."
    }
}

/// Which databases the restore replaces, makes and leaves alone.
fn changes(changes: &DatabaseChanges) -> AnyView {
    let line = |title: &'static str, names: &[String]| {
        let names = names.join(", ");
        (!names.is_empty()).then(|| view! { <dt>{title}</dt> <dd>{names}</dd> })
    };
    view! {
        {line("Overwrites", &changes.replaced)}
        {line("Makes", &changes.created)}
        {line("Leaves alone", &changes.untouched)}
    }
    .into_any()
}

#[component]
pub fn PlanView(
    plan: RestorePlan,
    /// Whether databases are made beside those in use.
    beside: bool,
) -> impl IntoView {
    if plan.obstacles.is_empty() {
        return figures(&plan, beside);
    }
    view! {
        <div class="stack" role="group" aria-label="Obstacles">
            {plan
                .obstacles
                .into_iter()
                .map(|obstacle| {
                    view! {
                        <div class="note bad">
                            <Icon name="failed" />
                            <div class="grow">
                                <h4 class="strong">{obstacle.code.title()}</h4>
                                <p>{obstacle.detail}</p>
                            </div>
                        </div>
                    }
                })
                .collect_view()}
        </div>
    }
    .into_any()
}
