//! States as people see them: a shape and a word, coloured besides.

use domain::log_archive::LogArchivingStatus;
use domain::{DatastoreStatus, JobStatus, RestoreStatus, RunStatus, ScheduleStatus};
use leptos::prelude::*;

use super::icon::Icon;

/// A state: its colour, its shape, its word.
pub fn state(class: &'static str, icon: &'static str, word: &'static str) -> AnyView {
    let turning = if icon == "running" { "spinner" } else { "" };
    view! {
        <span class=format!("state {class}")>
            <Icon name=icon class=turning />
            {word}
        </span>
    }
    .into_any()
}

/// The state of a job or a backup.
pub fn job_state(status: JobStatus) -> AnyView {
    match status {
        JobStatus::Pending => state("idle", "waiting", "Pending"),
        JobStatus::Running => state("busy", "running", "Running"),
        JobStatus::Completed => state("ok", "done", "Completed"),
        JobStatus::Failed => state("bad", "failed", "Failed"),
        JobStatus::Cancelled => state("idle", "cancelled", "Cancelled"),
    }
}

/// The state of a restore.
pub fn restore_state(status: RestoreStatus) -> AnyView {
    match status {
        RestoreStatus::Pending => state("idle", "waiting", "Pending"),
        RestoreStatus::Running => state("busy", "running", "Running"),
        RestoreStatus::Completed => state("ok", "done", "Completed"),
        RestoreStatus::Failed => state("bad", "failed", "Failed"),
        RestoreStatus::Cancelled => state("idle", "cancelled", "Cancelled"),
        RestoreStatus::Undone => state("idle", "undo", "Undone"),
    }
}

/// Whether a schedule starts backups.
pub fn schedule_state(status: ScheduleStatus) -> AnyView {
    match status {
        ScheduleStatus::Active => state("ok", "done", "Active"),
        ScheduleStatus::Paused => state("idle", "pause", "Paused"),
    }
}

/// What became of a schedule's run. A run without its backup is a failure, whatever kept it from starting.
pub fn run_state(status: RunStatus) -> AnyView {
    match status {
        RunStatus::Waiting => state("idle", "waiting", "Waiting"),
        RunStatus::Pending => job_state(JobStatus::Pending),
        RunStatus::Running => job_state(JobStatus::Running),
        RunStatus::Completed => job_state(JobStatus::Completed),
        RunStatus::Failed => job_state(JobStatus::Failed),
        RunStatus::Cancelled => job_state(JobStatus::Cancelled),
        RunStatus::Missed => state("bad", "warning", "Missed"),
        RunStatus::Skipped => state("bad", "warning", "Skipped"),
    }
}

/// The state of a server.
pub fn datastore_state(status: DatastoreStatus) -> AnyView {
    match status {
        DatastoreStatus::Online => state("ok", "done", "Online"),
        DatastoreStatus::Offline => state("bad", "power", "Offline"),
        DatastoreStatus::Restoring => state("busy", "running", "Restoring"),
        DatastoreStatus::Unknown => state("warn", "unknown", "Unknown"),
    }
}

/// How the archiving of logs goes.
pub fn archiving_state(status: LogArchivingStatus) -> AnyView {
    match status {
        LogArchivingStatus::Off => state("idle", "cancelled", "Off"),
        LogArchivingStatus::Waiting => state("idle", "waiting", "Waiting for a worker"),
        LogArchivingStatus::Archiving => state("ok", "done", "Archiving"),
        LogArchivingStatus::Retrying => state("warn", "warning", "Retrying"),
        LogArchivingStatus::Stopped => state("bad", "failed", "Stopped"),
    }
}

/// What becomes of a backup by retention.
pub fn verdict_state(keep: bool) -> AnyView {
    if keep { state("ok", "done", "Keep") } else { state("bad", "trash", "Delete") }
}

/// Whether a worker is heard of.
pub fn worker_state(online: bool) -> AnyView {
    if online { state("ok", "done", "Online") } else { state("bad", "power", "Silent") }
}
