//! Following one job: read once a second while it runs, so that its progress moves, and once more whenever the event
//! stream names a job.

use std::time::Duration;

use domain::{EventKind, Job, JobKind, JobStatus};
use leptos::prelude::*;
use uuid::Uuid;

use super::fetch::Fetch;
use super::live::live;
use super::service::service;

/// Follows the job; `None` follows nothing. When its state changes, whatever shows backups, restores or datastores is told.
pub fn watch_job(id: impl Fn() -> Option<Uuid> + Copy + Send + Sync + 'static) -> Fetch<Job> {
    let live = live();
    let job = Fetch::new(
        move || {
            live.follow(&[EventKind::Job]);
            id()
        },
        |id| async move { service().job_get(id).await },
    );
    let status = Memo::new(move |_| {
        let current = id();
        job.data.with(|job| job.as_ref().filter(|job| Some(job.id) == current).map(|job| job.status))
    });
    Effect::new(move |before: Option<Option<JobStatus>>| {
        let now = status.get();
        if before.flatten().is_some_and(|before| now.is_some_and(|now| now != before)) {
            live.changed(&[EventKind::Backup, EventKind::Restore, EventKind::Datastore, EventKind::Job]);
        }
        if now.is_some_and(|now| !now.is_final())
            && let Ok(timer) = set_interval_with_handle(move || job.reload(), Duration::from_secs(1))
        {
            on_cleanup(move || timer.clear());
        }
        now
    });
    job
}

/// What a job is called: `Backup 176 of shop`.
pub fn job_title(job: &Job) -> String {
    let number = job.backup_number.map(|number| format!(" {number}")).unwrap_or_default();
    let what = match job.kind {
        JobKind::Backup => format!("Backup{number}"),
        JobKind::Verify => format!("Verification of backup{number}"),
        JobKind::Delete => format!("Deletion of backup{number}"),
        JobKind::Restore => format!("Restore of backup{number}"),
        JobKind::Undo => "Undo of a restore".to_owned(),
        JobKind::Sweep => "Clearing of the storage".to_owned(),
        JobKind::EndLogArchiving => "End of log archiving".to_owned(),
        JobKind::ScanLogs => "Look through the log".to_owned(),
        JobKind::Inspect => "Test of the connection".to_owned(),
        JobKind::PlanRestore => format!("Plan of a restore of backup{number}"),
    };
    match &job.datastore_name {
        Some(name) => format!("{what} · {name}"),
        None => what,
    }
}

/// A phase's word as a heading: `streaming` becomes `Streaming`.
pub fn phase_title(phase: &str) -> String {
    let words = phase.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
