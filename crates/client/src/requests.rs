//! The calls that people's programs make, a method each, named after the resource.

use domain::log_archive::{LogScan, LogScanCreate};
use domain::retention::{RetentionPlan, RetentionPolicy};
use domain::{
    ApprovalDecision, Backup, BackupCreate, BackupHold, BackupSettings, BackupType, Datastore, DatastoreCreate,
    DatastorePatch, Inspection, Job, JobStatus, LogLine, Method as BackupMethod, Page, RecoveryWindow, Restore,
    RestoreCreate, RestorePlan, Schedule, ScheduleCreate, SchedulePatch, ScheduleRun, ScheduleSettings, Storage,
    StorageCreate, StoragePatch, Worker,
};
use reqwest::Method;
use serde::Serialize;
use uuid::Uuid;

use crate::{Client, ClientError};

/// What a list is narrowed down to. Fields that a list does not know are refused by the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListQuery {
    /// 1 to 200; 50 when left out.
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    pub status: Option<JobStatus>,
    #[serde(rename = "type")]
    pub backup_type: Option<BackupType>,
    pub method: Option<BackupMethod>,
    pub datastore_id: Option<Uuid>,
    pub kind: Option<domain::JobKind>,
}

/// The stop of a restore that is planned; none: exactly the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlanQuery {
    /// A time, or `latest`.
    pub pitr_stop_time: Option<String>,
    /// A place in the log as JSON.
    pub pitr_stop_position: Option<String>,
    /// Databases under new names as JSON; in place without.
    pub new_databases: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Empty {}

#[derive(Serialize)]
struct LogQuery {
    after: i64,
    limit: u32,
}

impl Client {
    pub async fn datastore_list(&self, query: &ListQuery) -> Result<Page<Datastore>, ClientError> {
        self.get("/datastores", query).await
    }

    pub async fn datastore_get(&self, id: Uuid) -> Result<Datastore, ClientError> {
        self.get(&format!("/datastores/{id}"), &Empty {}).await
    }

    pub async fn datastore_create(&self, body: &DatastoreCreate) -> Result<Datastore, ClientError> {
        self.send(Method::POST, "/datastores", body).await
    }

    pub async fn datastore_patch(&self, id: Uuid, body: &DatastorePatch) -> Result<Datastore, ClientError> {
        self.send(Method::PATCH, &format!("/datastores/{id}"), body).await
    }

    /// Deletes a datastore. With `forget_backups` its catalog entries go too; the stored files stay in any case.
    pub async fn datastore_delete(&self, id: Uuid, forget_backups: bool) -> Result<(), ClientError> {
        let path = format!("/datastores/{id}?forget_backups={forget_backups}");
        self.send_without_answer(self.request(Method::DELETE, &path)).await
    }

    /// Has a worker look at a registered server; the findings are saved with it.
    pub async fn datastore_test(&self, id: Uuid) -> Result<Inspection, ClientError> {
        self.send(Method::POST, &format!("/datastores/{id}/test"), &Empty {}).await
    }

    /// Has a worker look at a server that is not registered; nothing is saved.
    pub async fn datastore_test_draft(&self, body: &DatastoreCreate) -> Result<Inspection, ClientError> {
        self.send(Method::POST, "/datastores/test", body).await
    }

    pub async fn backup_list(&self, datastore: Uuid, query: &ListQuery) -> Result<Page<Backup>, ClientError> {
        self.get(&format!("/datastores/{datastore}/backups"), query).await
    }

    pub async fn backup_get(&self, id: Uuid) -> Result<Backup, ClientError> {
        self.get(&format!("/backups/{id}"), &Empty {}).await
    }

    pub async fn backup_create(&self, datastore: Uuid, body: &BackupCreate) -> Result<Backup, ClientError> {
        self.send(Method::POST, &format!("/datastores/{datastore}/backups"), body).await
    }

    pub async fn backup_cancel(&self, id: Uuid) -> Result<Backup, ClientError> {
        self.send(Method::POST, &format!("/backups/{id}/cancel"), &Empty {}).await
    }

    /// Starts a full re-read; the backup's `verification` tells the result once the job has ended.
    pub async fn backup_verify(&self, id: Uuid) -> Result<Job, ClientError> {
        self.send(Method::POST, &format!("/backups/{id}/verify"), &Empty {}).await
    }

