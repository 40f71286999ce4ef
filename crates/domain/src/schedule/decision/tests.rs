use super::*;

fn time(text: &str) -> DateTime<Utc> {
    format!("2026-11-{text}Z").replace(' ', "T").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn daily(handled_until: &str) -> ScheduleState {
    ScheduleState {
        id: Uuid::from_u128(7),
        status: ScheduleStatus::Active,
        recurrence: "TZ=UTC 0 5 * * *".parse().unwrap(),
        handled_until: time(handled_until),
        open_runs: Vec::new(),
    }
}

fn waiting(due_at: &str, since: &str) -> OpenRun {
    OpenRun { due_at: time(due_at), state: OpenState::Waiting { since: time(since) } }
}

fn failed(due_at: &str, attempt: u32, at: &str) -> OpenRun {
    OpenRun { due_at: time(due_at), state: OpenState::Failed { attempt, at: time(at), retry: RetryClass::WithBackoff } }
}

fn busy() -> Availability {
    Availability::Busy("backup 175 is running".to_owned())
}

fn start(due_at: &str, attempt: u32) -> Action {
    Action::Start { due_at: time(due_at), attempt }
}

fn settings() -> ScheduleSettings {
    ScheduleSettings::default()
}

#[test]
fn a_due_run_starts_once() {
    let mut state = daily("21 05:00:00");
    let early = decide(&state, time("22 04:59:59"), &Availability::Free, &settings());
    assert_eq!(early.actions, []);
    assert_eq!((early.next_run_at, early.wake_at), (Some(time("22 05:00:00")), Some(time("22 05:00:00"))));
    let due = decide(&state, time("22 05:00:00"), &Availability::Free, &settings());
    assert_eq!(due.actions, [start("22 05:00:00", 1)]);
    assert_eq!((due.handled_until, due.wake_at), (time("22 05:00:00"), Some(time("23 05:00:00"))));
    state.handled_until = due.handled_until;
    assert_eq!(decide(&state, time("22 05:00:01"), &Availability::Free, &settings()).actions, []);
}

#[test]
fn f14_the_newest_of_several_runs_late_and_the_others_are_missed() {
    let decision = decide(&daily("18 05:00:00"), time("22 12:00:00"), &Availability::Free, &settings());
    let missed = vec![time("19 05:00:00"), time("20 05:00:00"), time("21 05:00:00")];
    assert_eq!(decision.actions, [Action::Miss { due_at: missed, also_since: None }, start("22 05:00:00", 1)]);
}

#[test]
fn f14_years_of_missed_runs_are_a_bounded_record() {
    let mut state = daily("18 05:00:00");
    state.handled_until = "2020-01-01T00:00:00Z".parse().unwrap();
    let decision = decide(&state, time("22 12:00:00"), &Availability::Free, &settings());
    let [Action::Miss { due_at, also_since }, Action::Start { .. }] = decision.actions.as_slice() else {
        panic!("{decision:?}")
    };
    assert_eq!((due_at.len(), *also_since), (MAX_MISSED, Some(state.handled_until)));
}

#[test]
fn f43_a_clock_that_goes_back_finds_nothing_to_do() {
    // Within what clocks differ: all is settled.
    let state = daily("22 05:00:00");
    let decision = decide(&state, time("22 04:56:00"), &Availability::Free, &settings());
    assert_eq!((decision.actions.as_slice(), decision.handled_until), ([].as_slice(), time("22 05:00:00")));
    // Far back: due times come again, so that a clock once wrong does not silence the schedule. Their records turn
    // away what was started.
    let decision = decide(&state, time("20 04:00:00"), &Availability::Free, &settings());
    assert_eq!((decision.actions.as_slice(), decision.handled_until), ([].as_slice(), time("20 04:00:00")));
    assert_eq!(decision.wake_at, Some(time("20 05:00:00")));
}

#[test]
fn a_busy_datastore_is_waited_for_up_to_a_limit() {
    let mut state = daily("21 05:00:00");
    let decision = decide(&state, time("22 05:00:01"), &busy(), &settings());
    assert_eq!(
        decision.actions,
        [Action::Wait { due_at: time("22 05:00:00"), holder: "backup 175 is running".to_owned() }]
    );
    assert_eq!(decision.wake_at, Some(time("22 05:00:16")));
    state.handled_until = decision.handled_until;
    state.open_runs = vec![waiting("22 05:00:00", "22 05:00:01")];
    assert_eq!(decide(&state, time("22 05:59:50"), &busy(), &settings()).actions, []);
    assert_eq!(decide(&state, time("22 05:59:50"), &busy(), &settings()).wake_at, Some(time("22 06:00:01")));
    assert_eq!(
        decide(&state, time("22 05:59:50"), &Availability::Free, &settings()).actions,
        [start("22 05:00:00", 1)]
    );
    let decision = decide(&state, time("22 06:00:01"), &busy(), &settings());
    let [Action::Skip { due_at, reason }] = decision.actions.as_slice() else { panic!("{decision:?}") };
    assert_eq!(*due_at, time("22 05:00:00"));
    assert_eq!(reason.to_string(), "the datastore was busy for 1 h 00 min: backup 175 is running");
    // The clock went back meanwhile: the wait begins anew and does not last for hours.
    let decision = decide(&state, time("22 03:00:00"), &busy(), &settings());
    assert!(matches!(decision.actions.as_slice(), [Action::Wait { .. }]), "{decision:?}");
}

#[test]
fn a_run_that_can_not_start_is_skipped_with_the_reason() {
    let unable = Availability::Unable("the datastore is being deleted".to_owned());
    let decision = decide(&daily("21 05:00:00"), time("22 05:00:01"), &unable, &settings());
    let [Action::Skip { reason, .. }] = decision.actions.as_slice() else { panic!("{decision:?}") };
    assert_eq!(reason.to_string(), "the datastore is being deleted");
}

#[test]
fn failed_runs_are_tried_again_with_growing_pauses_and_then_given_up() {
    let mut state = daily("22 05:00:00");
    let mut decide_at = |attempt, now: &str, availability: &Availability| {
        state.open_runs = vec![failed("22 05:00:00", attempt, "22 05:10:00")];
        decide(&state, time(now), availability, &settings())
    };
    let soon = decide_at(1, "22 05:10:01", &Availability::Free);
    assert_eq!(soon.actions, [Action::RetryAt { due_at: time("22 05:00:00"), at: time("22 05:15:00") }]);
    assert_eq!(soon.wake_at, Some(time("22 05:15:00")));
    assert_eq!(decide_at(1, "22 05:15:00", &Availability::Free).actions, [start("22 05:00:00", 2)]);
    assert_eq!(decide_at(2, "22 05:20:00", &Availability::Free).actions, [start("22 05:00:00", 3)]);
    let give_up = [Action::GiveUp { due_at: time("22 05:00:00") }];
    assert_eq!(decide_at(3, "22 05:10:01", &Availability::Free).actions, give_up);
    // Busy: it waits like any other run, and not for ever.
    assert_eq!(decide_at(1, "22 05:16:00", &busy()).actions, []);
    assert_eq!(decide_at(1, "22 05:16:00", &busy()).wake_at, Some(time("22 05:16:15")));
    assert_eq!(decide_at(1, "22 06:15:00", &busy()).actions, give_up);
    // The clock went back to before the failure.
    assert_eq!(decide_at(1, "22 05:01:00", &Availability::Free).actions, [start("22 05:00:00", 2)]);
    // What can't help is not tried.
    state.open_runs = vec![OpenRun {
        due_at: time("22 05:00:00"),
        state: OpenState::Failed { attempt: 1, at: time("22 05:10:00"), retry: RetryClass::Never },
    }];
    assert_eq!(decide(&state, time("22 05:20:00"), &Availability::Free, &settings()).actions, give_up);
}

#[test]
fn pauses_between_retries_are_bounded() {
    let delays: Vec<i64> = (1..=9).map(|attempt| settings().retry_delay(attempt).num_minutes()).collect();
    assert_eq!(delays, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
    assert_eq!(settings().retry_delay(u32::MAX).num_minutes(), 360);
}

#[test]
fn a_newer_run_takes_the_place_of_one_that_is_still_open() {
    let mut state = daily("21 05:00:00");
    state.open_runs = vec![failed("20 05:00:00", 1, "22 04:59:00"), waiting("21 05:00:00", "22 04:59:00")];
    let decision = decide(&state, time("22 05:00:00"), &Availability::Free, &settings());
    assert_eq!(
        decision.actions,
        [
            Action::GiveUp { due_at: time("20 05:00:00") },
            Action::Skip { due_at: time("21 05:00:00"), reason: SkipReason::Superseded { by: time("22 05:00:00") } },
            start("22 05:00:00", 1),
        ]
    );
}

#[test]
fn jitter_moves_the_start_and_nothing_else() {
    let jittered = ScheduleSettings { jitter_seconds: 3_600, ..settings() };
    let state = daily("21 05:00:00");
    let delay = jitter::delay(state.id, 3_600);
    assert!(delay > TimeDelta::minutes(1), "the test needs an id that is delayed: {delay}");
    let waits = decide(&state, time("22 05:00:30"), &Availability::Free, &jittered);
    assert_eq!((waits.actions.as_slice(), waits.next_run_at), ([].as_slice(), Some(time("22 05:00:00"))));
    assert_eq!(waits.wake_at, Some(time("22 05:00:00") + delay));
    let starts = decide(&state, time("22 05:00:00") + delay, &Availability::Free, &jittered);
    assert_eq!(starts.actions, [start("22 05:00:00", 1)]);
    assert_eq!(starts.next_run_at, Some(time("23 05:00:00")));
    // A pause within the delay leaves a record, and an edit does not lose the run.
    let paused = pause(&state, time("22 05:00:30"));
    assert_eq!(paused.actions, [Action::Skip { due_at: time("22 05:00:00"), reason: SkipReason::Paused }]);
    let recurrence = "TZ=UTC 0 6 * * *".parse().unwrap();
    let edited = edit(&state, &recurrence, time("22 05:00:30"), &Availability::Free, &jittered);
    assert_eq!(edited.actions, [start("22 05:00:00", 1)]);
    assert_eq!(edited.wake_at, Some(time("22 06:00:00") + delay));
}

#[test]
fn a_paused_schedule_ends_what_it_began_and_begins_nothing() {
    let mut state = daily("19 05:00:00");
    state.open_runs = vec![waiting("19 05:00:00", "19 05:00:00"), failed("18 05:00:00", 1, "18 05:30:00")];
    let paused = pause(&state, time("22 04:00:00"));
    assert_eq!(
        paused.actions,
        [
            Action::Skip { due_at: time("19 05:00:00"), reason: SkipReason::Paused },
            Action::GiveUp { due_at: time("18 05:00:00") },
            Action::Miss { due_at: vec![time("20 05:00:00")], also_since: None },
            Action::Skip { due_at: time("21 05:00:00"), reason: SkipReason::Paused },
        ]
    );
    assert_eq!((paused.handled_until, paused.next_run_at, paused.wake_at), (time("22 04:00:00"), None, None));
    state = ScheduleState { status: ScheduleStatus::Paused, open_runs: Vec::new(), ..daily("22 04:00:00") };
    assert_eq!(decide(&state, time("24 12:00:00"), &Availability::Free, &settings()).actions, []);
    let resumed = begin(state.id, &state.recurrence, time("24 12:00:00"), &settings());
    assert_eq!((resumed.actions.as_slice(), resumed.next_run_at), ([].as_slice(), Some(time("25 05:00:00"))));
}

#[test]
fn an_edit_settles_the_old_times_and_goes_on_with_the_new() {
    let mut state = daily("21 05:00:00");
    let recurrence = "TZ=UTC 0 4 * * *".parse().unwrap();
    let edited = edit(&state, &recurrence, time("22 04:30:00"), &Availability::Free, &settings());
    assert_eq!((edited.actions.as_slice(), edited.handled_until), ([].as_slice(), time("22 04:30:00")));
    assert_eq!(edited.next_run_at, Some(time("23 04:00:00")));
    // A run that waits goes on waiting.
    state.open_runs = vec![waiting("21 05:00:00", "22 04:29:00")];
    let edited = edit(&state, &recurrence, time("22 04:30:00"), &busy(), &settings());
    assert_eq!((edited.actions.as_slice(), edited.wake_at), ([].as_slice(), Some(time("22 04:30:15"))));
}
