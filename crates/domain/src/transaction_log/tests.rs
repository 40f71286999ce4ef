use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::ErrorCode;

mod server;

use server::Server;

fn at(minute: i64) -> DateTime<Utc> {
    "2026-11-22T06:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

/// The numbers of the backups that a restore takes.
fn taken(server: &Server, backup: i64, stop: RecoveryStop) -> Result<Vec<i64>, (ErrorCode, String)> {
    backups_for(Uuid::from_u128(backup as u128), &stop, &server.backups, at(10_000))
        .map(|taken| taken.into_iter().map(|backup| backup.number).collect())
        .map_err(|refusal| (refusal.code, refusal.detail))
}

/// The numbers of the backups that a restore without a stop takes.
fn taken_for(server: &Server, backup: i64) -> Option<Vec<i64>> {
    let taken = backups_of(Uuid::from_u128(backup as u128), &server.backups)?;
    Some(taken.into_iter().map(|backup| backup.number).collect())
}

fn to(minute: i64) -> RecoveryStop {
    RecoveryStop::Time { at: at(minute) }
}

fn spans(server: &Server) -> Vec<(i64, i64, u128)> {
    let minute = |time: DateTime<Utc>| (time - at(0)).num_minutes();
    let (windows, _) = windows(&server.backups, &[]);
    windows.into_iter().map(|one| (minute(one.from), minute(one.to), one.backup_id.as_u128())).collect()
}

fn reasons(server: &Server) -> Vec<String> {
    windows(&server.backups, &[]).1.into_iter().map(|gap| gap.reason).collect()
}

#[test]
fn a_restore_takes_the_full_the_newest_differential_before_the_stop_and_the_logs_in_order() {
    let mut server = Server::new(&["shop", "wiki"]);
    // Minutes 1 to 8.
    for backup_type in [BackupType::Full, BackupType::Log, BackupType::Log, BackupType::Differential] {
        server.back_up(backup_type);
    }
    for _ in 0..4 {
        server.back_up(BackupType::Log);
    }
    assert_eq!(spans(&server), [(1, 8, 1)]);
    for (minute, numbers) in [
        (1, vec![1]),
        (2, vec![1, 2]),
        (3, vec![1, 2, 3]),
        // The log backup that holds what the differential does begins before it.
        (4, vec![1, 4]),
        (5, vec![1, 4, 5]),
        (8, vec![1, 4, 5, 6, 7, 8]),
    ] {
        assert_eq!(taken(&server, 1, to(minute)), Ok(numbers), "{minute}");
    }
    assert_eq!(taken(&server, 1, RecoveryStop::Latest), Ok(vec![1, 4, 5, 6, 7, 8]));
    assert_eq!(taken(&server, 6, to(7)), Ok(vec![1, 4, 5, 6, 7]), "from a log backup onwards, or within it");
    server.backups.reverse();
    assert_eq!(taken(&server, 4, RecoveryStop::Latest), Ok(vec![1, 4, 5, 6, 7, 8]), "whatever order they come in");
}

#[test]
fn a_restore_of_a_log_backup_without_a_stop_passes_over_the_logs_that_a_differential_makes_unnecessary() {
    let mut server = Server::new(&["shop", "wiki"]);
    // Minutes 1 to 8.
    for backup_type in [BackupType::Full, BackupType::Log, BackupType::Log, BackupType::Differential] {
        server.back_up(backup_type);
    }
    for backup_type in [BackupType::Log, BackupType::Log, BackupType::Differential, BackupType::Log] {
        server.back_up(backup_type);
    }
    for (backup, numbers) in [
        (1, vec![1]),
        (3, vec![1, 2, 3]),
        (4, vec![1, 4]),
        (5, vec![1, 4, 5]),
        (6, vec![1, 4, 5, 6]),
        (7, vec![1, 7]),
        (8, vec![1, 7, 8]),
    ] {
        assert_eq!(taken_for(&server, backup), Some(numbers.clone()), "{backup}");
        server.check_restore(&numbers, backup);
    }
    server.backups.retain(|backup| backup.number != 7);
    assert_eq!(taken_for(&server, 8), Some(vec![1, 4, 5, 6, 8]), "one that is gone helps nobody");
    server.backups.retain(|backup| backup.number != 5);
    assert_eq!(taken_for(&server, 8), None, "its own line is not whole");
}

#[test]
fn f61_stops_outside_of_what_can_be_reached_are_refused_with_the_nearest_that_can() {
    let mut server = Server::new(&["shop"]);
    for backup_type in [BackupType::Full, BackupType::Log, BackupType::Log, BackupType::Differential] {
        server.back_up(backup_type);
    }
    for (backup, stop, code, words) in [
        (1, to(0), ErrorCode::PitrTimeBeforeBackup, "any instant from 2026-11-22T06:01:00Z to 2026-11-22T06:03:00Z"),
        (3, to(1), ErrorCode::PitrTimeBeforeBackup, "any instant from 2026-11-22T06:02:00Z"),
        (1, to(9), ErrorCode::PitrTimeNotCovered, "No log backup reaches from backup 1 to 2026-11-22T06:09:00Z"),
        (4, to(5), ErrorCode::PitrTimeNotCovered, "only its own end"),
        (1, to(10_001), ErrorCode::PitrTimeInFuture, "in the future"),
        (9, to(2), ErrorCode::PitrTimeNotCovered, "not all there"),
    ] {
        let (found, detail) = taken(&server, backup, stop).unwrap_err();
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
    let position = RecoveryStop::Position { position: crate::StopPosition::Xid { xid: "7".into(), before: false } };
    assert_eq!(taken(&server, 1, position).unwrap_err().0, ErrorCode::PitrNotSupported);
}

#[test]
fn f60_a_log_that_somebody_else_took_cuts_the_window_and_names_the_database() {
    let mut server = Server::new(&["shop", "wiki"]);
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    server.foreign_log("wiki");
    server.back_up(BackupType::Log);
    let why = obstacle(BackupType::Log, &server.backups).expect("a full one");
    assert!(why.contains("database wiki") && why.contains("before backup 3"), "{why}");
    assert!(taken(&server, 3, to(4)).unwrap_err().1.contains("wiki"));
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    assert_eq!(spans(&server), [(1, 2, 1), (5, 6, 4)]);
    assert!(reasons(&server)[0].contains("database wiki"), "{:?}", reasons(&server));
    assert_eq!(obstacle(BackupType::Log, &server.backups), None);
    let (code, detail) = taken(&server, 1, to(3)).unwrap_err();
    assert!(code == ErrorCode::PitrTimeNotCovered && detail.contains("wiki"), "{detail}");
}

#[test]
fn a_differential_bridges_a_gap() {
    let mut server = Server::new(&["shop"]);
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    server.foreign_log("shop");
    server.back_up(BackupType::Differential);
    server.back_up(BackupType::Log);
    assert_eq!(spans(&server), [(1, 2, 1), (4, 5, 3)]);
    assert_eq!(taken(&server, 1, to(5)), Ok(vec![1, 3, 4]));
}

#[test]
fn a_full_backup_of_somebody_else_ends_differentials_and_no_logs() {
    let mut server = Server::new(&["shop", "wiki"]);
    server.back_up(BackupType::Full);
    server.foreign_full("shop");
    assert_eq!(obstacle(BackupType::Differential, &server.backups), None, "the catalog does not know of it yet");
    server.back_up(BackupType::Log);
    let why = obstacle(BackupType::Differential, &server.backups).expect("a full one");
    assert!(why.contains("database shop") && why.contains("backup 2 tells"), "{why}");
    assert_eq!(obstacle(BackupType::Log, &server.backups), None);
    assert_eq!(spans(&server), [(1, 3, 1)]);
}

#[test]
fn f53_an_old_log_does_not_follow_after_a_restore_nor_a_new_one_an_old_end() {
    let mut server = Server::new(&["shop"]);
    for backup_type in [BackupType::Full, BackupType::Log, BackupType::Log] {
        server.back_up(backup_type);
    }
    // To the end of backup 2: backup 3 is of the way that was left.
    server.restore("shop", 2);
    server.back_up(BackupType::Log);
    assert_eq!(taken(&server, 1, to(3)), Ok(vec![1, 2, 3]), "the old way to its end");
    let why = obstacle(BackupType::Log, &server.backups).expect("a full one");
    assert!(why.contains("Database shop was restored"), "{why}");
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    assert_eq!(taken(&server, 5, to(7)), Ok(vec![5, 6]), "{:?}", server.backups);

    let mut server = Server::new(&["shop"]);
    for backup_type in [BackupType::Full, BackupType::Log] {
        server.back_up(backup_type);
    }
    server.restore("shop", 2);
    server.back_up(BackupType::Log);
    assert!(taken(&server, 1, to(4)).is_err(), "nobody knows when the restore was");
    // The first log backup after it goes over to the fork that the full one is on, and before that one.
    let mut server = Server::new(&["shop"]);
    for backup_type in [BackupType::Full, BackupType::Log] {
        server.back_up(backup_type);
    }
    server.restore("shop", 2);
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    assert_eq!(taken(&server, 3, to(5)), Ok(vec![3, 4]));
}

#[test]
fn a_database_without_a_log_stops_nobody_and_one_that_is_gone_does() {
    let mut server = Server::new(&["scratch", "shop", "wiki"]);
    server.keep_no_log("scratch");
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    assert_eq!(spans(&server), [(1, 2, 1)]);
    server.drop_database("wiki");
    server.back_up(BackupType::Log);
    assert_eq!(spans(&server), [(1, 2, 1)]);
    let why = obstacle(BackupType::Log, &server.backups).expect("a full one");
    assert!(why.contains("Database wiki is not in log backup 3"), "{why}");

    let mut server = Server::new(&["scratch"]);
    server.keep_no_log("scratch");
    server.back_up(BackupType::Full);
    assert!(obstacle(BackupType::Log, &server.backups).is_some_and(|why| why.contains("keeps its log")));
}

#[test]
fn another_storage_is_another_line() {
    let mut server = Server::new(&["shop"]);
    server.back_up(BackupType::Full);
    server.back_up(BackupType::Log);
    server.back_up(BackupType::Log);
    server.backups[2].storage_id = Uuid::from_u128(9);
    assert_eq!(spans(&server), [(1, 2, 1)]);
}

proptest! {
    /// Whatever happened to the server: each moment of a window can be restored to, with backups that a server takes in that
    /// order, and the result is what the server held at that moment.
    #[test]
    fn f60_every_moment_of_a_window_is_what_the_server_held_then(
        deeds in prop::collection::vec((0..10_u8, 0..2_usize, 1..30_i64), 1..40),
    ) {
        let names = ["shop", "wiki"];
        let mut server = Server::new(&names);
        server.back_up(BackupType::Full);
        for (deed, database, number) in deeds {
            match deed {
                0 => server.back_up(BackupType::Full),
                1 | 2 => server.back_up(BackupType::Differential),
                3..=6 => server.back_up(BackupType::Log),
                7 => server.foreign_log(names[database]),
                8 => server.foreign_full(names[database]),
                _ => server.restore(names[database], number),
            }
        }
        let (windows, gaps) = windows(&server.backups, &[]);
        for window in &windows {
            prop_assert!(window.from <= window.to);
            for minute in (window.from - at(0)).num_minutes()..=(window.to - at(0)).num_minutes() {
                let number = window.backup_id.as_u128() as i64;
                let chain = taken(&server, number, to(minute)).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
                server.check_restore(&chain, minute);
            }
        }
        for pair in windows.windows(2) {
            prop_assert!(pair[0].to <= pair[1].from, "one branch, so they do not overlap");
        }
        for gap in &gaps {
            prop_assert!(gap.from < gap.to && !gap.reason.is_empty());
        }
        for backup in &server.backups {
            if let Some(chain) = taken_for(&server, backup.number) {
                server.check_restore(&chain, (backup.ended_at - at(0)).num_minutes());
            }
            if let Ok(chain) = taken(&server, backup.number, RecoveryStop::Latest) {
                server.check_order(&chain);
            }
        }
    }
}
