//! A server that keeps the books that SQL Server keeps, and can say what it held at any minute. Each deed takes a minute, in
//! which each database gets a row.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::at;
use crate::BackupType;
use crate::transaction_log::{LogBackup, LogRange, Lsn};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    id: u64,
    minute: i64,
    lsn: u128,
}

#[derive(Debug, Clone)]
struct Database {
    rows: Vec<Row>,
    next_lsn: u128,
    fork: u128,
    /// Where the next log backup begins, and on which fork; where it went over to the present one, if it did since.
    log_start: (u128, u128),
    fork_point: Option<u128>,
    /// The checkpoint of the newest full backup, whoever made it.
    full_lsn: u128,
    keeps_log: bool,
}

/// What a backup holds of a database.
#[derive(Debug, Clone)]
struct Held {
    rows: Vec<Row>,
    first_lsn: u128,
    is_log: bool,
    /// The full backup that a differential is built on.
    base: u128,
}

#[derive(Debug, Clone)]
pub struct Server {
    minute: i64,
    ids: u64,
    forks: u128,
    databases: BTreeMap<String, Database>,
    pub backups: Vec<LogBackup>,
    held: BTreeMap<(i64, String), Held>,
    /// What each database held at the end of a minute.
    truth: BTreeMap<(i64, String), Vec<Row>>,
}

impl Server {
    pub fn new(names: &[&str]) -> Self {
        let mut server = Self {
            minute: 0,
            ids: 0,
            forks: 0,
            databases: BTreeMap::new(),
            backups: Vec::new(),
            held: BTreeMap::new(),
            truth: BTreeMap::new(),
        };
        for name in names {
            server.forks += 1;
            let database = Database {
                rows: Vec::new(),
                next_lsn: 100,
                fork: server.forks,
                log_start: (100, server.forks),
                fork_point: None,
                full_lsn: 0,
                keeps_log: true,
            };
            server.databases.insert((*name).to_owned(), database);
        }
        server
    }

    pub fn keep_no_log(&mut self, name: &str) {
        self.databases.get_mut(name).unwrap().keeps_log = false;
    }

    pub fn drop_database(&mut self, name: &str) {
        self.databases.remove(name);
    }

    fn pass_a_minute(&mut self) {
        self.minute += 1;
        for (name, database) in &mut self.databases {
            self.ids += 1;
            database.rows.push(Row { id: self.ids, minute: self.minute, lsn: database.next_lsn });
            database.next_lsn += 10;
            self.truth.insert((self.minute, name.clone()), database.rows.clone());
        }
    }

    /// A backup by us. Its parent is the one that the catalog would choose.
    pub fn back_up(&mut self, backup_type: BackupType) {
        self.pass_a_minute();
        let number = i64::try_from(self.backups.len()).unwrap() + 1;
        let newest = |types: &[BackupType]| {
            self.backups.iter().rev().find(|backup| types.contains(&backup.backup_type)).map(|backup| backup.id)
        };
        let parent_id = match backup_type {
            BackupType::Differential => newest(&[BackupType::Full]),
            BackupType::Log => newest(&[BackupType::Full, BackupType::Log]),
            _ => None,
        };
        let ranges = self.take(backup_type, Some(number), |_| true);
        self.backups.push(LogBackup {
            id: Uuid::from_u128(u128::try_from(number).unwrap()),
            number,
            backup_type,
            parent_id,
            storage_id: Uuid::nil(),
            ended_at: at(self.minute),
            ranges,
        });
    }

    pub fn foreign_log(&mut self, name: &str) {
        self.pass_a_minute();
        self.take(BackupType::Log, None, |database| database == name);
    }

    pub fn foreign_full(&mut self, name: &str) {
        self.pass_a_minute();
        self.take(BackupType::Full, None, |database| database == name);
    }

