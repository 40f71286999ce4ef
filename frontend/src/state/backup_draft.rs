//! What a person has typed about a datastore's backup settings. Whether it may be saved is judged by `domain`, as on the
//! server.

use domain::BackupSettings;
use domain::retention::RetentionPolicy;
use leptos::prelude::*;
use uuid::Uuid;

/// The fields of the form. An empty number of the retention is no rule.
#[derive(Clone, Copy)]
pub struct BackupDraft {
    pub storage: RwSignal<Uuid>,
    pub compression: RwSignal<String>,
    pub chain: RwSignal<String>,
    pub archiving: RwSignal<bool>,
    pub days: RwSignal<String>,
    pub last: RwSignal<String>,
    pub hourly: RwSignal<String>,
    pub daily: RwSignal<String>,
    pub weekly: RwSignal<String>,
    pub monthly: RwSignal<String>,
    pub yearly: RwSignal<String>,
    pub window: RwSignal<String>,
    pub minimum: RwSignal<String>,
}

impl BackupDraft {
    /// The form of what is saved.
    pub fn of(settings: &BackupSettings) -> Self {
        let retention = &settings.retention;
        let rule = |count: Option<u32>| RwSignal::new(count.map(|count| count.to_string()).unwrap_or_default());
        Self {
            storage: RwSignal::new(settings.storage_id),
            compression: RwSignal::new(settings.compression_level.to_string()),
            chain: rule(Some(settings.maximum_chain_length)),
            archiving: RwSignal::new(settings.log_archiving),
            days: rule(retention.keep_days),
            last: rule(retention.keep_last),
            hourly: rule(retention.keep_hourly),
            daily: rule(retention.keep_daily),
            weekly: rule(retention.keep_weekly),
            monthly: rule(retention.keep_monthly),
            yearly: rule(retention.keep_yearly),
            window: rule(retention.point_in_time_window_days),
            minimum: rule(Some(retention.minimum_good_backups)),
        }
    }

    /// What would be saved, good or not.
    pub fn settings(self) -> BackupSettings {
        let required = |text: RwSignal<String>| rule(text).unwrap_or_default();
        BackupSettings {
            storage_id: self.storage.get(),
            compression_level: i32::try_from(required(self.compression)).unwrap_or_default(),
            maximum_chain_length: required(self.chain),
            log_archiving: self.archiving.get(),
            retention: RetentionPolicy {
                keep_days: rule(self.days),
                keep_last: rule(self.last),
                keep_hourly: rule(self.hourly),
                keep_daily: rule(self.daily),
                keep_weekly: rule(self.weekly),
                keep_monthly: rule(self.monthly),
                keep_yearly: rule(self.yearly),
                point_in_time_window_days: rule(self.window),
                minimum_good_backups: required(self.minimum),
            },
        }
    }
}

/// The number that was typed; zero, which is never allowed, for what is no number.
fn rule(text: RwSignal<String>) -> Option<u32> {
    text.with(|text| {
        let text = text.trim();
        (!text.is_empty()).then(|| text.parse().unwrap_or_default())
    })
}
