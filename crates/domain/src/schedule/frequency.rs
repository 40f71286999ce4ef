//! The structured form of recurrences: what the dialog's tabs hold.
//!
//! Every frequency becomes one recurrence, and a recurrence that has a structure becomes that frequency again. Where a cron
//! step can't say *every n*, the recurrence is anchored: at `from`, or else at the next fitting time.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::BackupType;
use crate::problem::FieldError;
use crate::recurrence::{CronField, Interval, IntervalUnit, Recurrence, Rule, local_time, parse_zone};

/// The steps that backups by the minute may have.
const MINUTE_STEPS: [u32; 3] = [15, 30, 60];

/// How often something recurs, as structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Frequency {
    /// Every 15, 30 or 60 minutes; not for full backups.
    Minutes {
        every: u32,
        /// An IANA name; UTC when left out.
        #[serde(default = "utc", skip_serializing_if = "is_utc")]
        time_zone: String,
    },
    /// Every n hours, at a minute.
    Hourly {
        every: u32,
        /// 0 to 59.
        minute: u32,
        /// An IANA name; UTC when left out.
        #[serde(default = "utc", skip_serializing_if = "is_utc")]
        time_zone: String,
        /// The local time of the first run, for a number of hours that a day is no multiple of; the next fitting time when
        /// left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<NaiveDateTime>,
    },
    /// Every n days, at a time of day.
    Daily {
        every: u32,
        /// Hours and minutes, `05:00`.
        at: String,
        /// An IANA name; UTC when left out.
        #[serde(default = "utc")]
        time_zone: String,
        /// The date of the first run, for more than one day; the next fitting date when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<NaiveDate>,
    },
    /// Something else: the recurrence says it.
    Cron,
}

fn utc() -> String {
    Tz::UTC.name().to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == Tz::UTC.name()
}

impl Frequency {
    /// The structure of a recurrence of a schedule. On the hour every hour is `minutes` 60 for increments, the choice
    /// that their dialog offers first, and `hourly` 1 for everything else.
    pub fn of(recurrence: &Recurrence, backup_type: BackupType) -> Self {
        let time_zone = recurrence.zone().name().to_owned();
        let expression = match recurrence.rule() {
            Rule::Every(interval) => return Self::of_interval(interval, time_zone),
            Rule::Cron(expression) => expression,
        };
        let (minutes, hours) = (expression.set(CronField::Minute), expression.set(CronField::Hour));
        if !expression.is_every_day() {
            return Self::Cron;
        }
        let hour_step = if hours.is_full() { Some(1) } else { hours.even_step() };
        match (minutes.single(), minutes.even_step(), hours.single(), hour_step) {
            (Some(minute), _, Some(hour), _) => {
                Self::Daily { every: 1, at: format!("{hour:02}:{minute:02}"), time_zone, from: None }
            }
            (Some(0), _, _, Some(1)) if backup_type != BackupType::Full => Self::Minutes { every: 60, time_zone },
            (Some(minute), _, _, Some(every)) => Self::Hourly { every, minute, time_zone, from: None },
            (_, Some(every), _, Some(1)) if backup_type != BackupType::Full && MINUTE_STEPS.contains(&every) => {
                Self::Minutes { every, time_zone }
            }
            _ => Self::Cron,
        }
    }

    fn of_interval(interval: &Interval, time_zone: String) -> Self {
        let (every, anchor) = (interval.every(), interval.anchor());
        match interval.unit() {
            IntervalUnit::Hours => Self::Hourly { every, minute: anchor.minute(), time_zone, from: Some(anchor) },
            IntervalUnit::Days => {
                let from = (every > 1).then(|| anchor.date());
                Self::Daily { every, at: anchor.format("%H:%M").to_string(), time_zone, from }
            }
        }
    }

    /// The recurrence that a frequency means. `now` matters where it must be anchored and no anchor is given.
    ///
    /// # Errors
    /// All bad fields, with pointers from `/frequency` on.
    pub fn recurrence(&self, now: DateTime<Utc>) -> Result<Recurrence, Vec<FieldError>> {
        let mut errors = Vec::new();
        let recurrence = self.read(now, &mut errors);
        recurrence.filter(|_| errors.is_empty()).ok_or_else(|| {
            if errors.is_empty() {
                errors.push(FieldError::new("/frequency", "can't be placed in time"));
            }
            errors
        })
    }

