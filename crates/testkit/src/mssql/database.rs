//! One database: its log, where its backups stand, and what a restore has done to it.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use uuid::Uuid;

use super::media::{BackupSet, Change, DatabaseFile, Lsn, Record};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Online,
    Restoring,
    Offline,
}

impl State {
    /// As `sys.databases` has it.
    pub(super) const fn number_and_name(self) -> (i64, &'static str) {
        match self {
            Self::Online => (0, "ONLINE"),
            Self::Restoring => (1, "RESTORING"),
            Self::Offline => (6, "OFFLINE"),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Database {
    pub id: i32,
    pub name: String,
    pub created: NaiveDateTime,
    /// `FULL`, `BULK_LOGGED` or `SIMPLE`.
    pub recovery: String,
    pub state: State,
    pub is_single_user: bool,
    pub group: Option<Uuid>,
    pub family: Uuid,
    /// The recovery fork that is written now, and the one at the beginning of the next log backup.
    pub fork: Uuid,
    pub fork_of_next_log: Uuid,
    pub fork_point: Option<Lsn>,
    pub files: Vec<DatabaseFile>,
    pub records: Vec<Record>,
    pub next_lsn: Lsn,
    /// Where the next log backup begins; none without a chain.
    pub log_start: Option<Lsn>,
    pub differential_base: Option<(Lsn, Uuid)>,
    /// The checkpoint of the newest full backup.
    pub database_backup_lsn: Lsn,
    /// Up to where a restoring database was rolled forward.
    pub redo_lsn: Lsn,
    /// Users with the login that each belongs to.
    pub users: Vec<(String, String)>,
    pub padding_bytes: usize,
}

impl Database {
    pub(super) fn new(id: i32, name: &str, created: NaiveDateTime, first_lsn: Lsn) -> Self {
        let fork = Uuid::new_v4();
        Self {
            id,
            name: name.to_owned(),
            created,
            recovery: "FULL".to_owned(),
            state: State::Online,
            is_single_user: false,
            group: None,
            family: Uuid::new_v4(),
            fork,
            fork_of_next_log: fork,
            fork_point: None,
            files: Vec::new(),
            records: Vec::new(),
            next_lsn: first_lsn,
            log_start: None,
            differential_base: None,
            database_backup_lsn: Lsn(0),
            redo_lsn: Lsn(0),
            users: Vec::new(),
            padding_bytes: 0,
        }
    }

    pub(super) const fn is_system(&self) -> bool {
        self.id <= 4
    }

    /// Gives out the next number of the log.
    pub(super) fn log(&mut self) -> Lsn {
        let lsn = self.next_lsn;
        self.next_lsn = Lsn(lsn.0 + 8);
        lsn
    }

    /// The log keeps times as `datetime`: in ticks of a 300th of a second, rounded.
    pub(super) fn commit(&mut self, change: Change, at: DateTime<Utc>) -> Lsn {
        let lsn = self.log();
        let ticks = (i128::from(at.timestamp_subsec_nanos()) * 300 + 500_000_000) / 1_000_000_000;
        let milliseconds = i64::try_from((ticks * 10 + 1) / 3).unwrap_or_default();
        let at = at - Duration::nanoseconds(at.timestamp_subsec_nanos().into()) + Duration::milliseconds(milliseconds);
        self.records.push(Record { lsn, at, change });
        lsn
    }

    /// The rows of `dbo.entries`.
    pub(super) fn entries(&self) -> Vec<String> {
        let mut entries = Vec::new();
        for record in &self.records {
            match &record.change {
                Change::Insert(note) => entries.push(note.clone()),
                Change::DeleteAll => entries.clear(),
            }
        }
        entries
    }

    /// Ends the roll-forward: the database comes up on a new recovery fork.
    pub(super) fn recover(&mut self) {
        self.state = State::Online;
        self.fork_of_next_log = self.fork;
        self.fork_point = Some(self.redo_lsn);
        self.fork = Uuid::new_v4();
        self.next_lsn = Lsn(self.redo_lsn.0 + 8);
        self.log_start = (self.recovery != "SIMPLE").then_some(self.redo_lsn);
    }

    /// Takes over a full backup's content; it is restoring then.
    pub(super) fn load(&mut self, set: &BackupSet, files: Vec<DatabaseFile>) {
        self.state = State::Restoring;
        self.recovery.clone_from(&set.recovery_model);
        self.is_single_user = false;
        self.group = None;
        self.family = set.family;
        self.fork = set.fork;
        self.fork_of_next_log = set.fork;
        self.files = files;
        self.records.clone_from(&set.records);
        self.users.clone_from(&set.users);
        self.redo_lsn = set.last_lsn;
        self.differential_base = Some((set.checkpoint_lsn, set.guid));
        self.database_backup_lsn = set.checkpoint_lsn;
        self.padding_bytes = set.padding.len();
    }
}
