//! States as people see them: a shape and a word, coloured besides.

use domain::{DatastoreStatus, JobStatus, RestoreStatus};
use leptos::prelude::*;

use super::icon::Icon;

fn state(class: &'static str, icon: &'static str, word: &'static str) -> AnyView {
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

/// The state of a server.
pub fn datastore_state(status: DatastoreStatus) -> AnyView {
    match status {
        DatastoreStatus::Online => state("ok", "done", "Online"),
        DatastoreStatus::Offline => state("bad", "power", "Offline"),
        DatastoreStatus::Restoring => state("busy", "running", "Restoring"),
        DatastoreStatus::Unknown => state("warn", "unknown", "Unknown"),
    }
}

/// Whether a worker is heard of.
pub fn worker_state(online: bool) -> AnyView {
    if online { state("ok", "done", "Online") } else { state("bad", "power", "Silent") }
}
