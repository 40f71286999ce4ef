//! What is wrong with a schedule that somebody wants to save. Browser and server ask the same functions, so that a form
//! never promises what the server refuses.

use chrono::{DateTime, Utc};

use super::{Frequency, ScheduleCreate, SchedulePatch, ScheduleSettings};
use crate::problem::FieldError;
use crate::recurrence::Recurrence;
use crate::{BackupType, Capabilities, Engine, Method};

/// A schedule that may be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleDraft {
    pub method: Method,
    pub backup_type: BackupType,
    pub recurrence: Recurrence,
}

impl ScheduleDraft {
    /// What a new datastore gets: full backups every day, by the first method that works on it, or, where none does yet, by its
    /// engine's own.
    pub fn of_new_datastore(engine: Engine, capabilities: &Capabilities) -> Option<Self> {
        let first = capabilities.methods.first().map(|known| known.method);
        let (method, recurrence) = (first.unwrap_or(engine.default_method()), super::DEFAULT_RECURRENCE.parse().ok()?);
        Some(Self { method, backup_type: BackupType::Full, recurrence })
    }
}

impl ScheduleCreate {
    /// Checks all fields.
    ///
    /// # Errors
    /// All bad fields.
    pub fn validate(
        &self,
        capabilities: &Capabilities,
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<ScheduleDraft, Vec<FieldError>> {
        let backup_type = self.backup_type.unwrap_or(BackupType::Full);
        let mut errors = Vec::new();
        let method = take(choose_method(self.method, backup_type, capabilities), &mut errors);
        let timing = read_timing(self.recurrence.as_deref(), self.frequency.as_ref(), now);
        let recurrence = take(timing, &mut errors);
        if let Some(recurrence) = &recurrence {
            errors.extend(check_pace(recurrence, self.frequency.as_ref(), backup_type, settings));
        }
        finish(method, backup_type, recurrence, errors)
    }
}

impl SchedulePatch {
    /// Checks the fields that are there and adds those that stay. What the datastore can do is asked only about a method or
    /// type that changes: a server that can't be reached now does not stand in the way of another time.
    ///
    /// # Errors
    /// All bad fields.
    pub fn validate(
        &self,
        current: ScheduleDraft,
        capabilities: &Capabilities,
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<ScheduleDraft, Vec<FieldError>> {
        let backup_type = self.backup_type.unwrap_or(current.backup_type);
        let mut errors = Vec::new();
        let method = self.method.unwrap_or(current.method);
        let method = if method == current.method && backup_type == current.backup_type {
            Some(method)
        } else {
            take(choose_method(Some(method), backup_type, capabilities), &mut errors)
        };
        let recurrence = if self.recurrence.is_none() && self.frequency.is_none() {
            Some(current.recurrence)
        } else {
            take(read_timing(self.recurrence.as_deref(), self.frequency.as_ref(), now), &mut errors)
        };
        if let Some(recurrence) = &recurrence {
            errors.extend(check_pace(recurrence, self.frequency.as_ref(), backup_type, settings));
        }
        finish(method, backup_type, recurrence, errors)
    }
}

/// Reads a recurrence that is given in exactly one of two forms.
///
/// # Errors
/// All bad fields, with pointers from `/recurrence` or `/frequency` on.
pub fn read_timing(
    recurrence: Option<&str>,
    frequency: Option<&Frequency>,
    now: DateTime<Utc>,
) -> Result<Recurrence, Vec<FieldError>> {
    match (recurrence, frequency) {
        (Some(text), None) => {
            text.parse::<Recurrence>().map_err(|error| vec![FieldError::new("/recurrence", error.to_string())])
        }
        (None, Some(frequency)) => frequency.recurrence(now),
        (Some(_), Some(_)) => Err(vec![FieldError::new("/recurrence", "must not be sent together with frequency")]),
        (None, None) => Err(vec![FieldError::new("/recurrence", "is missing; send it or frequency")]),
    }
}

/// Checks that a recurrence is not too fast for a type of backup.
fn check_pace(
    recurrence: &Recurrence,
    frequency: Option<&Frequency>,
    backup_type: BackupType,
    settings: &ScheduleSettings,
) -> Option<FieldError> {
    if backup_type != BackupType::Full {
        return None;
    }
    if let Some(Frequency::Minutes { .. }) = frequency {
        return Some(FieldError::new("/frequency/kind", "minutes are not for full backups; choose hourly or daily"));
    }
    let (minimum, shortest) = (settings.minimum_full_interval_minutes, recurrence.shortest_interval_minutes());
    (shortest < minimum).then(|| {
        let pointer = if frequency.is_some() { "/frequency" } else { "/recurrence" };
        FieldError::new(
            pointer,
            format!("starts full backups {shortest} min apart; here they must be at least {minimum} min apart"),
        )
    })
}

/// The method, when the datastore has it with this type; without one, the first that makes the type.
fn choose_method(
    method: Option<Method>,
    backup_type: BackupType,
    capabilities: &Capabilities,
) -> Result<Method, Vec<FieldError>> {
    let known = &capabilities.methods;
    let refuse = |pointer: &str, detail: String| Err(vec![FieldError::new(pointer, detail)]);
    if known.is_empty() {
        return refuse("/method", "what this datastore can do is not known yet; test its connection first".to_owned());
    }
    let Some(method) = method else {
        let makes_type = known.iter().find(|capability| capability.types.contains(&backup_type));
        return match makes_type {
            Some(capability) => Ok(capability.method),
            None => refuse("/type", format!("no method of this datastore makes {backup_type} backups")),
        };
    };
    match known.iter().find(|capability| capability.method == method) {
        None => {
            let names: Vec<&str> = known.iter().map(|capability| capability.method.as_str()).collect();
            refuse("/method", format!("{method} does not work on this datastore; choose from {}", names.join(", ")))
        }
        Some(capability) if !capability.types.contains(&backup_type) => {
            let names: Vec<&str> = capability.types.iter().map(|known| known.as_str()).collect();
            refuse("/type", format!("{method} makes no {backup_type} backups here; choose from {}", names.join(", ")))
        }
        Some(_) => Ok(method),
    }
}

/// The value; or nothing, with its errors added to the others.
fn take<T>(result: Result<T, Vec<FieldError>>, errors: &mut Vec<FieldError>) -> Option<T> {
    result.map_err(|more| errors.extend(more)).ok()
}

fn finish(
    method: Option<Method>,
    backup_type: BackupType,
    recurrence: Option<Recurrence>,
    errors: Vec<FieldError>,
) -> Result<ScheduleDraft, Vec<FieldError>> {
    match (method, recurrence) {
        (Some(method), Some(recurrence)) if errors.is_empty() => Ok(ScheduleDraft { method, backup_type, recurrence }),
        _ => Err(errors),
    }
}
