use super::*;

fn recurrence(text: &str) -> Recurrence {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn runs(text: &str, after: &str, count: usize) -> Vec<String> {
    let runs = recurrence(text).runs_after(time(after)).take(count).collect::<Vec<_>>();
    runs.iter().map(|run| run.format("%Y-%m-%dT%H:%M").to_string()).collect()
}

#[test]
fn the_text_reads_back_as_the_same_value() {
    for (text, canonical) in [
        ("TZ=UTC 0 5 * * *", "TZ=UTC 0 5 * * *"),
        ("  tz=europe/berlin   0  5 * * MON-fri ", "TZ=Europe/Berlin 0 5 * * MON-fri"),
        ("CRON_TZ=America/New_York */15 * * jan 7", "TZ=America/New_York */15 * * jan 7"),
        ("TZ=UTC @EVERY 3 Days FROM 2026-11-22T05:00", "TZ=UTC @every 3 days from 2026-11-22T05:00"),
        ("TZ=UTC @every 1 hours from 2026-11-22T05:30", "TZ=UTC @every 1 hour from 2026-11-22T05:30"),
    ] {
        let value = recurrence(text);
        assert_eq!(value.to_string(), canonical);
        assert_eq!(recurrence(canonical), recurrence(&value.to_string()));
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, format!("{canonical:?}"));
        assert_eq!(serde_json::from_str::<Recurrence>(&json).unwrap().to_string(), canonical);
    }
}

#[test]
fn refusals_say_which_field_and_what_is_allowed() {
    let mut table = String::new();
    for text in [
        "",
        "0 5 * * *",
        "TZ= 0 5 * * *",
        "TZ=Europe/Atlantis 0 5 * * *",
        "PATH=UTC 0 5 * * *",
        "TZ=UTC",
        "TZ=UTC 0 5 * *",
        "TZ=UTC 0 0 5 * * *",
        "TZ=UTC 0 0 5 * * * 2027",
        "TZ=UTC @daily",
        "TZ=UTC 60 5 * * *",
        "TZ=UTC 0 24 * * *",
        "TZ=UTC 0 5 0 * *",
        "TZ=UTC 0 5 32 * *",
        "TZ=UTC 0 5 * 13 *",
        "TZ=UTC 0 5 * january *",
        "TZ=UTC 0 5 * * 8",
        "TZ=UTC 0 5 * * monday",
        "TZ=UTC 0 5 L * *",
        "TZ=UTC 0 5 ? * *",
        "TZ=UTC 0 5 * * 5#2",
        "TZ=UTC 5/10 * * * *",
        "TZ=UTC */0 * * * *",
        "TZ=UTC */90 * * * *",
        "TZ=UTC */+5 * * * *",
        "TZ=UTC */ * * * *",
        "TZ=UTC 1,,2 * * * *",
        "TZ=UTC 0 22-2 * * *",
        "TZ=UTC -5 5 * * *",
        "TZ=UTC +5 5 * * *",
        "TZ=UTC 99999999999999999999 5 * * *",
        "TZ=UTC 0 0 30 2 *",
        "TZ=UTC 0 0 31 4,6,feb *",
        "TZ=UTC 0 0 30-31 2 *",
        "TZ=UTC @every 3 days",
        "TZ=UTC @every 0 days from 2026-11-22T05:00",
        "TZ=UTC @every 400 days from 2026-11-22T05:00",
        "TZ=UTC @every 3 weeks from 2026-11-22T05:00",
        "TZ=UTC @every 3 days since 2026-11-22T05:00",
        "TZ=UTC @every 3 days from 2026-02-30T05:00",
        "TZ=UTC @every 3 days from 9026-02-20T05:00",
    ] {
        let error = text.parse::<Recurrence>().expect_err(text);
        table.push_str(&format!("{text}\n    {error}\n"));
    }
    insta::assert_snapshot!(table);
    assert_eq!(format!("TZ=UTC {}", "*".repeat(600)).parse::<Recurrence>(), Err(RecurrenceError::TooLong));
}