    fn take(
        &mut self,
        backup_type: BackupType,
        number: Option<i64>,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Vec<LogRange> {
        let is_log = backup_type == BackupType::Log;
        let mut ranges = Vec::new();
        for (name, database) in &mut self.databases {
            if !is_chosen(name) || (is_log && !database.keeps_log) {
                continue;
            }
            let lsn = |number| Lsn::new(number).unwrap();
            let crossing = is_log && database.log_start.1 != database.fork;
            // The checkpoint of a backup is the last record before its end.
            let checkpoint = database.next_lsn - 1;
            let first_lsn = if is_log { database.log_start.0 } else { checkpoint };
            ranges.push(LogRange {
                database: name.clone(),
                recovery_fork: Uuid::from_u128(database.fork),
                first_recovery_fork: crossing.then(|| Uuid::from_u128(database.log_start.1)),
                fork_point_lsn: database.fork_point.filter(|_| crossing).map(lsn),
                first_lsn: lsn(first_lsn),
                last_lsn: lsn(database.next_lsn),
                checkpoint_lsn: lsn(checkpoint),
                database_backup_lsn: lsn(database.full_lsn),
                differential_base_lsn: (backup_type == BackupType::Differential).then(|| lsn(database.full_lsn)),
                covered_until: at(self.minute),
                keeps_log: database.keeps_log,
                is_copy_only: false,
            });
            if let Some(number) = number {
                let held = Held { rows: database.rows.clone(), first_lsn, is_log, base: database.full_lsn };
                self.held.insert((number, name.clone()), held);
            }
            match backup_type {
                BackupType::Full => database.full_lsn = checkpoint,
                BackupType::Log => {
                    database.log_start = (database.next_lsn, database.fork);
                    database.fork_point = None;
                }
                _ => {}
            }
        }
        ranges
    }

    /// Somebody restores a database to the end of one of our backups, if there is such a one.
    pub fn restore(&mut self, name: &str, number: i64) {
        self.pass_a_minute();
        let of_backup = self.backups.iter().find(|backup| backup.number == number);
        let range = of_backup.and_then(|backup| backup.ranges.iter().find(|range| range.database == name).cloned());
        let (Some(range), Some(held)) = (range, self.held.get(&(number, name.to_owned()))) else { return };
        self.forks += 1;
        let database = self.databases.get_mut(name).unwrap();
        let point = range.last_lsn.number();
        *database = Database {
            rows: held.rows.clone(),
            next_lsn: point,
            fork: self.forks,
            log_start: (point, range.recovery_fork.as_u128()),
            fork_point: Some(point),
            full_lsn: held.base.max(if held.is_log { 0 } else { range.checkpoint_lsn.number() }),
            keeps_log: true,
        };
        self.truth.insert((self.minute, name.to_owned()), database.rows.clone());
    }

    /// Applies backups as a server would, which refuses what does not fit.
    fn apply(&self, chain: &[i64], name: &str) -> Vec<Row> {
        let end = |rows: &[Row]| rows.last().map_or(100, |row| row.lsn + 10);
        let mut rows: Option<Vec<Row>> = None;
        for number in chain {
            let held = &self.held[&(*number, name.to_owned())];
            let is_differential = !held.is_log && rows.is_some();
            if let (true, Some(before)) = (held.is_log, &rows) {
                assert!(held.first_lsn <= end(before), "{name}: the log of {number} begins too late");
                let same = held.rows.iter().take(before.len()).eq(before.iter());
                // One that ends before the place is passed over.
                assert!(same || before.starts_with(&held.rows), "{name}: the log of {number} took another way");
                if before.starts_with(&held.rows) {
                    continue;
                }
            }
            if is_differential {
                let full = self.backups.iter().find(|backup| backup.number == chain[0]).unwrap();
                let range = full.ranges.iter().find(|range| range.database == name).unwrap();
                assert_eq!(held.base, range.checkpoint_lsn.number(), "{name}: {number} is of another full");
            }
            rows = Some(held.rows.clone());
        }
        rows.unwrap()
    }

    pub fn check_order(&self, chain: &[i64]) {
        for name in self.databases.keys() {
            self.apply(chain, name);
        }
    }

    pub fn check_restore(&self, chain: &[i64], minute: i64) {
        for name in self.databases.keys() {
            let mut rows = self.apply(chain, name);
            rows.retain(|row| row.minute <= minute);
            assert_eq!(rows, self.truth[&(minute, name.clone())], "{name} at {minute} from {chain:?}");
        }
    }
}
