//! An instant as it is typed: on the clocks that the app shows, with what is below the second in a field of its own.

use chrono::{DateTime, Local, NaiveDateTime, SubsecRound, TimeDelta, Utc};
use domain::recovery::instants_of;
use leptos::prelude::*;

use super::clock::Clock;

/// From and to, both included.
pub type Stretch = (DateTime<Utc>, DateTime<Utc>);

/// What stands in the fields.
#[derive(Clone, Copy)]
pub struct Typed {
    /// As `<input type="datetime-local">` has it.
    pub local: RwSignal<String>,
    /// The digits behind the second's point.
    pub fraction: RwSignal<String>,
    /// Of a time that clocks show twice, the second showing.
    pub later: RwSignal<bool>,
}

/// What the fields mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Only when nothing speaks against it.
    pub at: Option<DateTime<Utc>>,
    /// Both instants of a time that clocks show twice.
    pub twice: Vec<DateTime<Utc>>,
    pub problem: Option<String>,
    /// The nearest instants that are allowed, when this one is not.
    pub nearest: Vec<DateTime<Utc>>,
}

/// How far the viewer's clocks are ahead of UTC, in seconds.
pub fn offset_at(at: DateTime<Utc>) -> i32 {
    at.with_timezone(&Local).offset().local_minus_utc()
}

/// What the clocks that are shown say, as the browser's field takes it.
pub fn field_value(at: DateTime<Utc>, utc: bool) -> String {
    let ahead = if utc { 0 } else { offset_at(at) };
    (at.naive_utc() + TimeDelta::seconds(i64::from(ahead))).format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The instants that a field's value means.
pub fn instants(value: &str, utc: bool) -> Option<Vec<DateTime<Utc>>> {
    let whole = if value.len() == 16 { format!("{value}:00") } else { value.to_owned() };
    let local: NaiveDateTime = whole.parse().ok()?;
    Some(if utc { vec![local.and_utc()] } else { instants_of(local, &offset_at) })
}

/// Up or down to what the log tells apart.
fn round(at: DateTime<Utc>, whole: bool, up: bool) -> DateTime<Utc> {
    let (digits, step) = if whole { (0, TimeDelta::seconds(1)) } else { (6, TimeDelta::microseconds(1)) };
    let down = at.trunc_subsecs(digits);
    if up && down < at { down + step } else { down }
}

/// The instant that is allowed, or the nearest ones before and behind it that are.
fn nearest(at: DateTime<Utc>, allowed: &[Stretch], whole: bool) -> Vec<DateTime<Utc>> {
    let stretches = allowed.iter().map(|(from, to)| (round(*from, whole, true), round(*to, whole, false)));
    let stretches: Vec<Stretch> = stretches.filter(|(from, to)| from <= to).collect();
    if stretches.iter().any(|(from, to)| *from <= at && at <= *to) {
        return vec![at];
    }
    let before = stretches.iter().map(|(_, to)| *to).filter(|to| *to < at).max();
    let behind = stretches.iter().map(|(from, _)| *from).filter(|from| *from > at).min();
    before.into_iter().chain(behind).collect()
}

impl Typed {
    pub fn new() -> Self {
        Self { local: RwSignal::default(), fraction: RwSignal::default(), later: RwSignal::default() }
    }

    /// Fills the fields with an instant, or with the nearest one that is allowed.
    pub fn set(self, at: DateTime<Utc>, allowed: &[Stretch], whole: bool, utc: bool) {
        let candidates = nearest(round(at, whole, false), allowed, whole);
        let at = candidates.into_iter().min_by_key(|one| (*one - at).abs()).unwrap_or(at);
        let value = field_value(at, utc);
        let second =
            instants(&value, utc).is_some_and(|both| both.last().is_some_and(|last| *last <= at && both.len() > 1));
        self.later.set(second);
        self.local.set(value);
        let micros = at.timestamp_subsec_micros();
        let digits = format!("{micros:06}");
        self.fraction.set(if whole || micros == 0 { String::new() } else { digits.trim_end_matches('0').to_owned() });
    }

    /// Reads the fields. `whole`: the log carries whole seconds.
    pub fn read(self, clock: Clock, allowed: &[Stretch], whole: bool) -> Reading {
        let refused = |problem: &str| Reading { problem: Some(problem.to_owned()), ..Reading::default() };
        let Some(instants) = self.local.with(|value| instants(value, clock.utc.get())) else {
            return refused("Enter a whole date and time.");
        };
        let chosen = if self.later.get() { instants.last() } else { instants.first() };
        let Some(chosen) = chosen.copied() else {
            return refused("Your clocks skipped this time: they went from before it to after it at once.");
        };
        let fraction = self.fraction.with(|digits| digits.trim().to_owned());
        if fraction.len() > 6 || !fraction.bytes().all(|one| one.is_ascii_digit()) {
            return refused("The fraction has at most six digits.");
        }
        let micros = format!("{fraction:0<6}").parse().unwrap_or(0);
        let at = chosen + TimeDelta::microseconds(if whole { 0 } else { micros });
        let near = nearest(at, allowed, whole);
        let twice = if instants.len() > 1 { instants } else { Vec::new() };
        if near == [at] {
            return Reading { at: Some(at), twice, ..Reading::default() };
        }
        let problem = match () {
            () if at > clock.now.get_untracked() => "This is in the future.",
            () if near.is_empty() => "No instant can be restored.",
            () if near.iter().all(|one| *one > at) => "Nothing reaches back so far.",
            () if near.len() == 1 => "The archived log does not reach so far yet.",
            () => "No archived log holds this instant.",
        };
        Reading { at: None, twice, problem: Some(problem.to_owned()), nearest: near }
    }
}

/// `2026-11-22 07:00:01.25`: the fraction only where there is one.
pub fn with_fraction(written: String, at: DateTime<Utc>) -> String {
    match at.timestamp_subsec_micros() {
        0 => written,
        micros => format!("{written}.{}", format!("{micros:06}").trim_end_matches('0')),
    }
}
