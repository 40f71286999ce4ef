//! Where a database's log has got to in the course of a restore, and whether a log backup goes on from there.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{LogBackup, LogRange, Lsn};

/// One database's place: up to here its log was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub fork: Uuid,
    pub lsn: Lsn,
}

/// What a stretch of log is to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All of it lies before the place.
    Passed,
    /// It ends at the place: nothing happened meanwhile.
    Idle,
    Next(Place),
    /// What lies between was taken by somebody else, or was lost.
    Gap,
    /// The database was restored meanwhile: this log took another way.
    OtherFork,
}

impl Place {
    pub fn after(range: &LogRange) -> Self {
        Self { fork: range.recovery_fork, lsn: range.last_lsn }
    }

    /// Judges the next stretch of log. It may begin before the place, since a full backup stands in the middle of the log
    /// that is backed up next.
    ///
    /// One that goes over to the place's own fork, before the place, may follow. One that goes over to another fork may not,
    /// though a server would take it: a moment after the place would then be of one way or of the other, and no header tells
    /// when the restore was that they part at.
    pub fn step(self, range: &LogRange) -> Step {
        let begins_on = range.first_recovery_fork.unwrap_or(range.recovery_fork);
        let crosses = begins_on != range.recovery_fork;
        let is_behind_fork = !crosses || range.fork_point_lsn.is_some_and(|point| point <= self.lsn);
        if self.fork != range.recovery_fork || !is_behind_fork {
            return Step::OtherFork;
        }
        let next = Self::after(range);
        if next.lsn < self.lsn {
            Step::Passed
        } else if range.first_lsn > self.lsn {
            Step::Gap
        } else if next.lsn == self.lsn {
            Step::Idle
        } else {
            Step::Next(next)
        }
    }
}

/// The places of all of a backup's databases that keep their log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position<'a>(BTreeMap<&'a str, Place>);

/// What a log backup is to a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Advance<'a> {
    Passed,
    Idle,
    To(Position<'a>),
    /// It can't be applied; says why, naming the database.
    Broken(String),
}

impl<'a> Position<'a> {
    pub fn after(backup: &'a LogBackup) -> Self {
        let kept = backup.ranges.iter().filter(|range| range.keeps_log);
        Self(kept.map(|range| (range.database.as_str(), Place::after(range))).collect())
    }

    pub fn has_log(&self) -> bool {
        !self.0.is_empty()
    }

    /// Up to when a log backup covers all of the databases.
    pub fn covered_until(&self, log: &LogBackup) -> Option<chrono::DateTime<chrono::Utc>> {
        let own = log.ranges.iter().filter(|range| self.0.contains_key(range.database.as_str()));
        own.map(|range| range.covered_until).min()
    }

    /// Whether a later position on the same way lies at or beyond this one in every database.
    pub fn is_reached_by(&self, later: &Self) -> bool {
        let reached = |(database, place): (&&str, &Place)| {
            later.0.get(database).is_some_and(|end| end.fork == place.fork && place.lsn <= end.lsn)
        };
        self.0.iter().all(reached)
    }

    /// All of the databases together: one that can't go on stops the others.
    pub fn advance(&self, log: &LogBackup) -> Advance<'a> {
        let (mut next, mut moves, mut is_idle) = (self.clone(), false, false);
        for (database, place) in &self.0 {
            let Some(range) = log.ranges.iter().find(|range| range.database == *database) else {
                let why = format!("Database {database} is not in log backup {}.", log.number);
                return Advance::Broken(why);
            };
            match place.step(range) {
                Step::Passed => {}
                Step::Idle => is_idle = true,
                Step::Next(place) => {
                    next.0.insert(database, place);
                    moves = true;
                }
                Step::Gap => {
                    return Advance::Broken(format!(
                        "The log of database {database} from LSN {} to {} was not backed up here before backup {}: somebody else \
                         backed it up, or that backup is gone.",
                        place.lsn, range.first_lsn, log.number
                    ));
                }
                Step::OtherFork => {
                    return Advance::Broken(format!(
                        "Database {database} was restored before backup {}, whose log goes on from another point.",
                        log.number
                    ));
                }
            }
        }
        match (moves, is_idle) {
            (true, _) => Advance::To(next),
            (false, true) => Advance::Idle,
            (false, false) => Advance::Passed,
        }
    }
}
