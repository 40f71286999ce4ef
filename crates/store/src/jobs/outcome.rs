//! What the audit log says of the end of a job: of those that made a backup or changed a server's data, by the worker that
//! had it. That the job was asked for is another row, by whoever did.

use diesel::prelude::*;
use domain::{Actor, ActorKind, AuditEntry, AuditOutcome, JobKind, JobStatus, Subject, SubjectKind};

use crate::StoreError;
use crate::columns::optional_uuid;
use crate::jobs::row::JobRow;
use crate::schema::workers;
use crate::transaction::Transaction;

/// Adds the row of a job that has ended after a worker had it.
pub fn note(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    kind: JobKind,
    status: JobStatus,
) -> Result<(), StoreError> {
    let (action, subject, id) = match kind {
        JobKind::Backup => ("backup_end", SubjectKind::Backup, &job.backup_id),
        JobKind::Restore => ("restore_end", SubjectKind::Restore, &job.restore_id),
        JobKind::Undo => ("undo_end", SubjectKind::Restore, &job.restore_id),
        JobKind::Inspect
        | JobKind::Verify
        | JobKind::Delete
        | JobKind::PlanRestore
        | JobKind::Sweep
        | JobKind::EndLogArchiving
        | JobKind::ScanLogs => return Ok(()),
    };
    let name = job.worker.clone().unwrap_or_default();
    let worker: Option<String> =
        workers::table.filter(workers::name.eq(&name)).select(workers::id).first(transaction.connection).optional()?;
    let actor = Actor { kind: ActorKind::Worker, id: optional_uuid("workers.id", worker.as_deref())?, name };
    let (outcome, detail) = match status {
        JobStatus::Completed => (AuditOutcome::Succeeded, None),
        JobStatus::Cancelled => (AuditOutcome::Failed, Some("cancelled".to_owned())),
        JobStatus::Failed | JobStatus::Pending | JobStatus::Running => (AuditOutcome::Failed, job.error_code.clone()),
    };
    let subject = Subject::of(subject, optional_uuid("jobs.backup_id", id.as_deref())?);
    transaction.audit(AuditEntry { outcome, detail, ..AuditEntry::new(actor, action, subject) });
    Ok(())
}