    fn read(&self, now: DateTime<Utc>, errors: &mut Vec<FieldError>) -> Option<Recurrence> {
        match self {
            Self::Minutes { every, time_zone } => {
                let zone = read_zone(time_zone, errors);
                if !MINUTE_STEPS.contains(every) {
                    errors.push(FieldError::new("/frequency/every", "must be 15, 30 or 60 minutes"));
                }
                let minutes = if *every == 60 { "0".to_owned() } else { format!("*/{every}") };
                cron(zone?, &format!("{minutes} * * * *"))
            }
            Self::Hourly { every, minute, time_zone, from } => {
                let zone = read_zone(time_zone, errors);
                check_every(*every, IntervalUnit::Hours, errors);
                let minute = Some(*minute).filter(|minute| *minute < 60).or_else(|| {
                    errors.push(FieldError::new("/frequency/minute", "must be 0 to 59"));
                    None
                });
                let (zone, minute) = (zone?, minute?);
                let is_step_of_day = *every < 24 && 24_u32.checked_rem(*every) == Some(0);
                match from {
                    None if *every == 1 => cron(zone, &format!("{minute} * * * *")),
                    None if is_step_of_day => cron(zone, &format!("{minute} */{every} * * *")),
                    None => anchored(*every, IntervalUnit::Hours, zone, next_minute(zone, minute, now)?, errors),
                    Some(from) => {
                        let anchor = from.with_minute(minute)?.with_second(0)?.with_nanosecond(0)?;
                        anchored(*every, IntervalUnit::Hours, zone, anchor, errors)
                    }
                }
            }
            Self::Daily { every, at, time_zone, from } => {
                let zone = read_zone(time_zone, errors);
                check_every(*every, IntervalUnit::Days, errors);
                let at = NaiveTime::parse_from_str(at, "%H:%M").ok().or_else(|| {
                    errors.push(FieldError::new("/frequency/at", "must be a time of day such as 05:00"));
                    None
                });
                let (zone, at) = (zone?, at?);
                if *every == 1 {
                    return cron(zone, &format!("{} {} * * *", at.minute(), at.hour()));
                }
                let date = match from {
                    Some(from) => *from,
                    None => next_date(zone, at, now)?,
                };
                anchored(*every, IntervalUnit::Days, zone, date.and_time(at), errors)
            }
            Self::Cron => {
                errors.push(FieldError::new("/frequency/kind", "send a cron expression as recurrence instead"));
                None
            }
        }
    }
}

fn read_zone(name: &str, errors: &mut Vec<FieldError>) -> Option<Tz> {
    parse_zone(name).map_err(|error| errors.push(FieldError::new("/frequency/time_zone", error.to_string()))).ok()
}

fn check_every(every: u32, unit: IntervalUnit, errors: &mut Vec<FieldError>) {
    if every == 0 || every > unit.maximum() {
        errors.push(FieldError::new("/frequency/every", format!("must be 1 to {}", unit.maximum())));
    }
}

fn cron(zone: Tz, fields: &str) -> Option<Recurrence> {
    format!("TZ={zone} {fields}").parse().ok()
}

fn anchored(
    every: u32,
    unit: IntervalUnit,
    zone: Tz,
    anchor: NaiveDateTime,
    errors: &mut Vec<FieldError>,
) -> Option<Recurrence> {
    // A wrong number was told already.
    if every == 0 || every > unit.maximum() {
        return None;
    }
    let interval = Interval::new(every, unit, anchor);
    let interval = interval.map_err(|error| errors.push(FieldError::new("/frequency/from", error.to_string()))).ok()?;
    Some(Recurrence::new(zone, Rule::Every(interval)))
}

/// The next local time with this minute.
fn next_minute(zone: Tz, minute: u32, now: DateTime<Utc>) -> Option<NaiveDateTime> {
    let local = local_time::local_at(zone, now)?.with_minute(minute)?.with_second(0)?.with_nanosecond(0)?;
    if local_time::first_instant(zone, local)? > now {
        return Some(local);
    }
    local.checked_add_signed(TimeDelta::hours(1))
}

/// The next date on which this time of day is still to come.
fn next_date(zone: Tz, at: NaiveTime, now: DateTime<Utc>) -> Option<NaiveDate> {
    let today = local_time::local_at(zone, now)?.date();
    if local_time::first_instant(zone, today.and_time(at))? > now {
        return Some(today);
    }
    today.checked_add_days(Days::new(1))
}
