//! `STOPAT` is a time of the server's clock, and the times in its log are, too, without an offset. Each backup notes the offset that
//! the clock had when it was made; a stop is turned into the server's time by the offset of the log that holds it. Where the clock
//! was put back, a time of the clock comes twice, and the server would stop at the first: such stops are refused.

use chrono::{DateTime, Duration, NaiveDateTime, SecondsFormat, Utc};
use domain::{BackupType, ErrorCode, RecoveryStop};

use super::plan::{DatabasePlan, Step};
use crate::EngineError;

/// Where the replay of one database's logs stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StopAt {
    /// For `STOPAT`, in the server's time.
    pub time: String,
    /// The step whose log holds it: no later one is needed.
    pub step: usize,
}

/// The stop of one database's logs. None: all of the log.
///
/// # Errors
/// `pitr_time_ambiguous` near a change of the clock; `pitr_not_supported` for a position; `pitr_time_not_covered` when the logs end
/// before.
pub(super) fn stop_at(plan: &DatabasePlan, stop: Option<&RecoveryStop>) -> Result<Option<StopAt>, EngineError> {
    let at = match stop {
        None | Some(RecoveryStop::Latest) => return Ok(None),
        Some(RecoveryStop::Time { at }) => *at,
        Some(RecoveryStop::Position { .. }) => {
            let detail = "SQL Server's restores stop at a time, not at a position of the log.";
            return Err(EngineError::known(ErrorCode::PitrNotSupported, detail));
        }
    };
    let is_log = |step: &&Step| step.backup_type == BackupType::Log;
    if !plan.steps.iter().any(|step| is_log(&step)) {
        return Ok(None);
    }
    let Some(index) = plan.steps.iter().position(|step| is_log(&step) && step.range.covered_until >= at) else {
        let detail = format!("The log of database {:?} is not backed up as far as {}.", plan.name, shown(at));
        return Err(EngineError::known(ErrorCode::PitrTimeNotCovered, detail));
    };
    let holder = plan.steps.get(index);
    let offset = holder.map_or(0, |step| step.offset_seconds);
    let before = index.checked_sub(1).and_then(|before| plan.steps.get(before));
    if before.is_some_and(|before| before.offset_seconds != offset) {
        return Err(ambiguous(at, before, holder));
    }
    let local = (at + Duration::seconds(offset.into())).naive_utc();
    // Where the clock was put back earlier, times up to the change came again after it.
    for (earlier, later) in plan.steps.iter().zip(plan.steps.iter().skip(1)).take(index) {
        let last_before = later.range.covered_until + Duration::seconds(earlier.offset_seconds.into());
        if earlier.offset_seconds > later.offset_seconds && last_before.naive_utc() >= local {
            return Err(ambiguous(at, Some(earlier), Some(later)));
        }
    }
    Ok(Some(StopAt { time: literal_of(local), step: index }))
}

fn ambiguous(at: DateTime<Utc>, before: Option<&Step>, after: Option<&Step>) -> EngineError {
    let until = |step: Option<&Step>| step.map_or_else(|| "?".to_owned(), |step| shown(step.range.covered_until));
    let detail = format!(
        "The server's clock was changed between {} and {}, and its log does not tell times before the change from times after it. \
         Choose a stop up to the first of them, or one more than the change after the second; {} is too near.",
        until(before),
        until(after),
        shown(at)
    );
    EngineError::known(ErrorCode::PitrTimeAmbiguous, detail)
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// In the form that every language setting reads alike, and at the last tick of the server's clock (a 300th of a second) that is not
/// later (manual, "datetime").
fn literal_of(local: NaiveDateTime) -> String {
    let milliseconds = local.and_utc().timestamp_subsec_millis();
    let ticks = milliseconds * 3 / 10;
    let tick = |ticks: u32| (ticks * 10 + 1) / 3;
    let ticks = if tick(ticks + 1) <= milliseconds { ticks + 1 } else { ticks };
    format!("{}.{:03}", local.format("%Y-%m-%dT%H:%M:%S"), tick(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_never_rounded_up() {
        let told = |text: &str| {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").expect("a time");
            literal_of(time)
        };
        assert_eq!(told("2026-11-26T08:00:00"), "2026-11-26T08:00:00.000");
        assert_eq!(told("2026-11-26T08:00:00.0029"), "2026-11-26T08:00:00.000");
        assert_eq!(told("2026-11-26T08:00:00.003"), "2026-11-26T08:00:00.003");
        assert_eq!(told("2026-11-26T08:00:00.0069"), "2026-11-26T08:00:00.003");
        assert_eq!(told("2026-11-26T08:00:00.007"), "2026-11-26T08:00:00.007");
        assert_eq!(told("2026-11-26T08:00:00.999999"), "2026-11-26T08:00:00.997");
    }
}
