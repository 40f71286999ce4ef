//! One restore in the history: outcome, phase, downtime, and the way back while there is one.

use domain::{Restore, RestorePhase, RestoreStatus, RestoreTarget, format};
use leptos::prelude::*;

use super::icon::Icon;
use super::job_state::restore_state;
use super::running_job::RunningJob;
use super::time::{Time, time_or_dash};
use crate::state::address::use_open_job;
use crate::state::clock::clock;
use crate::state::job_watch::phase_title;

fn outcome(restore: &Restore) -> AnyView {
    let running = matches!(restore.status, RestoreStatus::Pending | RestoreStatus::Running);
    let error = restore.error.clone();
    view! {
        {if running { view! { <RunningJob id=restore.job_id /> }.into_any() } else { restore_state(restore.status) }}
        {error.map(|error| view! { <span class="cell-sub" title=error.detail>{error.code.title()}</span> })}
    }
    .into_any()
}

/// Where it stopped, in words.
fn phase(restore: &Restore) -> String {
    match restore.phase {
        RestorePhase::Done => "Done".into(),
        phase => phase_title(phase.as_str()),
    }
}

fn target(restore: &Restore) -> AnyView {
    match &restore.target {
        RestoreTarget::InPlace => "in place".into_any(),
        RestoreTarget::NewDatastore { name } => view! { "into " {name.clone()} }.into_any(),
    }
}

#[component]
pub fn RestoreRow(restore: Memo<Option<Restore>>, undo: RwSignal<Option<Restore>>) -> impl IntoView {
    let clock = clock();
    let open_job = use_open_job();
    let known = restore.get_untracked();
    let (number, job) = known.map(|restore| (restore.backup_number, restore.job_id)).unwrap_or_default();
    let of = move |read: fn(&Restore) -> AnyView| move || restore.with(|restore| restore.as_ref().map(read));
    let until = Memo::new(move |_| {
        restore.with(|restore| {
            let restore = restore.as_ref().filter(|restore| restore.status == RestoreStatus::Completed)?;
            restore.undo_until.filter(|until| *until > clock.now.get())
        })
    });
    view! {
        <tr role="row" class="main">
            <td role="cell" data-label="Backup" class="lead">
                <span class="strong number">{number}</span>
                <span class="cell-sub">{of(target)}</span>
            </td>
            <td role="cell" data-label="Outcome">{of(outcome)}</td>
            <td role="cell" data-label="Phase">{of(|restore| phase(restore).into_any())}</td>
            <td role="cell" data-label="Started">{of(|restore| time_or_dash(restore.started_at))}</td>
            <td role="cell" data-label="Duration" class="nowrap">
                {of(|restore| restore.duration_seconds.map_or("–".to_owned(), format::duration).into_any())}
            </td>
            <td role="cell" data-label="Downtime" class="nowrap">
                {of(|restore| restore.downtime_seconds.map_or("–".to_owned(), format::duration).into_any())}
            </td>
            <td role="cell" data-label="Undo">
                {move || match until.get() {
                    Some(until) => view! {
                        <button type="button" class="button small" on:click=move |_| undo.set(restore.get_untracked())>
                            <Icon name="undo" />
                            "Undo"
                        </button>
                        <span class="cell-sub">"until " <Time at=until /></span>
                    }.into_any(),
                    None => view! { <span class="muted">"–"</span> }.into_any(),
                }}
            </td>
            <td role="cell" class="actions corner">
                <button type="button" class="icon-button framed" aria-label=format!("Log of the restore of backup {number}") title="View log" on:click=move |_| open_job(job)>
                    <Icon name="log" />
                </button>
            </td>
        </tr>
    }
}
