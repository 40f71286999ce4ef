//! Between columns and the types of `domain`: ids, times, words and JSON. A value that can't be read is an error that
//! names its column, never a panic or a default.

use std::str::FromStr;

use chrono::{DateTime, Timelike, Utc};
use domain::JobError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::StoreError;

/// The time, as precise as every control database keeps it: for whoever hands it to [`crate::Store`].
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    now.with_nanosecond(now.nanosecond() / 1000 * 1000).unwrap_or(now)
}

/// Microseconds since 1970 in UTC: what both databases keep exactly.
pub fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

pub fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

/// A new id that sorts by its time (UUIDv7, RFC 9562).
pub fn new_id(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
}

pub fn uuid(column: &'static str, text: &str) -> Result<Uuid, StoreError> {
    word(column, text)
}

pub fn optional_uuid(column: &'static str, text: Option<&str>) -> Result<Option<Uuid>, StoreError> {
    text.map(|text| word(column, text)).transpose()
}

pub fn word<T: FromStr>(column: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::UnreadableColumn { column, value: text.to_owned() })
}

pub fn from_json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::UnreadableColumn { column, value: text.to_owned() })
}

pub fn to_json(column: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::UnreadableColumn { column, value: error.to_string() })
}

pub fn error(code: Option<&str>, detail: Option<&str>) -> Result<Option<JobError>, StoreError> {
    code.map(|code| Ok(JobError::new(word("error_code", code)?, detail.unwrap_or_default()))).transpose()
}

/// PostgreSQL's text takes no NUL, and a tool's output may hold one.
pub fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub fn duration_seconds(started_at: Option<i64>, ended_at: Option<i64>) -> Option<f64> {
    let micros = ended_at?.checked_sub(started_at?)?;
    time(micros.max(0)).signed_duration_since(DateTime::UNIX_EPOCH).as_seconds_f64().into()
}

/// Sizes above 8 EiB do not exist; the columns are signed.
pub fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
