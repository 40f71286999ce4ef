//! The next run over every IANA zone and ten years: compared with what the definition says around each change of clocks, and
//! with `croner`, a second implementation, where both claim the same rule.
//!
//! `croner` knows two kinds of expressions. Those with one fixed time of day follow our rule: first instant after a gap, first
//! of two showings. The others it runs by elapsed time, so they are compared in UTC, where no clock changes. It reads
//! `*/2` in a field of days as a restriction, crontab(5) does not, so steps of days are compared as ranges. And it gives up
//! in gaps of more than two hours, which one zone has.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use domain::recurrence::Recurrence;
use domain::recurrence::local_time::{first_instant, local_at};
use proptest::prelude::*;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn span() -> (DateTime<Utc>, DateTime<Utc>) {
    (time("2020-01-01T00:00:00Z"), time("2030-01-01T00:00:00Z"))
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()))
}

/// A change of clocks: from this instant on the second offset holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    at: DateTime<Utc>,
    before: TimeDelta,
    after: TimeDelta,
}

impl Change {
    fn is_gap(self) -> bool {
        self.after > self.before
    }

    /// What the definition says of a local time, with no other change near.
    fn first_instant(self, local: NaiveDateTime) -> DateTime<Utc> {
        let local = local.and_utc();
        if local < self.at + self.before {
            local - self.before
        } else if local < self.at + self.after {
            self.at
        } else {
            local - self.after
        }
    }
}

/// Every zone with its changes.
static ZONES: LazyLock<Vec<(Tz, Vec<Change>)>> =
    LazyLock::new(|| TZ_VARIANTS.iter().map(|&zone| (zone, changes(zone))).collect());

/// The zones whose gaps croner can cross.
fn croner_zones() -> Vec<Tz> {
    let crosses = |change: &Change| change.after - change.before <= TimeDelta::hours(2);
    let zones: Vec<_> =
        ZONES.iter().filter(|(_, changes)| changes.iter().all(crosses)).map(|(zone, _)| *zone).collect();
    assert!(zones.len() >= TZ_VARIANTS.len() - 2, "{}", zones.len());
    zones
}

fn changes(zone: Tz) -> Vec<Change> {
    let (mut at, end) = span();
    let mut changes = Vec::new();
    while at < end {
        let next = at + TimeDelta::days(1);
        if offset(zone, at) != offset(zone, next) {
            let (mut low, mut high) = (at, next);
            while high - low > TimeDelta::seconds(1) {
                let middle = low + TimeDelta::seconds((high - low).num_seconds() / 2);
                if offset(zone, middle) == offset(zone, at) { low = middle } else { high = middle }
            }
            changes.push(Change { at: high, before: offset(zone, at), after: offset(zone, next) });
        }
        at = next;
    }
    changes
}

#[test]
fn f44_every_change_of_clocks_of_every_zone_follows_the_definition() {
    let mut count = 0;
    for (zone, changes) in ZONES.iter() {
        let zone = *zone;
        let recurrence: Recurrence = format!("TZ={zone} */20 * * * *").parse().unwrap();
        for change in changes {
            count += 1;
            let start = change.at - TimeDelta::hours(4);
            let end = change.at + TimeDelta::hours(4);
            let mut expected = BTreeSet::new();
            let first_local = local_at(zone, start).unwrap().with_minute(0).unwrap() - TimeDelta::hours(1);
            for step in 0..54 {
                let local = first_local + TimeDelta::minutes(20 * step);
                let instant = change.first_instant(local);
                assert_eq!(first_instant(zone, local), Some(instant), "{zone} {local}");
                expected.insert(instant);
            }
            let runs: Vec<_> = recurrence.runs_after(start).take_while(|run| *run <= end).collect();
            let expected: Vec<_> = expected.into_iter().filter(|run| *run > start && *run <= end).collect();
            assert_eq!(runs, expected, "{zone} {change:?}");
        }
    }
    // Were there none, nothing was tested.
    assert!(count > 4_000, "{count}");
}

#[test]
fn f44_daily_runs_around_every_change_are_those_of_croner() {
    let mut seen = BTreeSet::new();
    let crossed = croner_zones();
    for (zone, changes) in ZONES.iter().filter(|(zone, _)| crossed.contains(zone)) {
        // Many names stand for the same clocks.
        if changes.is_empty() || !seen.insert(changes) {
            continue;
        }
        for (index, change) in changes.iter().enumerate() {
            // The last minute before the clocks change, the last that a gap skips or a fold repeats, the first after.
            let (shift_start, shift_end) = (change.at + change.before, change.at + change.after);
            let edges = [shift_start.min(shift_end), shift_start.max(shift_end)];
            let mut locals: Vec<_> = edges.iter().flat_map(|edge| [*edge, *edge - TimeDelta::minutes(1)]).collect();
            // croner crosses a gap second by second: the first skipped minute once per zone.
            if change.is_gap() && index > 1 {
                locals.remove(0);
            }
            for local in locals {
                let fields = format!("{} {} * * *", local.minute(), local.hour());
                let start = change.at - TimeDelta::hours(30);
                compare(*zone, &fields, start, 3);
            }
        }
    }
    assert!(seen.len() > 40, "{}", seen.len());
}