    /// Starts the deletion of a backup and its objects.
    pub async fn backup_delete(&self, id: Uuid) -> Result<Job, ClientError> {
        self.read(self.request(Method::DELETE, &format!("/backups/{id}"))).await
    }

    /// What a restore of this backup in place would do and what stands in its way; with archived logs up to a stop where
    /// one is given, in the words of [`RestoreCreate`].
    pub async fn backup_restore_plan(&self, id: Uuid, stop: &PlanQuery) -> Result<RestorePlan, ClientError> {
        self.get(&format!("/backups/{id}/restore-plan"), stop).await
    }

    /// What a datastore can be restored to.
    pub async fn recovery_window(&self, datastore: Uuid) -> Result<RecoveryWindow, ClientError> {
        self.get(&format!("/datastores/{datastore}/recovery-window"), &Empty {}).await
    }

    /// Looks for schema changes, large deletes and updates, or all transactions, in a span of a datastore's archived logs.
    pub async fn log_scan(&self, datastore: Uuid, body: &LogScanCreate) -> Result<LogScan, ClientError> {
        self.send(Method::POST, &format!("/datastores/{datastore}/log-scan"), body).await
    }

    pub async fn backup_restore(&self, id: Uuid, body: &RestoreCreate) -> Result<Restore, ClientError> {
        self.send(Method::POST, &format!("/backups/{id}/restore"), body).await
    }

    /// Exempts a backup from deletion until it is released; holding it again changes the reason.
    pub async fn backup_hold(&self, id: Uuid, body: &BackupHold) -> Result<Backup, ClientError> {
        self.send(Method::PUT, &format!("/backups/{id}/hold"), body).await
    }

    pub async fn backup_release(&self, id: Uuid) -> Result<Backup, ClientError> {
        self.read(self.request(Method::DELETE, &format!("/backups/{id}/hold"))).await
    }

    pub async fn backup_settings_get(&self, datastore: Uuid) -> Result<BackupSettings, ClientError> {
        self.get(&format!("/datastores/{datastore}/backup-settings"), &Empty {}).await
    }

    pub async fn backup_settings_put(
        &self,
        datastore: Uuid,
        body: &BackupSettings,
    ) -> Result<BackupSettings, ClientError> {
        self.send(Method::PUT, &format!("/datastores/{datastore}/backup-settings"), body).await
    }

    /// What retention would delete now by the policy that is set.
    pub async fn retention_plan(&self, datastore: Uuid) -> Result<RetentionPlan, ClientError> {
        self.get(&format!("/datastores/{datastore}/retention-plan"), &Empty {}).await
    }

    /// What it would delete now by another policy; nothing is saved.
    pub async fn retention_preview(
        &self,
        datastore: Uuid,
        policy: &RetentionPolicy,
    ) -> Result<RetentionPlan, ClientError> {
        self.send(Method::POST, &format!("/datastores/{datastore}/retention-plan"), policy).await
    }

    /// Clears from the storage what belongs to no backup of the datastore, and looks for backups that are gone.
    pub async fn datastore_sweep(&self, id: Uuid) -> Result<Job, ClientError> {
        self.send(Method::POST, &format!("/datastores/{id}/sweep"), &Empty {}).await
    }

    pub async fn schedule_list(&self, datastore: Uuid, query: &ListQuery) -> Result<Page<Schedule>, ClientError> {
        self.get(&format!("/datastores/{datastore}/schedules"), query).await
    }

    pub async fn schedule_get(&self, id: Uuid) -> Result<Schedule, ClientError> {
        self.get(&format!("/schedules/{id}"), &Empty {}).await
    }

    pub async fn schedule_create(&self, datastore: Uuid, body: &ScheduleCreate) -> Result<Schedule, ClientError> {
        self.send(Method::POST, &format!("/datastores/{datastore}/schedules"), body).await
    }

    /// Changes a schedule; refused when the version that the body names is no longer the newest.
    pub async fn schedule_patch(&self, id: Uuid, body: &SchedulePatch) -> Result<Schedule, ClientError> {
        self.send(Method::PATCH, &format!("/schedules/{id}"), body).await
    }

