//! What people set for a datastore's backups. Browser and server judge it with the same function.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::FieldError;
use crate::retention::RetentionPolicy;
use crate::{BackupType, Capabilities};

/// zstd's levels; those above need windows that readers refuse.
pub const COMPRESSION_LEVELS: std::ops::RangeInclusive<i32> = 1..=19;
/// The longest chain that a setting may allow.
pub const CHAIN_LENGTH_MAX: u32 = 1_000;

/// How the backups of a datastore are made and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupSettings {
    /// Where new backups go. Those that exist stay where they are, and readable.
    pub storage_id: Uuid,
    /// zstd's level, 1 to 19: higher is smaller and slower.
    pub compression_level: i32,
    /// How many links a chain may have, the full backup included; then an incremental backup becomes a full one.
    pub maximum_chain_length: u32,
    /// Whether the server's logs are archived continuously.
    pub log_archiving: bool,
    pub retention: RetentionPolicy,
}

impl BackupSettings {
    /// What holds for a datastore of which nothing was set.
    pub fn new(storage_id: Uuid) -> Self {
        Self {
            storage_id,
            compression_level: 3,
            maximum_chain_length: 30,
            log_archiving: false,
            retention: RetentionPolicy::default(),
        }
    }

    /// All that is wrong with them for a datastore that can do this; empty when they may be saved.
    pub fn validate(&self, capabilities: &Capabilities) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !COMPRESSION_LEVELS.contains(&self.compression_level) {
            let (from, to) = COMPRESSION_LEVELS.into_inner();
            errors.push(FieldError::new("/compression_level", format!("must be {from} to {to}")));
        }
        if !(1..=CHAIN_LENGTH_MAX).contains(&self.maximum_chain_length) {
            errors.push(FieldError::new("/maximum_chain_length", format!("must be 1 to {CHAIN_LENGTH_MAX}")));
        }
        let has_log_backups = capabilities.makes(BackupType::Log);
        if self.log_archiving && has_log_backups {
            let detail = "is not for this engine: its log is kept by log backups; add a schedule for them";
            errors.push(FieldError::new("/log_archiving", detail));
        } else if self.log_archiving && !capabilities.point_in_time_recovery {
            let reason = capabilities.point_in_time_recovery_reason.as_deref();
            let reason = reason.unwrap_or("test the datastore's connection first");
            errors.push(FieldError::new("/log_archiving", format!("is not possible here: {reason}")));
        }
        if self.retention.point_in_time_window_days.is_some() && !self.log_archiving && !has_log_backups {
            let detail = "needs log archiving: without logs there are no moments between backups";
            errors.push(FieldError::new("/retention/point_in_time_window_days", detail));
        }
        let of_retention = self.retention.validate().into_iter();
        errors.extend(of_retention.map(|error| FieldError::new(format!("/retention{}", error.pointer), error.detail)));
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_told_at_its_field() {
        let good = || BackupSettings::new(Uuid::nil());
        let redis = Capabilities {
            point_in_time_recovery_reason: Some("the engine has none".to_owned()),
            ..Capabilities::default()
        };
        assert_eq!(good().validate(&redis), []);
        let window = RetentionPolicy { point_in_time_window_days: Some(7), ..RetentionPolicy::default() };
        let negative = RetentionPolicy { keep_last: Some(0), ..RetentionPolicy::default() };
        for (settings, pointer, says) in [
            (BackupSettings { compression_level: 0, ..good() }, "/compression_level", "1 to 19"),
            (BackupSettings { compression_level: 22, ..good() }, "/compression_level", "1 to 19"),
            (BackupSettings { maximum_chain_length: 0, ..good() }, "/maximum_chain_length", "1 to 1000"),
            (BackupSettings { log_archiving: true, ..good() }, "/log_archiving", "the engine has none"),
            (BackupSettings { retention: window, ..good() }, "/retention/point_in_time_window_days", "log archiving"),
            (BackupSettings { retention: negative, ..good() }, "/retention/keep_last", "must be 1"),
        ] {
            let errors = settings.validate(&redis);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].pointer == pointer && errors[0].detail.contains(says), "{errors:?}");
        }
    }
}
