//! What a schedule's row hides until it is opened: when it runs next, and what became of its newest runs.

use chrono::{DateTime, Utc};
use domain::{EventKind, Schedule, ScheduleRun, ScheduleStatus};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::icon::Icon;
use super::job_state::run_state;
use super::next_runs::NextRuns;
use super::problem::Problem;
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::Time;
use crate::state::address::use_open_job;
use crate::state::clock::write_utc;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// How many runs are shown.
const NEWEST: u32 = 10;

/// Opens the panel of the job that made the backup of a run.
#[component]
pub fn BackupLog(backup: Uuid, due: DateTime<Utc>) -> impl IntoView {
    let open_job = use_open_job();
    let toasts = toasts();
    let open = move |_| {
        spawn_local(async move {
            match service().backup_get(backup).await {
                Ok(backup) => open_job(backup.job_id),
                Err(error) => toasts.fail(&error.into()),
            }
        });
    };
    view! {
        <button type="button" class="icon-button" aria-label=format!("Log of the backup of {}", write_utc(due)) title="View log" on:click=open>
            <Icon name="log" />
        </button>
    }
}

fn run(run: ScheduleRun) -> AnyView {
    let attempts = (run.attempt > 1).then(|| format!("Attempt {}. ", run.attempt));
    view! {
        <li>
            <Time at=run.due_at />
            {run_state(run.status)}
            <span class="reason">
                {attempts} {run.reason}
                {run.retry_at.map(|at| view! { " Next attempt at " <Time at /> "." })}
            </span>
            {run.backup_id.map(|backup| view! { <BackupLog backup due=run.due_at /> })}
        </li>
    }
    .into_any()
}

#[component]
pub fn ScheduleRuns(id: Uuid, schedule: Memo<Option<Schedule>>) -> impl IntoView {
    let live = live();
    let runs = Fetch::new(
        move || {
            live.follow(&[EventKind::Schedule, EventKind::Backup]);
            Some(())
        },
        move |()| async move {
            let query = client::ListQuery { limit: Some(NEWEST), ..Default::default() };
            Ok(service().schedule_run_list(id, &query).await?.items)
        },
    );
    let recurrence = Memo::new(move |_| {
        schedule.with(|schedule| {
            let active = schedule.as_ref().filter(|schedule| schedule.status == ScheduleStatus::Active)?;
            active.recurrence.parse().ok()
        })
    });
    view! {
        <div class="details-body">
            <section aria-label="Next runs">
                <h3>"Next runs"</h3>
                <Show when=move || recurrence.with(Option::is_some) fallback=|| view! { <p class="muted">"None while it is paused."</p> }>
                    <NextRuns recurrence />
                </Show>
            </section>
            <section aria-label="Newest runs">
                <h3>"Newest runs"</h3>
                {move || runs.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| runs.reload()) /> })}
                <Show when=move || runs.slow.get() && runs.data.with(Option::is_none)>
                    <SkeletonLines />
                </Show>
                {move || runs.data.get().map(|runs| if runs.is_empty() {
                    view! { <p class="muted">"It was not due yet."</p> }.into_any()
                } else {
                    view! { <ul class="run-list">{runs.into_iter().map(run).collect_view()}</ul> }.into_any()
                })}
            </section>
        </div>
    }
}
