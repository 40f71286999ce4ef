//! A running job inside a table's cell: what it does and how far it is, as a link to its panel.

use domain::Job;
use leptos::prelude::*;
use uuid::Uuid;

use super::job_progress::{ProgressBar, percent, progress_words};
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
    let words = move || progress.with(|progress| progress.as_ref().map(progress_words).unwrap_or_default());
    view! {
        <div class="progress">
            <span class="progress-text">
                <a href=format!("?job={id}") on:click=move |event| { event.prevent_default(); open(id) }>{phase}</a>
                <span>{move || share.get().map(|share| format!("{share:.0} %"))}</span>
            </span>
            <ProgressBar percent=share label="Progress of the job" />
            <span class="progress-text">
                {move || words().into_iter().map(|word| view! { <span>{word}</span> }).collect_view()}
            </span>
        </div>
    }
}
