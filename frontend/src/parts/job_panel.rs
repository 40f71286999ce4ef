//! The panel of one job over any page. The address names the job (`?job=<id>`), so it survives a reload and can be sent.

use domain::access::Permission;
use domain::{Job, JobKind, JobStatus, format};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::icon::Icon;
use super::job_log::JobLog;
use super::job_phases::JobPhases;
use super::job_progress::{ProgressBar, percent, progress_words};
use super::job_state::job_state;
use super::problem::Problem;
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::{Time, time_or_dash};
use crate::state::address::{JOB, use_query, use_set_query};
use crate::state::clock::clock;
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::focus::give_focus_back;
use crate::state::job_watch::{job_title, watch_job};
use crate::state::service::service;
use crate::state::session::session;
use crate::state::toasts::toasts;

#[component]
pub fn JobPanel() -> impl IntoView {
    let named = use_query(JOB);
    let id = Memo::new(move |_| named.get().and_then(|id| id.parse::<Uuid>().ok()));
    move || id.get().map(|id| view! { <Panel id /> })
}

#[component]
fn Panel(id: Uuid) -> impl IntoView {
    give_focus_back();
    let job = watch_job(move || Some(id));
    let set_query = use_set_query();
    let close = move || set_query(JOB, None, false);
    let running = Signal::derive(move || job.data.with(|job| job.as_ref().is_none_or(|job| !job.status.is_final())));
    let title = move || job.data.with(|job| job.as_ref().map_or_else(|| "Job".to_owned(), job_title));
    let status = Memo::new(move |_| job.data.with(|job| job.as_ref().map(|job| (job.status, job.cancel_requested))));
    let heading = NodeRef::<html::H2>::new();
    Effect::new(move |_| {
        if let Some(heading) = heading.get() {
            let _ = heading.focus();
        }
    });
    let pressed = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            close();
        }
    };
    view! {
        <aside class="job" aria-label="Job" on:keydown=pressed>
            <header class="job-head">
                <div class="grow">
                    <h2 node_ref=heading tabindex="-1">{title}</h2>
                    <div class="row wrap" role="status">
                        {move || status.get().map(|(status, _)| job_state(status))}
                        {move || stopping(status.get()).then(|| view! { <span class="muted">"Stopping…"</span> })}
                    </div>
                </div>
                <button type="button" class="icon-button" aria-label="Close job" on:click=move |_| close()>
                    <Icon name="close" />
                </button>
            </header>
            <div class="job-body">
                {move || job.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| job.reload()) /> })}
                <Show when=move || job.slow.get() && job.data.with(Option::is_none)>
                    <SkeletonLines lines=4 />
                </Show>
                <Overview job />
                <JobPhases job=job.data />
                <JobLog id running />
            </div>
            <CancelBar job />
        </aside>
    }
}

fn stopping(status: Option<(JobStatus, bool)>) -> bool {
    status.is_some_and(|(status, cancel_requested)| cancel_requested && !status.is_final())
}

/// The bar while it runs, the error when it failed, and what it was.
#[component]
fn Overview(job: Fetch<Job>) -> impl IntoView {
    let clock = clock();
    let share = Signal::derive(move || job.data.with(|job| job.as_ref()?.progress.as_ref().and_then(percent)));
    let words = move || job.data.with(|job| job.as_ref()?.progress.as_ref().map(progress_words)).unwrap_or_default();
    let moving =
        Memo::new(move |_| job.data.with(|job| job.as_ref().is_some_and(|job| job.status == JobStatus::Running)));
    let waiting =
        Memo::new(move |_| job.data.with(|job| job.as_ref().is_some_and(|job| job.status == JobStatus::Pending)));
    let error = Memo::new(move |_| job.data.with(|job| job.as_ref().and_then(|job| job.error.clone())));
    let facts = Memo::new(move |_| {
        job.data.with(|job| {
            job.as_ref().map(|job| (job.created_at, job.started_at, job.ended_at, job.worker.clone(), job.attempt))
        })
    });
    view! {
        <Show when=move || moving.get()>
            <div class="job-progress">
                <div class="figure-line">
                    <span class="percent">{move || share.get().map(|share| format!("{share:.0} %"))}</span>
                    <span class="progress-text">{move || words().into_iter().map(|word| view! { <span>{word}</span> }).collect_view()}</span>
                </div>
                <ProgressBar percent=share label="Progress of the job" />
            </div>
        </Show>
        <Show when=move || waiting.get()>
            <p class="muted">"Waiting until a worker takes it."</p>
        </Show>
        {move || error.get().map(|error| view! { <Problem failure=Failure::from(error) /> })}
        {move || facts.get().map(|(created, started, ended, worker, attempt)| view! {
            <dl class="facts">
                <dt>"Asked for"</dt> <dd><Time at=created /></dd>
                <dt>"Started"</dt> <dd>{time_or_dash(started)}</dd>
                <dt>"Duration"</dt>
                <dd>{move || started.map(|started| {
                    let until = ended.unwrap_or_else(|| clock.second.get());
                    format::duration((until - started).num_milliseconds().max(0) as f64 / 1000.0)
                }).unwrap_or_else(|| "–".into())}</dd>
                {worker.map(|worker| view! { <dt>"Worker"</dt> <dd>{worker}</dd> })}
                {(attempt > 1).then(|| view! { <dt>"Attempt"</dt> <dd>{attempt}</dd> })}
            </dl>
        })}
    }
}

/// The foot with "Cancel", while there is something to cancel.
#[component]
fn CancelBar(job: Fetch<Job>) -> impl IntoView {
    let toasts = toasts();
    let session = session();
    let lacks = Signal::derive(move || session.lacks_anywhere(Permission::JobCancel));
    let sending = RwSignal::new(false);
    let state = Memo::new(move |_| {
        job.data.with(|job| {
            job.as_ref().filter(|job| !job.status.is_final()).map(|job| (job.id, job.kind, job.cancel_requested))
        })
    });
    let cancel = move |id: Uuid| {
        sending.set(true);
        spawn_local(async move {
            if let Err(error) = service().job_cancel(id).await {
                toasts.fail(&error.into());
            }
            let _ = sending.try_set(false);
            job.reload();
        });
    };
    move || {
        state.get().map(|(id, kind, requested)| view! {
            <footer class="job-foot">
                <button type="button" class="button" title=lacks disabled=move || requested || sending.get() || lacks.with(Option::is_some) on:click=move |_| cancel(id)>"Cancel"</button>
                <span class="muted small">{match kind {
                    _ if requested => "The worker has been asked to stop.",
                    JobKind::Restore | JobKind::Undo => "Until the switch begins, the live data is untouched.",
                    _ => "Nothing half-made is kept.",
                }}</span>
            </footer>
        })
    }
}
