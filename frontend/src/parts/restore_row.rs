//! One restore in the history: outcome, phase, downtime, and the way back while there is one.

use chrono::{DateTime, Utc};
use domain::access::Permission;
use domain::{ApprovalStatus, Restore, RestorePhase, RestoreStatus, RestoreTarget, StopPosition, format};
use leptos::prelude::*;

use super::approval::{Decide, approval_state, decide_buttons, decided};
use super::icon::Icon;
use super::job_state::restore_state;
use super::restore_databases::in_words;
use super::running_job::RunningJob;
use super::time::{Time, time_or_dash};
use crate::pages::datastore::CurrentDatastore;
use crate::state::address::use_open_job;
use crate::state::clock::clock;
use crate::state::instant::with_fraction;
use crate::state::job_watch::phase_title;

fn outcome(restore: &Restore) -> AnyView {
    if let Some(asked) = restore.approval.clone().filter(|approval| approval.status != ApprovalStatus::Approved) {
        return approval_state(asked);
    }
    let running = matches!(restore.status, RestoreStatus::Pending | RestoreStatus::Running);
    let approved = restore.approval.clone().map(decided);
    let error = restore.error.clone();
    view! {
        {if running { view! { <RunningJob id=restore.job_id /> }.into_any() } else { restore_state(restore.status) }}
        {error.map(|error| view! { <span class="cell-sub" title=error.detail>{error.code.title()}</span> })}
        {restore.left_nothing().then(|| view! {
            <span class="cell-sub">"Nothing was put into it. Restore into this name again, or delete the datastore."</span>
        })}
        {approved}
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

/// Where the replay of logs was to stop, and where it did.
fn stop(restore: &Restore) -> AnyView {
    let time = restore.pitr_stop_time.as_deref().map(|time| match time.parse::<DateTime<Utc>>() {
        Ok(at) => view! { "to " <Time at /> {with_fraction(String::new(), at)} }.into_any(),
        Err(_) => "to the latest".into_any(),
    });
    let position = restore.pitr_stop_position.as_ref().map(|position| format!("to {}", words(position)));
    let reached = restore.reached_position.clone().map(|position| format!("Reached {position}"));
    let commit = restore.reached_commit_at;
    view! {
        {time.map(|time| view! { <span class="cell-sub">{time}</span> })}
        {position.map(|position| view! { <span class="cell-sub">{position}</span> })}
        {(reached.is_some() || commit.is_some()).then(|| view! {
            <span class="cell-sub">{reached}{commit.map(|at| view! { ", last commit " <Time at /> })}</span>
        })}
    }
    .into_any()
}

/// A place in the log in words.
fn words(position: &StopPosition) -> String {
    let side = |before: bool| if before { "just before " } else { "" };
    match position {
        StopPosition::Lsn { lsn, before } => format!("{}LSN {lsn}", side(*before)),
        StopPosition::Xid { xid, before } => format!("{}transaction {xid}", side(*before)),
        StopPosition::Name { name } => format!("restore point {name}"),
        StopPosition::Gtid { gtid, before } => format!("{}transaction {gtid}", side(*before)),
        StopPosition::File { file, position } => format!("{file}:{position}"),
    }
}

fn target(restore: &Restore) -> AnyView {
    match &restore.target {
        RestoreTarget::InPlace => "in place".into_any(),
        RestoreTarget::NewDatastore { name } => view! { "into " {name.clone()} }.into_any(),
        RestoreTarget::NewDatabases { databases } => in_words(databases).into_any(),
    }
}

#[component]
pub fn RestoreRow(
    restore: Memo<Option<Restore>>,
    undo: RwSignal<Option<Restore>>,
    decide: RwSignal<Option<Decide>>,
) -> impl IntoView {
    let current = expect_context::<CurrentDatastore>();
    let no_undo = current.lacking(Permission::RestoreUndo);
    let open = Memo::new(move |_| {
        restore.with(|restore| {
            let approval = restore.as_ref()?.approval.as_ref()?;
            (approval.status == ApprovalStatus::Requested).then(|| approval.requested_by.clone())
        })
    });
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
                {of(stop)}
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
                {move || open.get().map(|by| decide_buttons(restore, by, decide))}
                {move || match until.get().filter(|_| open.with(Option::is_none)) {
                    None if open.with(Option::is_some) => ().into_any(),
                    Some(until) => view! {
                        <button type="button" class="button small" title=no_undo disabled=move || no_undo.with(Option::is_some) on:click=move |_| undo.set(restore.get_untracked())>
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
