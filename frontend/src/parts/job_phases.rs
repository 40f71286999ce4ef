//! The phases that a job went through, with how long each took.

use domain::{Job, JobStatus, Step, format};
use leptos::prelude::*;

use super::icon::Icon;
use super::time::TimeOfDay;
use crate::state::clock::clock;
use crate::state::job_watch::phase_title;

/// The icon and class of a phase: only the last one can be anything but done.
fn look(last: bool, open: bool, status: JobStatus) -> (&'static str, &'static str, &'static str) {
    match status {
        _ if !last => ("done", "", "done"),
        JobStatus::Failed => ("failed", "bad", "failed"),
        JobStatus::Cancelled => ("cancelled", "stopped", "cancelled"),
        JobStatus::Running | JobStatus::Pending if open => ("running", "now", "running"),
        _ => ("done", "", "done"),
    }
}

fn phase(step: Step, last: bool, status: JobStatus) -> AnyView {
    let clock = clock();
    let open = step.ended_at.is_none() && !status.is_final();
    let (icon, class, word) = look(last, open, status);
    let started = step.started_at;
    let seconds = move || {
        let until = step.ended_at.or_else(|| open.then(|| clock.second.get()))?;
        Some((until - started).num_milliseconds().max(0) as f64 / 1000.0)
    };
    view! {
        <li class=format!("phase {class}")>
            <Icon name=icon class=if icon == "running" { "spinner" } else { "" } />
            <span>
                {phase_title(&step.phase)}
                <span class="hidden-text">{format!(", {word}")}</span>
            </span>
            <span class="number">
                <TimeOfDay at=started />
                {move || seconds().map(|seconds| format!(" · {}", format::duration(seconds)))}
            </span>
        </li>
    }
    .into_any()
}

#[component]
pub fn JobPhases(#[prop(into)] job: Signal<Option<Job>>) -> impl IntoView {
    let steps = Memo::new(move |_| job.with(|job| job.as_ref().map(|job| (job.steps.clone(), job.status))));
    move || {
        let (steps, status) = steps.get()?;
        let count = steps.len();
        Some(view! {
            <ol class="phases" aria-label="Phases">
                {steps.into_iter().enumerate().map(|(at, step)| phase(step, at + 1 == count, status)).collect_view()}
            </ol>
        })
    }
}
