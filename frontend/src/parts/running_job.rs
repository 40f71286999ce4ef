//! A running job inside a table's cell: what it does and how far it is, as a link to its panel.

use domain::{Job, JobStatus, format};
use leptos::prelude::*;
use uuid::Uuid;

use super::job_progress::{ProgressBar, percent};
use super::job_state::job_state;
use crate::state::address::use_open_job;
use crate::state::job_watch::{phase_title, watch_job};

#[component]
pub fn RunningJob(id: Uuid, #[prop(optional_no_strip)] known: Option<Job>) -> impl IntoView {
    let job = watch_job(move || Some(id));
    if known.is_some() {
        job.data.set(known);
    }
    let open = use_open_job();
    let progress = Memo::new(move |_| job.data.with(|job| job.as_ref().and_then(|job| job.progress.clone())));
    let share = Signal::derive(move || progress.with(|progress| progress.as_ref().and_then(percent)));
    let phase = move || {
        let phase = progress.with(|progress| progress.as_ref().map(|progress| phase_title(&progress.phase)));
        phase.filter(|phase| !phase.is_empty()).unwrap_or_else(|| {
            let waiting = job.data.with(|job| job.as_ref().is_some_and(|job| job.started_at.is_none()));
            if waiting { "Waiting for a worker".into() } else { "Starting".into() }
        })
    };
    let status = Memo::new(move |_| job.data.with(|job| job.as_ref().map(|job| job.status)));
    let left = move || progress.with(|progress| progress.as_ref().and_then(|progress| progress.eta_seconds));
    view! {
        <div class="progress">
            <div class="row">
                {move || job_state(status.get().unwrap_or(JobStatus::Pending))}
                <span class="number">{move || share.get().map(|share| format!("{share:.0} %"))}</span>
            </div>
            <ProgressBar percent=share label="Progress of the job" />
            <span class="progress-text">
                <a
                    href=format!("?job={id}")
                    on:click=move |event| {
                        event.prevent_default();
                        open(id);
                    }
                >
                    {phase}
                </a>
                <span>{move || left().map(|left| format!("{} left", format::duration(left as f64)))}</span>
            </span>
        </div>
    }
}