    /// Deletes a schedule and the records of its runs; backups that it made stay.
    pub async fn schedule_delete(&self, id: Uuid) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::DELETE, &format!("/schedules/{id}"))).await
    }

    pub async fn schedule_pause(&self, id: Uuid) -> Result<Schedule, ClientError> {
        self.send(Method::POST, &format!("/schedules/{id}/pause"), &Empty {}).await
    }

    pub async fn schedule_resume(&self, id: Uuid) -> Result<Schedule, ClientError> {
        self.send(Method::POST, &format!("/schedules/{id}/resume"), &Empty {}).await
    }

    /// Makes a backup as the schedule would, now.
    pub async fn schedule_run(&self, id: Uuid) -> Result<Backup, ClientError> {
        self.send(Method::POST, &format!("/schedules/{id}/run"), &Empty {}).await
    }

    /// What became of the times at which a schedule was due, newest first.
    pub async fn schedule_run_list(&self, id: Uuid, query: &ListQuery) -> Result<Page<ScheduleRun>, ClientError> {
        self.get(&format!("/schedules/{id}/runs"), query).await
    }

    /// What this installation demands of schedules.
    pub async fn schedule_settings(&self) -> Result<ScheduleSettings, ClientError> {
        self.get("/schedules/settings", &Empty {}).await
    }

    pub async fn restore_list(&self, datastore: Uuid, query: &ListQuery) -> Result<Page<Restore>, ClientError> {
        self.get(&format!("/datastores/{datastore}/restores"), query).await
    }

    pub async fn restore_get(&self, id: Uuid) -> Result<Restore, ClientError> {
        self.get(&format!("/restores/{id}"), &Empty {}).await
    }

    pub async fn restore_cancel(&self, id: Uuid) -> Result<Restore, ClientError> {
        self.send(Method::POST, &format!("/restores/{id}/cancel"), &Empty {}).await
    }

    /// Starts to put back the data that the restore replaced.
    pub async fn restore_undo(&self, id: Uuid) -> Result<Job, ClientError> {
        self.send(Method::POST, &format!("/restores/{id}/undo"), &Empty {}).await
    }

    pub async fn job_list(&self, query: &ListQuery) -> Result<Page<Job>, ClientError> {
        self.get("/jobs", query).await
    }

    /// Approves a restore that waits for a second person.
    pub async fn restore_approve(&self, id: Uuid, body: &ApprovalDecision) -> Result<Restore, ClientError> {
        self.send(Method::POST, &format!("/restores/{id}/approve"), body).await
    }

    /// Refuses a restore that waits for a second person.
    pub async fn restore_refuse(&self, id: Uuid, body: &ApprovalDecision) -> Result<Restore, ClientError> {
        self.send(Method::POST, &format!("/restores/{id}/refuse"), body).await
    }

    pub async fn job_get(&self, id: Uuid) -> Result<Job, ClientError> {
        self.get(&format!("/jobs/{id}"), &Empty {}).await
    }

    pub async fn job_cancel(&self, id: Uuid) -> Result<Job, ClientError> {
        self.send(Method::POST, &format!("/jobs/{id}/cancel"), &Empty {}).await
    }

    /// The lines of a job's log after sequence number `after`, oldest first, at most `limit` (1 to 1000).
    pub async fn job_log(&self, id: Uuid, after: i64, limit: u32) -> Result<Page<LogLine>, ClientError> {
        self.get(&format!("/jobs/{id}/log"), &LogQuery { after, limit }).await
    }

    pub async fn storage_list(&self) -> Result<Page<Storage>, ClientError> {
        self.get("/storages", &Empty {}).await
    }

    pub async fn storage_create(&self, body: &StorageCreate) -> Result<Storage, ClientError> {
        self.send(Method::POST, "/storages", body).await
    }

    pub async fn storage_patch(&self, id: Uuid, body: &StoragePatch) -> Result<Storage, ClientError> {
        self.send(Method::PATCH, &format!("/storages/{id}"), body).await
    }

    pub async fn worker_list(&self) -> Result<Page<Worker>, ClientError> {
        self.get("/workers", &Empty {}).await
    }
}
