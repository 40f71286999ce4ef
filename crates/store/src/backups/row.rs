//! A backup's row, and the backup that it tells of.

use std::collections::HashMap;

use diesel::prelude::*;
use domain::{Backup, JobStatus, Progress, Verification};

use crate::StoreError;
use crate::columns::{duration_seconds, error, from_json, optional_uuid, time, uuid, word};
use crate::connection::AnyConnection;
use crate::schema::{backups, jobs};

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = backups, treat_none_as_default_value = false)]
pub struct BackupRow {
    pub id: String,
    pub number: i64,
    pub datastore_id: String,
    pub storage_id: String,
    pub parent_id: Option<String>,
    pub method: String,
    pub backup_type: String,
    pub status: String,
    pub trigger: String,
    pub schedule_id: Option<String>,
    pub job_id: String,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub size_bytes: Option<i64>,
    pub original_size_bytes: Option<i64>,
    pub engine_version: Option<String>,
    pub log_position: Option<String>,
    pub server_identity: Option<String>,
    pub encrypted: bool,
    pub verification: String,
    pub verified_at: Option<i64>,
    pub deleting: bool,
    pub error_code: Option<String>,
    pub error_detail: Option<String>,
    pub held: Option<String>,
    pub log_point: Option<String>,
    pub manifest_sha256: Option<String>,
    pub log_ranges: String,
}

pub fn find(connection: &mut AnyConnection, id: &str) -> Result<BackupRow, StoreError> {
    backups::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "backup" })
}

impl BackupRow {
    pub fn status(&self) -> Result<JobStatus, StoreError> {
        word("backups.status", &self.status)
    }

    /// The backup with the progress of its job while that runs.
    pub fn into_backup_with_progress(self, connection: &mut AnyConnection) -> Result<Backup, StoreError> {
        let progress =
            progress_of(connection, std::iter::once((&self.job_id, self.status.as_str())))?.remove(&self.job_id);
        self.into_backup(progress)
    }

    pub fn into_backup(self, progress: Option<Progress>) -> Result<Backup, StoreError> {
        Ok(Backup {
            id: uuid("backups.id", &self.id)?,
            number: self.number,
            datastore_id: uuid("backups.datastore_id", &self.datastore_id)?,
            parent_id: optional_uuid("backups.parent_id", self.parent_id.as_deref())?,
            method: word("backups.method", &self.method)?,
            backup_type: word("backups.type", &self.backup_type)?,
            status: self.status()?,
            trigger: word("backups.trigger", &self.trigger)?,
            schedule_id: optional_uuid("backups.schedule_id", self.schedule_id.as_deref())?,
            job_id: uuid("backups.job_id", &self.job_id)?,
            storage_id: uuid("backups.storage_id", &self.storage_id)?,
            created_at: time(self.created_at),
            started_at: self.started_at.map(time),
            ended_at: self.ended_at.map(time),
            duration_seconds: duration_seconds(self.started_at, self.ended_at),
            size_bytes: self.size_bytes,
            original_size_bytes: self.original_size_bytes,
            verification: Verification {
                status: word("backups.verification", &self.verification)?,
                at: self.verified_at.map(time),
            },
            error: error(self.error_code.as_deref(), self.error_detail.as_deref())?,
            engine_version: self.engine_version,
            log_position: self.log_position,
            encrypted: self.encrypted,
            manifest_sha256: self.manifest_sha256,
            progress,
            deleting: self.deleting,
            held: self.held,
        })
    }
}

/// The progress of those of these jobs that run, with one query, by the job's id.
pub fn progress_of<'a>(
    connection: &mut AnyConnection,
    of: impl Iterator<Item = (&'a String, &'a str)>,
) -> Result<HashMap<String, Progress>, StoreError> {
    let running: Vec<&String> =
        of.filter(|(_, status)| *status == JobStatus::Running.as_str()).map(|(job, _)| job).collect();
    if running.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Option<String>)> =
        jobs::table.filter(jobs::id.eq_any(running)).select((jobs::id, jobs::progress)).load(connection)?;
    rows.into_iter()
        .filter_map(|(id, progress)| Some((id, progress?)))
        .map(|(id, progress)| Ok((id, from_json("jobs.progress", &progress)?)))
        .collect()
}
