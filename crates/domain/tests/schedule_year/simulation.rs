//! One schedule's year: carries out decisions, disturbs them, and accounts for what should have come due.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::error_code::RetryClass;
use domain::schedule::decision::{
    Action, Availability, CLOCK_TOLERANCE, Decision, OpenState, ScheduleState, begin, decide, edit, pause,
};
use domain::{Recurrence, ScheduleSettings, ScheduleStatus};

use crate::random::Random;
use crate::records::{Records, RunState, Totals};

/// A span of the scheduler's clock during which a recurrence was active, its start excluded.
struct Span {
    recurrence: Recurrence,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// One schedule, its datastore and its scheduler.
pub struct Simulation {
    random: Random,
    settings: ScheduleSettings,
    /// How long jitter holds this schedule back.
    delay: TimeDelta,
    state: ScheduleState,
    wake_at: Option<DateTime<Utc>>,
    records: Records,
    /// Spans in which missed runs were summed up.
    summed_up: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    spans: Vec<Span>,
    /// Up to where the clock was accounted for.
    accounted: DateTime<Utc>,
    /// Time as it really passes, and how far the scheduler's clock is off.
    real: DateTime<Utc>,
    skew: TimeDelta,
    went_back: bool,
    busy_until: DateTime<Utc>,
    /// From when on nothing disturbs the schedule any more.
    calm_from: DateTime<Utc>,
    totals: Totals,
}

impl Simulation {
    pub fn new(seed: u64, start: DateTime<Utc>) -> Self {
        let mut random = Random(seed);
        let id = random.id();
        let jitter_seconds = if random.one_in(2) { 3_600 } else { 0 };
        let settings = ScheduleSettings { jitter_seconds, ..ScheduleSettings::default() };
        let recurrence = random.recurrence();
        let begun = begin(id, &recurrence, start, &settings);
        Self {
            random,
            settings,
            delay: begun.wake_at.unwrap() - begun.next_run_at.unwrap(),
            wake_at: begun.wake_at,
            state: ScheduleState {
                id,
                status: ScheduleStatus::Active,
                recurrence,
                handled_until: begun.handled_until,
                open_runs: Vec::new(),
            },
            records: Records::default(),
            summed_up: Vec::new(),
            spans: Vec::new(),
            accounted: start,
            real: start,
            skew: TimeDelta::zero(),
            went_back: false,
            busy_until: start,
            calm_from: start,
            totals: Totals::default(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.real + self.skew
    }

    pub fn run(&mut self, end: DateTime<Utc>) {
        let mut next_event = self.real + self.random.seconds(3_600, 30 * 86_400);
        while self.real < end {
            let job_end = self.records.running.map(|(_, until)| until);
            let is_ahead = self.state.handled_until > self.now() + CLOCK_TOLERANCE;
            let wake = if is_ahead { Some(self.real) } else { self.wake_at.map(|wake| wake - self.skew) };
            let next = [wake, job_end, Some(next_event), Some(end)].into_iter().flatten().min().unwrap();
            // Every scheduler looks a little late, and never twice at once.
            self.real = next.max(self.real) + self.random.seconds(0, 3);
            self.end_job();
            if self.real >= next_event {
                next_event = self.real + self.random.seconds(3_600, 30 * 86_400);
                self.event();
            }
            self.look();
        }
        // The clock is far ahead for a moment.
        if self.has_jumps() {
            self.set_clock(TimeDelta::days(4));
            self.look();
        }
        // It is set right, and all that is still to be settled gets the time for it.
        self.set_clock(TimeDelta::zero());
        self.busy_until = self.real;
        self.calm_from = self.real;
        for turn in 0..130 {
            self.end_job();
            self.look();
            self.real += TimeDelta::hours(4);
            if turn == 120 {
                self.pause();
            }
        }
    }

    fn pause(&mut self) {
        let decision = pause(&self.state, self.now());
        self.account(self.now());
        self.state.status = ScheduleStatus::Paused;
        self.apply(&decision);
    }

    fn has_jumps(&self) -> bool {
        self.state.id.as_u128().is_multiple_of(2)
    }

    fn set_clock(&mut self, skew: TimeDelta) {
        self.went_back |= skew < self.skew;
        self.skew = skew;
    }

    /// Something that nobody planned.
    fn event(&mut self) {
        match self.random.below(7) {
            // The scheduler is down.
            0 | 1 => self.real += self.random.seconds(600, 10 * 86_400),
            2 | 3 if self.state.status == ScheduleStatus::Active => self.pause(),
            2 | 3 => {
                let decision = begin(self.state.id, &self.state.recurrence, self.now(), &self.settings);
                self.accounted = self.now();
                self.state.status = ScheduleStatus::Active;
                self.apply(&decision);
            }
            4 => {
                let recurrence = self.random.recurrence();
                let decision = edit(&self.state, &recurrence, self.now(), &self.availability(), &self.settings);
                self.account(self.now());
                self.apply(&decision);
                self.accounted = decision.handled_until;
                self.state.recurrence = recurrence;
            }
            5 => self.busy_until = self.real + self.random.seconds(60, 3 * 3_600),
            // The clock jumps, to the right time or to a wrong one; only for every other schedule.
            _ if self.has_jumps() => {
                let skew =
                    if self.random.one_in(2) { TimeDelta::zero() } else { self.random.seconds(-200_000, 200_000) };
                self.set_clock(skew);
            }
            _ => {}
        }
    }

    fn availability(&self) -> Availability {
        if self.real < self.busy_until || self.records.running.is_some() {
            return Availability::Busy("something else".to_owned());
        }
        Availability::Free
    }

    /// One turn of the scheduler.
    fn look(&mut self) {
        let decision = decide(&self.state, self.now(), &self.availability(), &self.settings);
        // It crashed before it could record anything.
        if self.random.one_in(50) {
            self.wake_at = Some(self.now() + TimeDelta::seconds(30));
            return;
        }
        if decision.handled_until < self.state.handled_until {
            // The clock went back, and its times come again.
            self.accounted = decision.handled_until;
        }
        if self.state.status == ScheduleStatus::Active {
            self.account(self.now() - self.delay);
        }
        self.apply(&decision);
        // A second scheduler decided the same at the same time: its state is not the recorded one any more, and even
        // if nobody checked that, the records would turn its starts away.
        if self.random.one_in(10) {
            for action in &decision.actions {
                if let Action::Start { due_at, attempt } = action {
                    assert!(!self.start(*due_at, *attempt), "{due_at} started twice");
                }
            }
        }
    }

    /// Accounts for the clock up to a time, unless that was done.
    fn account(&mut self, to: DateTime<Utc>) {
        if self.state.status == ScheduleStatus::Paused || to <= self.accounted {
            return;
        }
        let (recurrence, from) = (&self.state.recurrence, self.accounted);
        match self.spans.last_mut() {
            Some(last) if last.to == from && last.recurrence == *recurrence => last.to = to,
            _ => self.spans.push(Span { recurrence: recurrence.clone(), from, to }),
        }
        self.accounted = to;
    }

    /// Ends the backup that runs, when it is time.
    fn end_job(&mut self) {
        if self.records.running.is_none_or(|(_, until)| until > self.real) {
            return;
        }
        let now = self.now();
        let has_failed = self.random.one_in(6);
        let retry = if self.random.one_in(4) { RetryClass::Never } else { RetryClass::WithBackoff };
        self.records.end(|attempt| {
            if has_failed { RunState::Open(OpenState::Failed { attempt, at: now, retry }) } else { RunState::Ended }
        });
        self.state.open_runs = self.records.open_runs();
        self.wake_at = Some(now);
    }

    /// Carries out a decision.
    fn apply(&mut self, decision: &Decision) {
        let now = self.now();
        for action in &decision.actions {
            match action {
                Action::Start { due_at, attempt } => {
                    let started = self.start(*due_at, *attempt);
                    // Only a clock that went back makes a due time come again.
                    assert!(started || self.went_back, "{due_at} came again");
                }
                Action::Miss { due_at, also_since } => {
                    due_at.iter().for_each(|due_at| self.records.record(*due_at, RunState::Missed));
                    let first = due_at[0];
                    self.summed_up.extend(also_since.map(|since| (since, first)));
                }
                Action::Wait { due_at, .. } => {
                    self.records.record(*due_at, RunState::Open(OpenState::Waiting { since: now }));
                }
                Action::Skip { due_at, .. } => self.records.record(*due_at, RunState::Skipped),
                Action::RetryAt { .. } => {}
                Action::GiveUp { due_at } => self.records.give_up(*due_at),
            }
        }
        self.state.handled_until = decision.handled_until;
        self.state.open_runs = self.records.open_runs();
        // Looking again while something waits is not done every few seconds here, to save time.
        let patience = self.random.seconds(300, 1_500);
        self.wake_at =
            decision.wake_at.map(|wake| if self.state.open_runs.is_empty() { wake } else { wake.max(now + patience) });
    }

    /// Starts a backup, if the record allows it.
    fn start(&mut self, due_at: DateTime<Utc>, attempt: u32) -> bool {
        let until = self.real + self.random.seconds(60, 2 * 3_600);
        let is_started = self.records.start(due_at, attempt, until);
        match attempt {
            _ if !is_started => self.totals.turned_away += 1,
            1 => self.totals.started += 1,
            _ => self.totals.retried += 1,
        }
        is_started
    }

    /// Compares the records with what should have come due.
    pub fn verify(mut self) -> Totals {
        let runs = &self.records.runs;
        let mut expected = BTreeSet::new();
        for span in &self.spans {
            expected.extend(span.recurrence.runs_after(span.from).take_while(|run| *run <= span.to));
        }
        let summed_up = |due: &DateTime<Utc>| self.summed_up.iter().any(|(since, until)| due > since && due < until);
        for due in &expected {
            assert!(runs.contains_key(due) || summed_up(due), "{due} of {} was lost", self.state.id);
        }
        // Undisturbed, nothing is missed: a clock that was wrong silences no schedule.
        let is_slow = self.state.recurrence.shortest_interval_minutes() >= 24 * 60;
        for (due, run) in runs {
            assert!(expected.contains(due), "{due} never came due: {run:?}");
            assert!(matches!(run.state, RunState::Ended | RunState::Missed | RunState::Skipped), "{due}: {run:?}");
            assert!(
                *due <= self.calm_from || !is_slow || run.state != RunState::Missed,
                "{due} of {} was missed",
                self.state.id
            );
        }
        self.totals.missed = self.records.count(RunState::Missed);
        self.totals.skipped = self.records.count(RunState::Skipped);
        self.totals
    }
}
