//! What people choose: an instant on their own clocks, and the backup that gets there soonest.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{RecoveryWindow, Window};
use crate::Engine;

/// Whether servers of an engine keep a log that could be archived at all.
pub const fn has_log(engine: Engine) -> bool {
    engine.log_precision_seconds().is_some()
}

/// The instants at which clocks show a local time, the earlier first: none where they skip it, two where they show it
/// twice. `offset_at` tells how far the clocks are ahead of UTC at an instant, in seconds.
pub fn instants_of(local: NaiveDateTime, offset_at: &dyn Fn(DateTime<Utc>) -> i32) -> Vec<DateTime<Utc>> {
    let around = local.and_utc();
    let mut found = Vec::new();
    // Clocks are at most a day apart from UTC, and change less often than every other day.
    for days in [-1, 1] {
        let offset = offset_at(around + TimeDelta::days(days));
        let instant = around - TimeDelta::seconds(i64::from(offset));
        if offset_at(instant) == offset && !found.contains(&instant) {
            found.push(instant);
        }
    }
    found.sort_unstable();
    found
}

impl RecoveryWindow {
    /// What can be reached from a backup that ended then: from its end as far as the log goes on. Where stretches of several
    /// branches hold that instant, the backup is of the one that the server was on.
    pub fn reach(&self, backup: Uuid, ended_at: DateTime<Utc>) -> Option<Window> {
        let began = |window: &Window| {
            let branch = self.branches.iter().find(|branch| branch.branch == window.branch);
            branch
                .filter(|branch| branch.from <= ended_at && branch.to.is_none_or(|to| to >= ended_at))
                .map(|one| one.from)
        };
        let holds = |window: &&Window| window.from <= ended_at && ended_at <= window.to;
        let own = self.windows.iter().find(|window| window.backup_id == backup);
        let window = own.or_else(|| self.windows.iter().filter(holds).max_by_key(|window| began(window)))?;
        Some(Window { from: ended_at.max(window.from), backup_id: backup, ..window.clone() })
    }

    /// The newest of the backups from which an instant of a branch can be reached, by id and end; else the one that the
    /// stretch begins with.
    pub fn backup_for(&self, backups: &[(Uuid, DateTime<Utc>)], at: DateTime<Utc>, branch: &str) -> Option<Uuid> {
        let reaches = |(id, ended_at): &&(Uuid, DateTime<Utc>)| {
            *ended_at <= at
                && self.reach(*id, *ended_at).is_some_and(|window| window.branch == branch && at <= window.to)
        };
        let newest = backups.iter().filter(reaches).max_by_key(|(_, ended_at)| *ended_at);
        newest.map(|(id, _)| *id).or_else(|| Some(self.window_at(at, branch)?.backup_id))
    }

    /// The stretch of a branch that holds an instant.
    pub fn window_at(&self, at: DateTime<Utc>, branch: &str) -> Option<&Window> {
        self.windows.iter().find(|window| window.branch == branch && window.from <= at && at <= window.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_archive::LogArchiving;
    use crate::recovery::Branch;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-22T06:{minute:02}:00Z").parse().unwrap()
    }

    fn window(from: u32, to: u32, backup: u128, branch: &str) -> Window {
        Window { from: at(from), to: at(to), backup_id: Uuid::from_u128(backup), branch: branch.into() }
    }

    fn branch(name: &str, from: u32, to: Option<u32>) -> Branch {
        Branch {
            branch: name.into(),
            restore_id: None,
            parent: None,
            from: at(from),
            to: to.map(at),
            restored_to: None,
            is_current: to.is_none(),
        }
    }

    fn known() -> RecoveryWindow {
        RecoveryWindow {
            supported: true,
            reason: None,
            // The second restore was undone: the first line went on meanwhile.
            windows: vec![window(1, 50, 1, "origin"), window(22, 28, 3, "other")],
            gaps: Vec::new(),
            latest_restorable_time: Some(at(50)),
            precision_seconds: 1.0,
            log_archiving: LogArchiving::default(),
            branches: vec![branch("origin", 0, None), branch("other", 20, Some(30))],
        }
    }

    #[test]
    fn the_newest_backup_on_the_same_branch_is_chosen() {
        let backups: Vec<_> =
            [(1, 1), (2, 10), (3, 22), (4, 40)].map(|(id, end)| (Uuid::from_u128(id), at(end))).to_vec();
        let chosen = |minute, branch| known().backup_for(&backups, at(minute), branch).map(|id| id.as_u128());
        for (minute, branch, backup) in [
            (0, "origin", None),
            (1, "origin", Some(1)),
            (15, "origin", Some(2)),
            (25, "origin", Some(2)),
            (25, "other", Some(3)),
            (29, "other", None),
            (45, "origin", Some(4)),
            (51, "origin", None),
        ] {
            assert_eq!(chosen(minute, branch), backup, "{minute} {branch}");
        }
        assert_eq!(known().backup_for(&[], at(15), "origin"), Some(Uuid::from_u128(1)), "one that is not listed");
    }

    #[test]
    fn local_times_have_none_one_or_two_instants() {
        use chrono::{Offset, TimeZone};
        for (zone, local, instants) in [
            ("Europe/Berlin", "2026-10-25T02:30:00", vec!["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
            ("Europe/Berlin", "2026-10-25T03:00:00", vec!["2026-10-25T02:00:00Z"]),
            ("Europe/Berlin", "2026-03-29T02:30:00", vec![]),
            ("Europe/Berlin", "2026-03-29T03:00:00", vec!["2026-03-29T01:00:00Z"]),
            ("Australia/Lord_Howe", "2026-04-05T01:45:00", vec!["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"]),
            ("Pacific/Apia", "2011-12-30T05:00:00", vec![]),
            ("UTC", "2026-10-25T02:30:00", vec!["2026-10-25T02:30:00Z"]),
        ] {
            let zone: chrono_tz::Tz = zone.parse().unwrap();
            let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
            let expected: Vec<DateTime<Utc>> = instants.iter().map(|one| one.parse().unwrap()).collect();
            assert_eq!(instants_of(local.parse().unwrap(), &offset), expected, "{local} {zone}");
        }
    }
}
