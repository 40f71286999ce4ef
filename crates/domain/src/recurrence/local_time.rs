//! What a local time means as an instant, where clocks skip times and show others twice. Everything that turns local
//! times into instants asks here.
//!
//! The invariant: the instant of a local time is the first at which the zone's clocks show that time or a later one, so a
//! later local time never has an earlier instant. // F-44

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// What the zone's clocks show at an instant. `None` at the very ends of the calendar.
pub fn local_at(zone: Tz, instant: DateTime<Utc>) -> Option<NaiveDateTime> {
    let naive = instant.naive_utc();
    naive.checked_add_offset(zone.offset_from_utc_datetime(&naive).fix())
}

/// The first instant at which the zone's clocks show this time, or the first after the gap when they skip it.
pub fn first_instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local).earliest() {
        Some(instant) => Some(instant.to_utc()),
        None => GapInfo::new(&local, &zone)?.end.map(|end| end.to_utc()),
    }
}

/// The first instant after another that belongs to a series of local times, of which `next_local` gives the first
/// after a given one. Local times that clocks skip share the instant after the gap; the second showing of a local time
/// is no instant of its own.
pub(super) fn next_instant(
    zone: Tz,
    after: DateTime<Utc>,
    next_local: impl Fn(NaiveDateTime) -> Option<NaiveDateTime>,
) -> Option<DateTime<Utc>> {
    // No local time up to the one shown now has its first instant after now, so the search begins there.
    let mut local = local_at(zone, after)?;
    loop {
        local = next_local(local)?;
        if let Some(instant) = first_instant(zone, local)
            && instant > after
        {
            return Some(instant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: Tz, local: &str, instant: &str) {
        let local: NaiveDateTime = local.parse().unwrap();
        let instant: DateTime<Utc> = instant.parse().unwrap();
        assert_eq!(first_instant(zone, local), Some(instant), "{local} {zone}");
    }

    #[test]
    fn f44_skipped_times_are_the_first_instant_after_the_gap() {
        use chrono_tz::{Africa, America, Antarctica, Australia, Europe, Pacific};
        check(Europe::Berlin, "2026-03-29T01:59:00", "2026-03-29T00:59:00Z");
        check(Europe::Berlin, "2026-03-29T02:00:00", "2026-03-29T01:00:00Z");
        check(Europe::Berlin, "2026-03-29T02:59:00", "2026-03-29T01:00:00Z");
        check(Europe::Berlin, "2026-03-29T03:00:00", "2026-03-29T01:00:00Z");
        // Half an hour.
        check(Australia::Lord_Howe, "2026-10-04T02:15:00", "2026-10-03T15:30:00Z");
        // A whole day.
        check(Pacific::Apia, "2011-12-30T05:00:00", "2011-12-30T10:00:00Z");
        check(Pacific::Apia, "2011-12-31T00:00:00", "2011-12-30T10:00:00Z");
        // Two hours.
        check(Antarctica::Troll, "2026-03-29T02:30:00", "2026-03-29T01:00:00Z");
        // Around Ramadan.
        check(Africa::Casablanca, "2026-03-22T02:30:00", "2026-03-22T02:00:00Z");
        // At midnight.
        check(America::Havana, "2026-03-08T00:30:00", "2026-03-08T05:00:00Z");
    }

    #[test]
    fn f44_times_shown_twice_are_the_first_showing() {
        use chrono_tz::{Africa, Antarctica, Australia, Europe};
        check(Europe::Berlin, "2026-10-25T02:30:00", "2026-10-25T00:30:00Z");
        check(Europe::Berlin, "2026-10-25T03:00:00", "2026-10-25T02:00:00Z");
        check(Australia::Lord_Howe, "2026-04-05T01:45:00", "2026-04-04T14:45:00Z");
        check(Antarctica::Troll, "2026-10-25T01:30:00", "2026-10-24T23:30:00Z");
        check(Africa::Casablanca, "2026-02-15T02:30:00", "2026-02-15T01:30:00Z");
    }
}
