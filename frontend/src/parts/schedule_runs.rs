//! What a schedule's row hides until it is opened: when it runs next, and what became of its newest runs.

use domain::{EventKind, Schedule, ScheduleRun, ScheduleStatus};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::job_state::run_state;
use super::next_runs::NextRuns;
use super::problem::Problem;
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::Time;
use crate::state::address::use_open_job;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// How many runs are shown.
const NEWEST: u32 = 10;

/// The backup of a run, by the number that people say; opens the panel of the job that made it while the backup exists.
pub fn backup_of_run(number: Option<i64>, backup: Option<Uuid>) -> Option<AnyView> {
    let name = format!("Backup {}", number?);
    let open_job = use_open_job();
    let toasts = toasts();
    let open = move |backup: Uuid| {
        spawn_local(async move {
            match service().backup_get(backup).await {
                Ok(backup) => open_job(backup.job_id),
                Err(error) => toasts.fail(&error.into()),
            }
        });
    };
    Some(match backup {
        Some(backup) => view! {
            <button type="button" class="button small" title="View log" on:click=move |_| open(backup)>{name}</button>
        }
        .into_any(),
        None => view! { <span class="muted">{name} " (deleted)"</span> }.into_any(),
    })
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
            {backup_of_run(run.backup_number, run.backup_id)}
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