#[test]
fn descriptions_say_what_the_rule_says() {
    let mut table = String::new();
    for text in [
        "TZ=UTC 0 5 * * *",
        "TZ=Europe/Berlin 30 17 * * *",
        "TZ=UTC * * * * *",
        "TZ=UTC */15 * * * *",
        "TZ=Asia/Kolkata */15 * * * *",
        "TZ=UTC 0 * * * *",
        "TZ=UTC 0 */2 * * *",
        "TZ=UTC 20 */3 * * *",
        "TZ=Europe/Berlin 0 */12 * * *",
        "TZ=UTC 0 */5 * * *",
        "TZ=UTC 0 8-17 * * *",
        "TZ=UTC */15 8-17 * * mon-fri",
        "TZ=UTC */7 * * * *",
        "TZ=UTC 0,30 5,17 * * *",
        "TZ=UTC 0 5 * * 0",
        "TZ=UTC 0 5 * * 7,6",
        "TZ=UTC 0 5 * * FRI-SUN",
        "TZ=UTC 0 5 1,15 * *",
        "TZ=UTC 0 5 */2 * *",
        "TZ=UTC 0 5 1 1,7 *",
        "TZ=UTC 0 5 * 1,7 *",
        "TZ=UTC 0 5 13 * 5",
        "TZ=UTC 0 5 */10 * 1",
        "TZ=UTC 0 5 * 1 1",
        "TZ=UTC 0 5 1-31 * 1",
        "TZ=UTC 0 5 29 2 *",
        "TZ=UTC @every 3 days from 2026-11-22T05:00",
        "TZ=Europe/Berlin @every 5 hours from 2026-11-22T09:30",
    ] {
        table.push_str(&format!("{text}\n    {}\n", recurrence(text).description()));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn fields_mean_what_crontab_5_says() {
    // 2026-11-22 is a Sunday.
    let after = "2026-11-22T12:00:00Z";
    for (text, expected) in [
        ("TZ=UTC 0 5 * * *", ["2026-11-23T05:00", "2026-11-24T05:00", "2026-11-25T05:00"]),
        // Sunday is 0 and 7, and weekdays are not the cron crate's.
        ("TZ=UTC 0 5 * * 0", ["2026-11-29T05:00", "2026-12-06T05:00", "2026-12-13T05:00"]),
        ("TZ=UTC 0 5 * * 7", ["2026-11-29T05:00", "2026-12-06T05:00", "2026-12-13T05:00"]),
        ("TZ=UTC 0 5 * * 1", ["2026-11-23T05:00", "2026-11-30T05:00", "2026-12-07T05:00"]),
        ("TZ=UTC 0 5 * * Sat,sUn", ["2026-11-28T05:00", "2026-11-29T05:00", "2026-12-05T05:00"]),
        ("TZ=UTC 0 5 * * 5-7", ["2026-11-27T05:00", "2026-11-28T05:00", "2026-11-29T05:00"]),
        ("TZ=UTC 0 5 * * FRI-SUN", ["2026-11-27T05:00", "2026-11-28T05:00", "2026-11-29T05:00"]),
        // Both kinds of days restricted: either.
        ("TZ=UTC 0 5 13 * 5", ["2026-11-27T05:00", "2026-12-04T05:00", "2026-12-11T05:00"]),
        ("TZ=UTC 0 5 1 12 TUE", ["2026-12-01T05:00", "2026-12-08T05:00", "2026-12-15T05:00"]),
        ("TZ=UTC 0 5 30 2 5", ["2027-02-05T05:00", "2027-02-12T05:00", "2027-02-19T05:00"]),
        // A star in one of them: both.
        ("TZ=UTC 0 5 */10 * 1", ["2026-12-21T05:00", "2027-01-11T05:00", "2027-02-01T05:00"]),
        ("TZ=UTC 50-59/4,5 23 * * *", ["2026-11-22T23:05", "2026-11-22T23:50", "2026-11-22T23:54"]),
        ("TZ=UTC 0 5 29 2 *", ["2028-02-29T05:00", "2032-02-29T05:00", "2036-02-29T05:00"]),
        ("TZ=UTC 0 5 31 * *", ["2026-12-31T05:00", "2027-01-31T05:00", "2027-03-31T05:00"]),
        // A step of days begins anew with each month: that is why @every exists.
        ("TZ=UTC 0 5 */15 * *", ["2026-12-01T05:00", "2026-12-16T05:00", "2026-12-31T05:00"]),
    ] {
        assert_eq!(runs(text, after, 3), expected, "{text}");
    }
}

#[test]
fn every_n_days_crosses_the_ends_of_months() {
    assert_eq!(
        runs("TZ=UTC @every 2 days from 2027-01-29T05:00", "2026-12-30T00:00:00Z", 4),
        ["2027-01-29T05:00", "2027-01-31T05:00", "2027-02-02T05:00", "2027-02-04T05:00"]
    );
    // The same time of day on both sides of a clock change.
    assert_eq!(
        runs("TZ=Europe/Berlin @every 3 days from 2026-03-26T05:00", "2026-03-26T04:00:00Z", 2),
        ["2026-03-29T03:00", "2026-04-01T03:00"]
    );
}

#[test]
fn every_n_hours_crosses_midnight_and_clock_changes() {
    assert_eq!(
        runs("TZ=UTC @every 5 hours from 2026-11-22T01:30", "2026-11-22T20:00:00Z", 3),
        ["2026-11-22T21:30", "2026-11-23T02:30", "2026-11-23T07:30"]
    );
    assert_eq!(
        runs("TZ=Europe/Berlin @every 7 hours from 2026-10-24T22:00", "2026-10-24T19:00:00Z", 3),
        ["2026-10-24T20:00", "2026-10-25T03:00", "2026-10-25T10:00"]
    );
}

#[test]
fn f44_clock_changes_neither_lose_nor_repeat_a_run() {
    assert_eq!(
        runs("TZ=Europe/Berlin 30 2 * * *", "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]
    );
    assert_eq!(
        runs("TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30", "2026-10-26T01:30"]
    );
    // In the second showing of the hour nothing is due.
    assert_eq!(runs("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30"]);
    // Many skipped times are one run, the same as the first time after them.
    assert_eq!(
        runs("TZ=Europe/Berlin */30 * * * *", "2026-03-29T00:10:00Z", 3),
        ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]
    );
    assert_eq!(
        runs("TZ=Europe/Berlin */30 * * * *", "2026-10-25T00:10:00Z", 2),
        ["2026-10-25T00:30", "2026-10-25T02:00"]
    );
    assert_eq!(
        runs("TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-02T16:00:00Z", 2),
        ["2026-10-03T15:30", "2026-10-04T15:15"]
    );
    // A day that Samoa never had.
    assert_eq!(
        runs("TZ=Pacific/Apia 0 5 * * *", "2011-12-29T12:00:00Z", 3),
        ["2011-12-29T15:00", "2011-12-30T10:00", "2011-12-30T15:00"]
    );
}

#[test]
fn distances_of_runs_are_known() {
    for (text, minutes) in [
        ("TZ=UTC * * * * *", 1),
        ("TZ=UTC */15 * * * *", 15),
        ("TZ=UTC */7 * * * *", 4),
        ("TZ=UTC 0 * * * *", 60),
        ("TZ=UTC 0 5 * * *", 1_440),
        ("TZ=UTC 0 0,23 * * *", 60),
        ("TZ=UTC 0 0,23 * * 1", 23 * 60),
        ("TZ=UTC 59,0 0,23 1 * *", 59),
        ("TZ=UTC 0 5 * * 1,4", 3 * 1_440),
        ("TZ=UTC 0 5 1,31 * *", 1_440),
        ("TZ=UTC 0 5 1 * *", 28 * 1_440),
        ("TZ=UTC 0 5 3 12 */5", 366 * 1_440),
        ("TZ=UTC 0 5 29 2 *", (366 + 3 * 365) * 1_440),
        ("TZ=UTC @every 5 hours from 2026-11-22T01:30", 300),
        ("TZ=UTC @every 3 days from 2026-11-22T01:30", 3 * 1_440),
    ] {
        assert_eq!(recurrence(text).shortest_interval_minutes(), minutes, "{text}");
    }
}

#[test]
fn the_ends_of_time_are_no_panic() {
    for text in ["TZ=Pacific/Kiritimati * * * * *", "TZ=UTC @every 3 days from 2026-11-22T05:00", "TZ=UTC 0 5 29 2 *"] {
        let recurrence = recurrence(text);
        assert!(recurrence.next_run(DateTime::<Utc>::MIN_UTC).is_some());
        assert_eq!(recurrence.next_run(DateTime::<Utc>::MAX_UTC), None);
        assert_eq!(recurrence.next_run(time("2100-12-31T23:59:59Z")), None);
    }
}

proptest::proptest! {
    #[test]
    fn reading_any_text_never_panics(text in "(TZ=[A-Za-z/]{0,8} )?[-*/,0-9a-zA-Z@ ]{0,30}") {
        let _ = text.parse::<Recurrence>();
    }

    #[test]
    fn what_is_read_is_described_and_written_again(
        minutes in "([*]|[0-5]?[0-9]|[*]/[1-9]|1-[2-9])", hours in "([*]|1?[0-9]|[*]/[1-9]|1-[2-9])",
        days in "([*]|1?[1-9]|[*]/[1-9]|1-[2-9])", months in "([*]|1[0-2]|[*]/[1-9]|1-[2-9])", week in "([*]|[0-7]|[*]/[1-7]|1-[2-7])",
    ) {
        let text = format!("TZ=UTC {minutes} {hours} {days} {months} {week}");
        let recurrence = recurrence(&text);
        proptest::prop_assert_eq!(recurrence.to_string(), text);
        proptest::prop_assert!(recurrence.description().len() > 8);
        let runs: Vec<_> = recurrence.runs_after(time("2026-11-22T00:00:00Z")).take(20).collect();
        let shortest = i64::from(recurrence.shortest_interval_minutes());
        for pair in runs.windows(2) {
            proptest::prop_assert!((pair[1] - pair[0]).num_minutes() >= shortest);
        }
    }
}
