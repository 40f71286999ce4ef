//! Retention: which backups and logs of a datastore may go.

mod calendar;
mod policy;

pub use calendar::CalendarPeriod;
pub use policy::{COUNT_MAX, DAYS_MAX, MINIMUM_GOOD_BACKUPS, RetentionPolicy};

#[cfg(test)]
mod tests;
