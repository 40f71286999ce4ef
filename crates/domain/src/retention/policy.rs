//! What people say about how long backups are kept. Browser and server judge and describe it with these functions.

use serde::{Deserialize, Serialize};

use super::CalendarPeriod;
use crate::problem::FieldError;

/// The longest time that a policy may name, in days: a hundred years.
pub const DAYS_MAX: u32 = 36_500;
/// The most backups that a policy may count: more than there are hours in a year.
pub const COUNT_MAX: u32 = 10_000;
/// How many good full backups stay unless a policy says otherwise.
pub const MINIMUM_GOOD_BACKUPS: u32 = 2;

/// How long the backups and logs of a datastore are kept. A backup stays as long as any rule keeps it, and a rule that is
/// left out keeps nothing. Without any of the rules `keep_…` every backup is kept for ever.
///
/// Copies are counted in full backups: an increment is no copy of its own. Hours, days, weeks, months and years are those
/// of UTC, whatever the zone of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionPolicy {
    /// Keeps every backup for so many days after it ended. While backups fail, the days are counted from the last success.
    pub keep_days: Option<u32>,
    /// Keeps the newest full backups, with their increments.
    pub keep_last: Option<u32>,
    /// Keeps the newest full backup of each of the newest hours that have one.
    pub keep_hourly: Option<u32>,
    /// Keeps the newest full backup of each of the newest days that have one.
    pub keep_daily: Option<u32>,
    /// Keeps the newest full backup of each of the newest weeks, from Monday on, that have one.
    pub keep_weekly: Option<u32>,
    /// Keeps the newest full backup of each of the newest months that have one.
    pub keep_monthly: Option<u32>,
    /// Keeps the newest full backup of each of the newest years that have one.
    pub keep_yearly: Option<u32>,
    /// Keeps what a restore to any moment of so many days needs: logs, the full backup before them and all that follow. When
    /// left out, logs stay from the oldest full backup on that is kept.
    pub point_in_time_window_days: Option<u32>,
    /// So many good full backups stay with their increments, however old they are. At least 1.
    pub minimum_good_backups: u32,
}

impl Default for RetentionPolicy {
    /// Everything is kept for ever.
    fn default() -> Self {
        Self {
            keep_days: None,
            keep_last: None,
            keep_hourly: None,
            keep_daily: None,
            keep_weekly: None,
            keep_monthly: None,
            keep_yearly: None,
            point_in_time_window_days: None,
            minimum_good_backups: MINIMUM_GOOD_BACKUPS,
        }
    }
}

impl RetentionPolicy {
    /// All that is wrong with it; empty when it may be saved. // F-74
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let fields = [
            ("keep_days", self.keep_days, DAYS_MAX),
            ("keep_last", self.keep_last, COUNT_MAX),
            ("keep_hourly", self.keep_hourly, COUNT_MAX),
            ("keep_daily", self.keep_daily, COUNT_MAX),
            ("keep_weekly", self.keep_weekly, COUNT_MAX),
            ("keep_monthly", self.keep_monthly, COUNT_MAX),
            ("keep_yearly", self.keep_yearly, COUNT_MAX),
            ("point_in_time_window_days", self.point_in_time_window_days, DAYS_MAX),
        ];
        for (name, value, maximum) in fields {
            if value.is_some_and(|value| value == 0 || value > maximum) {
                let detail = format!("must be 1 to {maximum}; leave it out for no such rule");
                errors.push(FieldError::new(format!("/{name}"), detail));
            }
        }
        let minimum = self.minimum_good_backups;
        if minimum == 0 || minimum > COUNT_MAX {
            let detail = format!("must be 1 to {COUNT_MAX}: the last good backup is never deleted");
            errors.push(FieldError::new("/minimum_good_backups", detail));
        }
        if errors.is_empty() {
            errors.extend(self.contradictions());
        }
        errors
    }

    /// Rules that another rule makes void, so that less would be deleted than somebody thinks.
    fn contradictions(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let minimum = self.minimum_good_backups;
        if self.keep_last.is_some_and(|last| last < minimum) {
            let detail = format!("must be at least {minimum}, for minimum_good_backups keeps so many anyway");
            errors.push(FieldError::new("/keep_last", detail));
        }
        if let (Some(days), Some(window)) = (self.keep_days, self.point_in_time_window_days)
            && days < window
        {
            let detail = format!("must be at least {window}, for the point-in-time window keeps all backups so long");
            errors.push(FieldError::new("/keep_days", detail));
        }
        errors
    }

    /// Whether no rule ever lets a good backup go.
    pub fn keeps_for_ever(&self) -> bool {
        self.keep_days.is_none()
            && self.keep_last.is_none()
            && self.calendar_rules().iter().all(|(_, count)| count.is_none())
    }

    /// The counts of the calendar's periods, from the shortest to the longest.
    pub(super) const fn calendar_rules(&self) -> [(CalendarPeriod, Option<u32>); 5] {
        [
            (CalendarPeriod::Hour, self.keep_hourly),
            (CalendarPeriod::Day, self.keep_daily),
            (CalendarPeriod::Week, self.keep_weekly),
            (CalendarPeriod::Month, self.keep_monthly),
            (CalendarPeriod::Year, self.keep_yearly),
        ]
    }

    /// The policy in words, whole sentences.
    pub fn description(&self) -> String {
        let mut sentences = Vec::new();
        if self.keeps_for_ever() {
            sentences.push("Keeps every backup for ever.".to_owned());
        } else {
            sentences.push(format!("Keeps {}.", self.kept().join("; ")));
            let minimum = counted(self.minimum_good_backups, "good full backup");
            let verb = if self.minimum_good_backups == 1 { "stays" } else { "stay" };
            sentences.push(format!("At least {minimum} {verb}, however old."));
        }
        sentences.push(match self.point_in_time_window_days {
            None => "Logs stay from the oldest kept full backup on.".to_owned(),
            Some(days) => {
                let days = counted_from_two(days, "day");
                format!("Any moment of the last {days} can be restored; older logs stay only where a kept backup needs them.")
            }
        });
        sentences.join(" ")
    }

    fn kept(&self) -> Vec<String> {
        let days = self.keep_days.map(|days| format!("every backup for {}", counted(days, "day")));
        let last = self.keep_last.map(|last| match last {
            1 => "the last full backup with its increments".to_owned(),
            last => format!("the last {last} full backups with their increments"),
        });
        let periods: Vec<_> = self
            .calendar_rules()
            .into_iter()
            .filter_map(|(period, count)| Some(counted(count?, period.as_str())))
            .collect();
        let calendar = match periods.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
        };
        let calendar =
            calendar.map(|periods| format!("the newest full backup of each period (UTC) that has one, for {periods}"));
        days.into_iter().chain(last).chain(calendar).collect()
    }
}

/// `1 day`, `2 days`.
pub(super) fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What follows `the last`: `day`, `2 days`.
pub(super) fn counted_from_two(count: u32, what: &str) -> String {
    if count == 1 { what.to_owned() } else { counted(count, what) }
}
