//! What a person has typed about a schedule, and what of it is sent. Whether it may be saved is judged by `domain`, as on
//! the server.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use domain::recurrence::{Rule, parse_zone};
use domain::{
    BackupType, Capabilities, FieldError, Frequency, Method, Recurrence, Schedule, ScheduleCreate, ScheduleDraft,
    SchedulePatch, ScheduleSettings,
};

/// The ways to say how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    Hourly,
    Daily,
    Minutes,
    Advanced,
}

impl Rhythm {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hourly => "Hourly",
            Self::Daily => "Daily",
            Self::Minutes => "Minutes",
            Self::Advanced => "Advanced",
        }
    }

    /// Those that a type of backup may have.
    pub const fn of(backup_type: BackupType) -> &'static [Self] {
        match backup_type {
            BackupType::Full => &[Self::Hourly, Self::Daily, Self::Advanced],
            _ => &[Self::Hourly, Self::Daily, Self::Minutes, Self::Advanced],
        }
    }
}

/// The fields of a schedule's form; each rhythm keeps its own, so that trying another one loses nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleForm {
    pub method: Option<Method>,
    pub backup_type: BackupType,
    pub rhythm: Rhythm,
    pub hours: String,
    pub minute: String,
    pub days: String,
    pub at: String,
    pub minutes: &'static str,
    pub zone: String,
    /// The five fields of a cron expression.
    pub expression: String,
    /// What the hours are counted from, where that was saved.
    pub hours_from: Option<NaiveDateTime>,
    /// What the days are counted from, where that was saved.
    pub days_from: Option<NaiveDate>,
}

impl ScheduleForm {
    /// A new schedule: the engine's default method, every day at five.
    pub fn new(capabilities: &Capabilities) -> Self {
        let first = capabilities.methods.first();
        let types = first.map(|capability| capability.types.as_slice()).unwrap_or_default();
        Self {
            method: first.map(|capability| capability.method),
            backup_type: types.first().copied().unwrap_or(BackupType::Full),
            rhythm: Rhythm::Daily,
            hours: "1".into(),
            minute: "0".into(),
            days: "1".into(),
            at: "05:00".into(),
            minutes: "30",
            zone: "UTC".into(),
            expression: "0 5 * * *".into(),
            hours_from: None,
            days_from: None,
        }
    }

    /// The form of a schedule that exists.
    pub fn of(schedule: &Schedule) -> Self {
        let mut form = Self::new(&Capabilities::default());
        form.method = Some(schedule.method);
        form.backup_type = schedule.backup_type;
        if let Some((zone, expression)) = schedule.recurrence.split_once(' ') {
            form.zone = zone.trim_start_matches("TZ=").to_owned();
            form.expression = expression.to_owned();
        }
        form.rhythm = match &schedule.frequency {
            Frequency::Minutes { every, .. } => {
                form.minutes = match every {
                    15 => "15",
                    30 => "30",
                    _ => "60",
                };
                Rhythm::Minutes
            }
            Frequency::Hourly { every, minute, from, .. } => {
                form.hours = every.to_string();
                form.minute = minute.to_string();
                form.hours_from = *from;
                Rhythm::Hourly
            }
            Frequency::Daily { every, at, from, .. } => {
                form.days = every.to_string();
                form.at.clone_from(at);
                form.days_from = *from;
                Rhythm::Daily
            }
            Frequency::Cron => Rhythm::Advanced,
        };
        form
    }

    /// Whether the rhythm that is chosen counts from a time that was saved.
    pub fn keeps_anchor(&self) -> bool {
        match self.rhythm {
            Rhythm::Hourly => self.hours_from.is_some(),
            Rhythm::Daily => self.days_from.is_some(),
            _ => false,
        }
    }

    /// The recurrence as text or as structure.
    fn timing(&self) -> (Option<String>, Option<Frequency>) {
        let time_zone = self.zone.trim().to_owned();
        // What is no number is none that is allowed.
        let number = |text: &str, otherwise| text.trim().parse().unwrap_or(otherwise);
        let frequency = match self.rhythm {
            Rhythm::Advanced => return (Some(format!("TZ={time_zone} {}", self.expression.trim())), None),
            Rhythm::Minutes => Frequency::Minutes { every: number(self.minutes, 0), time_zone },
            Rhythm::Hourly => Frequency::Hourly {
                every: number(&self.hours, 0),
                minute: number(&self.minute, u32::MAX),
                time_zone,
                from: self.hours_from,
            },
            Rhythm::Daily => {
                Frequency::Daily { every: number(&self.days, 0), at: self.at.clone(), time_zone, from: self.days_from }
            }
        };
        (None, Some(frequency))
    }

    fn create(&self) -> ScheduleCreate {
        let (recurrence, frequency) = self.timing();
        ScheduleCreate { method: self.method, backup_type: Some(self.backup_type), recurrence, frequency }
    }

    /// What would be saved; `before` is what is edited, nothing for a new schedule.
    ///
    /// # Errors
    /// All bad fields.
    pub fn judge(
        &self,
        before: Option<&Schedule>,
        capabilities: &Capabilities,
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<Recurrence, Vec<FieldError>> {
        // In an expression's text the zone is no field of its own.
        parse_zone(self.zone.trim())
            .map_err(|error| vec![FieldError::new("/frequency/time_zone", error.to_string())])?;
        let create = self.create();
        let draft = match before.map(Schedule::draft) {
            Some(Ok(before)) => patch(create, None).validate(before, capabilities, settings, now),
            _ => create.validate(capabilities, settings, now),
        };
        draft.map(|ScheduleDraft { recurrence, .. }| recurrence)
    }

    /// What is sent for a new schedule.
    pub fn to_create(&self, judged: &Recurrence) -> ScheduleCreate {
        let mut create = self.create();
        // What the days or hours are counted from is saved as it was shown.
        if create.frequency.is_some() && matches!(judged.rule(), Rule::Every(_)) {
            create.frequency = Some(Frequency::of(judged, self.backup_type));
        }
        create
    }

    /// What is sent for a schedule that exists.
    pub fn to_patch(&self, judged: &Recurrence, version: i64) -> SchedulePatch {
        patch(self.to_create(judged), Some(version))
    }
}

fn patch(timing: ScheduleCreate, version: Option<i64>) -> SchedulePatch {
    let ScheduleCreate { recurrence, frequency, .. } = timing;
    SchedulePatch { method: None, backup_type: None, recurrence, frequency, version }
}
