//! What an installation sets about its schedules.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// The longest pause before a retry, in seconds, however often it failed.
const RETRY_DELAY_MAX_SECONDS: u32 = 6 * 3_600;

/// What an installation demands of schedules, and how the scheduler deals with what does not go as planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleSettings {
    /// Whether a new datastore gets a daily schedule of full backups.
    pub default_schedule: bool,
    /// How close together a schedule may start full backups, in minutes.
    pub minimum_full_interval_minutes: u32,
    /// How long a run waits while its datastore is busy, in seconds, before it is skipped.
    pub wait_limit_seconds: u32,
    /// The window over which schedules that are due at the same time are spread, in seconds; 0 to start all at once.
    pub jitter_seconds: u32,
    /// How often a failed run is tried again.
    pub retries: u32,
    /// The pause before the first retry, in seconds; it doubles with each further one, up to six hours.
    pub retry_delay_seconds: u32,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self {
            default_schedule: true,
            minimum_full_interval_minutes: 15,
            wait_limit_seconds: 3_600,
            jitter_seconds: 0,
            retries: 2,
            retry_delay_seconds: 300,
        }
    }
}

impl ScheduleSettings {
    pub(super) fn wait_limit(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.wait_limit_seconds))
    }

    /// The pause after the failure of an attempt, counted from 1.
    pub fn retry_delay(&self, attempt: u32) -> TimeDelta {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let seconds = self.retry_delay_seconds.saturating_mul(factor).min(RETRY_DELAY_MAX_SECONDS);
        TimeDelta::seconds(i64::from(seconds))
    }
}
