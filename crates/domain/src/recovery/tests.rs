use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ErrorCode;
use crate::log_archive::RecoveryStop;

const SIZE: u64 = 16;

fn at(seconds: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 6, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// Segment `number` holds the commits of ten seconds, ten seconds after that of the one before.
fn segment(line: &str, number: u64) -> LogSegment {
    let second = i64::try_from(number).unwrap() * 10;
    LogSegment {
        incarnation: format!("{line}.origin"),
        name: format!("{number:024}"),
        start: number * SIZE,
        end: (number + 1) * SIZE,
        closed: true,
        first_commit_at: Some(at(second)),
        last_commit_at: Some(at(second + 9)),
        gap_before: None,
        objects: Vec::new(),
    }
}

fn segments(count: u64) -> Vec<LogSegment> {
    (0..count).map(|number| segment("a", number)).collect()
}

/// A backup that ended in the middle of a segment.
fn backup(number: u64) -> BackupPoint {
    BackupPoint {
        id: Uuid::from_u128(u128::from(number)),
        number: i64::try_from(number).unwrap(),
        ended_at: at(i64::try_from(number).unwrap() * 10 + 5),
        point: LogPoint { incarnation: "a.origin".into(), position: number * SIZE + 8 },
    }
}

fn to(seconds: i64) -> RecoveryStop {
    RecoveryStop::Time { at: at(seconds) }
}

#[test]
fn a_window_goes_from_the_end_of_the_oldest_backup_to_the_last_commit() {
    let (found, gaps) = windows(&[backup(3), backup(1)], &segments(10), &[], None);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].from, found[0].to, found[0].backup_id), (at(15), at(99), backup(1).id));
    assert_eq!(gaps, []);
}

#[test]
fn a_log_that_is_known_to_be_complete_reaches_beyond_the_last_commit() {
    let frontier = Frontier { incarnation: "a.origin".into(), complete_until: at(500) };
    assert_eq!(windows(&[backup(1)], &segments(10), &[], Some(&frontier)).0[0].to, at(500));
    let other = Frontier { incarnation: "b.origin".into(), ..frontier.clone() };
    assert_eq!(windows(&[backup(1)], &segments(10), &[], Some(&other)).0[0].to, at(99));
    let all = segments(10);
    assert_eq!(logs_for(&backup(1), &to(400), &all, &[], Some(&frontier), at(1000)).unwrap().len(), 9);
}

#[test]
fn f60_each_missing_segment_cuts_what_needs_it_and_nothing_else() {
    for lost in 0..10 {
        let (there, missing): (Vec<_>, Vec<_>) = segments(10).into_iter().partition(|of| of.start != lost * SIZE);
        let (found, gaps) = windows(&[backup(0), backup(6)], &there, &missing, None);
        for (number, first) in [(0, 0), (6, 6)] {
            let of = backup(number);
            let target = at(75);
            let result = logs_for(&of, &to(75), &there, &missing, None, at(1000));
            // Segment 7 holds the target; 8 tells that it was passed.
            let blocks = lost >= first && lost <= 7;
            assert_eq!(result.is_err(), blocks, "{lost} {number} {result:?}");
            if let Err(refusal) = result {
                assert_eq!(refusal.code, ErrorCode::PitrTimeNotCovered);
                let named = refusal.detail.contains(&format!("{lost:024} is missing"));
                assert!(named || lost == number, "{}", refusal.detail);
            }
            let covered = found.iter().any(|window| window.from <= target && target <= window.to);
            assert!(covered || lost >= 6, "{lost} {found:?}");
        }
        assert_eq!(gaps.len(), usize::from(lost > 0 && lost < 9), "{lost} {gaps:?}");
    }
}

#[test]
fn f61_times_that_cannot_be_reached_are_refused_with_those_that_can() {
    let all = segments(10);
    let plan = |stop| logs_for(&backup(1), &stop, &all, &[], None, at(200));
    for (stop, code, says) in [
        (to(201), ErrorCode::PitrTimeInFuture, "2026-11-22T06:00:15Z to 2026-11-22T06:01:39Z"),
        (to(14), ErrorCode::PitrTimeBeforeBackup, "older backup"),
        (to(100), ErrorCode::PitrTimeNotCovered, "2026-11-22T06:01:39Z"),
    ] {
        let refusal = plan(stop).unwrap_err();
        assert!(refusal.code == code && refusal.detail.contains(says), "{refusal:?}");
    }
    assert_eq!(plan(to(15)).unwrap().len(), 1);
    assert_eq!(plan(to(99)).unwrap().len(), 9);
    assert_eq!(plan(RecoveryStop::Latest).unwrap().len(), 9);
    let alone = BackupPoint { point: LogPoint { incarnation: "b.origin".into(), position: 8 }, ..backup(1) };
    assert_eq!(
        logs_for(&alone, &RecoveryStop::Latest, &all, &[], None, at(200)).unwrap_err().code,
        ErrorCode::PitrTimeNotCovered
    );
}

#[test]
fn f53_the_same_names_of_another_incarnation_are_another_log() {
    let mut all = segments(5);
    all.extend((0..20).map(|number| segment("b", number)));
    let (found, gaps) = windows(&[backup(1)], &all, &[], None);
    assert_eq!((found.len(), found[0].to), (1, at(49)));
    assert_eq!(gaps, []);
}

#[test]
fn the_reason_of_the_receiver_is_told() {
    let mut all = segments(6);
    all[3].gap_before = Some("The server purged it.".into());
    let (found, gaps) = windows(&[backup(0), backup(4)], &all, &[], None);
    assert_eq!(
        found.iter().map(|window| (window.from, window.to)).collect::<Vec<_>>(),
        [(at(5), at(29)), (at(45), at(59))]
    );
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].reason.as_str()), (at(29), at(30), "The server purged it."));
}

proptest! {
    /// Whatever is missing: a stop inside a window can be reached from the window's backup, and all segments that this takes
    /// are there, in order and without a hole.
    #[test]
    fn what_is_shown_as_recoverable_is_recoverable(
        lost in proptest::collection::btree_set(0_u64..30, 0..6),
        made in proptest::collection::btree_set(0_u64..30, 1..5),
        step in 0_i64..100,
    ) {
        let (there, missing): (Vec<_>, Vec<_>) = segments(30).into_iter().partition(|of| !lost.contains(&(of.start / SIZE)));
        let backups: Vec<_> = made.iter().map(|number| backup(*number)).collect();
        let (found, _) = windows(&backups, &there, &missing, None);
        for window in &found {
            let span = (window.to - window.from).num_seconds();
            let target = window.from + TimeDelta::seconds(span * step / 99);
            let of = backups.iter().find(|backup| backup.id == window.backup_id).unwrap();
            let needed = logs_for(of, &RecoveryStop::Time { at: target }, &there, &missing, None, at(10_000)).unwrap();
            prop_assert!(needed[0].start <= of.point.position && of.point.position < needed[0].end);
            prop_assert!(needed.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert!(needed.last().unwrap().last_commit_at.unwrap() >= target);
        }
    }
}
