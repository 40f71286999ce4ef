//! The records of one schedule's due times, under the rules that decisions rely on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::schedule::decision::{OpenRun, OpenState};

/// What became of a due time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RunState {
    Open(OpenState),
    Running,
    Ended,
    Missed,
    Skipped,
}

/// The record of one due time.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// How many backups were started for it.
    pub attempt: u32,
    pub state: RunState,
}

/// How often things happened.
#[derive(Default)]
pub struct Totals {
    pub started: usize,
    pub retried: usize,
    pub missed: usize,
    pub skipped: usize,
    /// Starts that the records did not allow.
    pub turned_away: usize,
}

/// All records, one per due time.
#[derive(Default)]
pub struct Records {
    pub runs: BTreeMap<DateTime<Utc>, Run>,
    open: BTreeSet<DateTime<Utc>>,
    /// The backup that runs: its due time and when it will end.
    pub running: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Records {
    /// Starts a backup that will end at a time, if none runs and the record of the due time allows this attempt.
    pub fn start(&mut self, due_at: DateTime<Utc>, attempt: u32, until: DateTime<Utc>) -> bool {
        let run = self.runs.get(&due_at).copied().unwrap_or(Run { attempt: 0, state: RunState::Missed });
        if self.running.is_some() || run.attempt + 1 != attempt || run.state == RunState::Ended {
            return false;
        }
        self.running = Some((due_at, until));
        self.put(due_at, Run { attempt, state: RunState::Running });
        true
    }

    /// Ends the backup that runs.
    pub fn end(&mut self, outcome: impl FnOnce(u32) -> RunState) {
        let (due_at, _) = self.running.take().unwrap();
        let attempt = self.runs[&due_at].attempt;
        self.put(due_at, Run { attempt, state: outcome(attempt) });
    }

    /// Records what became of a due time for which nothing was started.
    pub fn record(&mut self, due_at: DateTime<Utc>, state: RunState) {
        if self.runs.get(&due_at).is_none_or(|run| run.attempt == 0) {
            self.put(due_at, Run { attempt: 0, state });
        }
    }

    pub fn give_up(&mut self, due_at: DateTime<Utc>) {
        let run = self.runs[&due_at];
        assert!(matches!(run.state, RunState::Open(OpenState::Failed { .. })), "{run:?}");
        self.put(due_at, Run { state: RunState::Ended, ..run });
    }

    pub fn open_runs(&self) -> Vec<OpenRun> {
        let state = |due_at| match self.runs[due_at].state {
            RunState::Open(state) => state,
            other => panic!("{other:?} is not open"),
        };
        self.open.iter().map(|due_at| OpenRun { due_at: *due_at, state: state(due_at) }).collect()
    }

    pub fn count(&self, state: RunState) -> usize {
        self.runs.values().filter(|run| run.state == state).count()
    }

    fn put(&mut self, due_at: DateTime<Utc>, run: Run) {
        match run.state {
            RunState::Open(_) => self.open.insert(due_at),
            _ => self.open.remove(&due_at),
        };
        self.runs.insert(due_at, run);
    }
}