#[test]
fn f44_ten_years_of_daily_runs_are_those_of_croner() {
    for zone in ["Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll", "America/Havana", "Europe/Dublin"] {
        compare(zone.parse().unwrap(), "45 1 * * *", span().0, 3_650);
    }
}

/// Compares successive runs with those of croner.
fn compare(zone: Tz, fields: &str, start: DateTime<Utc>, count: usize) {
    let recurrence: Recurrence = format!("TZ={zone} {fields}").parse().unwrap();
    let cron = Cron::from_str(fields).unwrap();
    let mut ours = start;
    let mut theirs = start.with_timezone(&zone);
    for _ in 0..count {
        let Some(next) = recurrence.next_run(ours) else { break };
        theirs = cron.find_next_occurrence(&theirs, false).unwrap();
        assert!(next > ours, "{zone} {fields}: {next} is not after {ours}");
        assert_eq!(next, theirs.to_utc(), "{zone} {fields} after {ours}");
        ours = next;
    }
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("*".to_owned()),
        2 => (low..=high).prop_map(|value| value.to_string()),
        1 => (low..=high, low..=high).prop_map(|(one, other)| format!("{one},{other}")),
        1 => (low..=high, low..=high).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other))),
        1 => (low..=high, 1..5_u32).prop_map(move |(first, step)| format!("{first}-{high}/{step}")),
    ]
}

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    let (start, end) = span();
    (start.timestamp()..end.timestamp()).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn f44_fixed_times_in_any_zone_are_those_of_croner(
        zone in proptest::sample::select(croner_zones()), minute in 0..60_u32, hour in 0..24_u32,
        day in field(1, 28), month in field(1, 12), weekday in field(0, 6), start in instant(),
    ) {
        compare(zone, &format!("{minute} {hour} {day} {month} {weekday}"), start, 4);
    }

    #[test]
    fn any_expression_in_utc_is_that_of_croner(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 28), month in field(1, 12), weekday in field(0, 7),
        start in instant(),
    ) {
        compare(Tz::UTC, &format!("{minute} {hour} {day} {month} {weekday}"), start, 6);
    }

    #[test]
    fn f44_runs_grow_strictly_and_do_not_depend_on_where_the_search_begins(
        zone in proptest::sample::select(TZ_VARIANTS.to_vec()),
        rule in prop_oneof![
            (field(0, 59), field(0, 23), field(1, 31), field(0, 7))
                .prop_map(|(minute, hour, day, weekday)| format!("{minute} {hour} {day} * {weekday}")),
            (1..40_u32, 0..24_u32).prop_map(|(every, hour)| format!("@every {every} days from 2021-03-28T{hour:02}:30")),
            (1..100_u32, 0..24_u32).prop_map(|(every, hour)| format!("@every {every} hours from 2021-10-31T{hour:02}:30")),
        ],
        start in instant(), shift in 1..100_000_i64,
    ) {
        let recurrence: Recurrence = format!("TZ={zone} {rule}").parse().unwrap();
        let first = recurrence.next_run(start).unwrap();
        prop_assert!(first > start);
        let second = recurrence.next_run(first).unwrap();
        prop_assert!(second > first);
        // From anywhere before the first run, the first run is found.
        let between = start + TimeDelta::seconds(shift % (first - start).num_seconds());
        prop_assert_eq!(recurrence.next_run(between), Some(first));
        let just_before = first - TimeDelta::nanoseconds(1);
        prop_assert_eq!(recurrence.next_run(just_before), Some(first));
    }

    /// Every n days really is every n days: the dates are n apart, whatever the months and the clocks do.
    #[test]
    fn every_n_days_is_every_n_days(
        zone in proptest::sample::select(TZ_VARIANTS.to_vec()), every in 2..60_u32, start in instant(),
    ) {
        let recurrence: Recurrence = format!("TZ={zone} @every {every} days from 2021-01-31T12:00").parse().unwrap();
        let runs: Vec<_> = recurrence.runs_after(start).take(8).map(|run| local_at(zone, run).unwrap()).collect();
        for pair in runs.windows(2) {
            prop_assert_eq!(pair[1] - pair[0], TimeDelta::days(i64::from(every)));
            prop_assert_eq!(pair[0].hour(), 12);
        }
    }
}
