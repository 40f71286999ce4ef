//! Schedules: which backup of a datastore starts by itself, and when. This module holds what travels on the wire;
//! [`validation`] judges it, the same way in the browser and on the server, and [`decision`] says what a scheduler does.

pub mod decision;
mod due;
mod frequency;
mod jitter;
mod run;
mod settings;
pub mod validation;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use frequency::Frequency;
pub use run::{LastRun, RunStatus, ScheduleRun};
pub use settings::ScheduleSettings;
pub use validation::ScheduleDraft;

use crate::engine::named_enum;
use crate::problem::FieldError;
use crate::recurrence::{Recurrence, RecurrenceError};
use crate::{BackupType, Method};

/// When a new datastore's first schedule makes full backups.
pub const DEFAULT_RECURRENCE: &str = "TZ=UTC 0 5 * * *";
/// How many runs a preview shows unless asked otherwise.
pub const PREVIEW_COUNT: u32 = 5;
/// How many runs a preview shows at most.
pub const PREVIEW_COUNT_MAX: u32 = 500;

named_enum! {
    /// Whether a schedule starts backups.
    ScheduleStatus {
        Active => "active",
        Paused => "paused",
    }
}

/// One schedule, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Schedule {
    pub id: Uuid,
    pub datastore_id: Uuid,
    pub method: Method,
    #[serde(rename = "type")]
    pub backup_type: BackupType,
    pub status: ScheduleStatus,
    /// A cron expression with its zone, `TZ=UTC 0 5 * * *`, or a distance from an anchor,
    /// `TZ=UTC @every 3 days from 2026-11-22T05:00`.
    pub recurrence: String,
    /// The same as structure, where it has one; otherwise of kind `cron`.
    pub frequency: Frequency,
    /// What the recurrence means, in words.
    pub description: String,
    /// Grows with each change. It is the `ETag`, and an edit that names another one is refused.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Null while paused.
    pub next_run_at: Option<DateTime<Utc>>,
    /// Null before the first run.
    pub last_run: Option<LastRun>,
}

impl Schedule {
    /// The value of the `ETag` header that answers this schedule.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// What an edit begins with.
    ///
    /// # Errors
    /// When the recurrence can't be read.
    pub fn draft(&self) -> Result<ScheduleDraft, RecurrenceError> {
        let recurrence = self.recurrence.parse()?;
        Ok(ScheduleDraft { method: self.method, backup_type: self.backup_type, recurrence })
    }
}

/// A new schedule. Exactly one of `recurrence` and `frequency` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleCreate {
    /// The engine's default that makes this type, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// `full` when left out.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub backup_type: Option<BackupType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
}

/// What may be changed of a schedule; what is left out stays. At most one of `recurrence` and `frequency` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SchedulePatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub backup_type: Option<BackupType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// The version that was edited; the header `If-Match` says the same. The edit is refused when it is no longer the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl SchedulePatch {
    /// The version that the schedule must have: what the header `If-Match` (RFC 9110) or the body says. `None` when
    /// neither does, or the header is `*`.
    ///
    /// # Errors
    /// When the header is no version of a schedule, or both are there and differ.
    pub fn expected_version(&self, if_match: Option<&str>) -> Result<Option<i64>, FieldError> {
        let header = match if_match.map(str::trim) {
            None | Some("*") => None,
            Some(tag) => {
                let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
                let version = tag.parse::<i64>();
                Some(version.map_err(|_| FieldError::new("/version", "If-Match must be the schedule's ETag"))?)
            }
        };
        match (header, self.version) {
            (Some(header), Some(body)) if header != body => {
                Err(FieldError::new("/version", "must be the same version as If-Match names"))
            }
            (header, body) => Ok(header.or(body)),
        }
    }
}

/// Asks what a recurrence means and when it runs. Exactly one of `recurrence` and `frequency` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// How many runs, 1 to 500; 5 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The runs after this time; after now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DateTime<Utc>>,
}

/// What a recurrence means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewResponse {
    /// As a schedule would keep it, its anchor included where it has one.
    pub recurrence: String,
    pub description: String,
    /// Fewer than asked for where there are no more up to the year 2100.
    pub next_runs: Vec<DateTime<Utc>>,
}

impl PreviewRequest {
    /// Answers the request, as the scheduler would act. // F-44
    ///
    /// # Errors
    /// All bad fields.
    pub fn answer(&self, now: DateTime<Utc>) -> Result<PreviewResponse, Vec<FieldError>> {
        let after = self.after.unwrap_or(now);
        let count = self.count.unwrap_or(PREVIEW_COUNT);
        let mut errors = Vec::new();
        if !(1..=PREVIEW_COUNT_MAX).contains(&count) {
            errors.push(FieldError::new("/count", format!("must be 1 to {PREVIEW_COUNT_MAX}")));
        }
        let years = crate::recurrence::YEARS;
        if !years.contains(&chrono::Datelike::year(&after)) {
            errors
                .push(FieldError::new("/after", format!("must be in the years {} to {}", years.start(), years.end())));
        }
        let timing = if errors.is_empty() { after } else { now };
        match validation::read_timing(self.recurrence.as_deref(), self.frequency.as_ref(), timing) {
            Ok(recurrence) if errors.is_empty() => Ok(preview(&recurrence, after, count)),
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }
}

fn preview(recurrence: &Recurrence, after: DateTime<Utc>, count: u32) -> PreviewResponse {
    PreviewResponse {
        recurrence: recurrence.to_string(),
        description: recurrence.description(),
        next_runs: (0..count).zip(recurrence.runs_after(after)).map(|(_, run)| run).collect(),
    }
}

#[cfg(test)]
mod tests;
