//! A simulated year of a thousand schedules, with pauses, edits, outages, crashes, second schedulers, busy datastores, failing
//! backups and clocks that jump: no due time is lost, none is started twice. // F-13, F-14, F-43
//!
//! The simulation carries out decisions by the two rules that [`domain::schedule::decision`] sets, as the control database
//! does. What should have come due is computed apart from the decisions: the runs of the recurrence over the times
//! that the scheduler's clock went through while the schedule was active.

mod random;
mod records;
mod simulation;

use chrono::{DateTime, TimeDelta, Utc};
use records::Totals;
use simulation::Simulation;

#[test]
fn f13_f14_f43_a_year_of_a_thousand_schedules_loses_no_run_and_starts_none_twice() {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut all = Totals::default();
    for seed in 0..1_000 {
        let mut simulation = Simulation::new(seed, start);
        simulation.run(start + TimeDelta::days(365));
        let totals = simulation.verify();
        all.started += totals.started;
        all.retried += totals.retried;
        all.missed += totals.missed;
        all.skipped += totals.skipped;
        all.turned_away += totals.turned_away;
    }
    // Each of these things happened often, or the year proves nothing.
    let Totals { started, retried, missed, skipped, turned_away } = all;
    println!("{started} started, {retried} retried, {missed} missed, {skipped} skipped, {turned_away} turned away");
    assert!(started > 100_000 && retried > 5_000 && missed > 5_000 && skipped > 1_000 && turned_away > 1_000);
}
