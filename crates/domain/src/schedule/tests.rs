use super::*;
use crate::datastore::{Capabilities, MethodCapability};
use crate::{BackupKind, BackupType};

fn now() -> DateTime<Utc> {
    "2026-11-22T08:30:15Z".parse().unwrap()
}

fn capabilities() -> Capabilities {
    Capabilities {
        methods: vec![
            MethodCapability {
                method: Method::MariadbDump,
                types: vec![BackupType::Full],
                kind: BackupKind::Logical,
                incremental_reason: None,
            },
            MethodCapability {
                method: Method::Mariabackup,
                types: vec![BackupType::Full, BackupType::Incremental],
                kind: BackupKind::Physical,
                incremental_reason: None,
            },
        ],
        ..Capabilities::default()
    }
}

fn frequency(json: &str) -> Frequency {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn frequencies_and_recurrences_are_two_forms_of_one_thing() {
    for (backup_type, json, recurrence) in [
        (BackupType::Full, r#"{"kind":"hourly","every":1,"minute":0}"#, "TZ=UTC 0 * * * *"),
        (BackupType::Full, r#"{"kind":"hourly","every":6,"minute":30}"#, "TZ=UTC 30 */6 * * *"),
        (
            BackupType::Full,
            r#"{"kind":"hourly","every":12,"minute":5,"time_zone":"Asia/Tokyo"}"#,
            "TZ=Asia/Tokyo 5 */12 * * *",
        ),
        (
            BackupType::Full,
            r#"{"kind":"hourly","every":5,"minute":30,"from":"2026-11-22T09:30:00"}"#,
            "TZ=UTC @every 5 hours from 2026-11-22T09:30",
        ),
        (BackupType::Full, r#"{"kind":"daily","every":1,"at":"05:00","time_zone":"UTC"}"#, "TZ=UTC 0 5 * * *"),
        (
            BackupType::Full,
            r#"{"kind":"daily","every":3,"at":"23:59","time_zone":"Europe/Berlin","from":"2026-12-31"}"#,
            "TZ=Europe/Berlin @every 3 days from 2026-12-31T23:59",
        ),
        (BackupType::Incremental, r#"{"kind":"minutes","every":15}"#, "TZ=UTC */15 * * * *"),
        (BackupType::Incremental, r#"{"kind":"minutes","every":30}"#, "TZ=UTC */30 * * * *"),
        (BackupType::Incremental, r#"{"kind":"minutes","every":60}"#, "TZ=UTC 0 * * * *"),
    ] {
        let value = frequency(json);
        let written = value.recurrence(now()).unwrap();
        assert_eq!(written.to_string(), recurrence);
        assert_eq!(Frequency::of(&written, backup_type), value, "{recurrence}");
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
    }
    for text in ["TZ=UTC 0 5 * * 1", "TZ=UTC */7 * * * *", "TZ=UTC 0 8-17 * * *", "TZ=UTC 0,30 5 * * *"] {
        assert_eq!(Frequency::of(&text.parse().unwrap(), BackupType::Full), Frequency::Cron, "{text}");
    }
    assert_eq!(serde_json::to_string(&Frequency::Cron).unwrap(), r#"{"kind":"cron"}"#);
    assert_eq!(frequency(r#"{"kind":"cron"}"#), Frequency::Cron);
}

#[test]
fn anchors_are_the_next_fitting_time() {
    for (json, recurrence) in [
        (r#"{"kind":"daily","every":2,"at":"05:00"}"#, "TZ=UTC @every 2 days from 2026-11-23T05:00"),
        (r#"{"kind":"daily","every":2,"at":"09:00"}"#, "TZ=UTC @every 2 days from 2026-11-22T09:00"),
        // 19:30 on the same day in Auckland is the day before here.
        (
            r#"{"kind":"daily","every":2,"at":"21:00","time_zone":"Pacific/Auckland"}"#,
            "TZ=Pacific/Auckland @every 2 days from 2026-11-23T21:00",
        ),
        (
            r#"{"kind":"daily","every":2,"at":"22:00","time_zone":"pacific/auckland"}"#,
            "TZ=Pacific/Auckland @every 2 days from 2026-11-22T22:00",
        ),
        (r#"{"kind":"hourly","every":5,"minute":45}"#, "TZ=UTC @every 5 hours from 2026-11-22T08:45"),
        (r#"{"kind":"hourly","every":5,"minute":30}"#, "TZ=UTC @every 5 hours from 2026-11-22T09:30"),
        (r#"{"kind":"hourly","every":24,"minute":30}"#, "TZ=UTC @every 24 hours from 2026-11-22T09:30"),
        // Another minute moves the anchor.
        (
            r#"{"kind":"hourly","every":5,"minute":10,"from":"2026-11-22T09:30:00"}"#,
            "TZ=UTC @every 5 hours from 2026-11-22T09:10",
        ),
    ] {
        assert_eq!(frequency(json).recurrence(now()).unwrap().to_string(), recurrence, "{json}");
    }
}

fn pointers(errors: &[FieldError]) -> Vec<&str> {
    errors.iter().map(|error| error.pointer.as_str()).collect()
}

#[test]
fn bad_frequencies_name_their_fields() {
    for (json, expected) in [
        (r#"{"kind":"minutes","every":20}"#, vec!["/frequency/every"]),
        (r#"{"kind":"minutes","every":0,"time_zone":"Mars"}"#, vec!["/frequency/time_zone", "/frequency/every"]),
        (r#"{"kind":"hourly","every":0,"minute":60}"#, vec!["/frequency/every", "/frequency/minute"]),
        (r#"{"kind":"hourly","every":169,"minute":0}"#, vec!["/frequency/every"]),
        (r#"{"kind":"hourly","every":5,"minute":0,"from":"1900-01-01T00:00:00"}"#, vec!["/frequency/from"]),
        (
            r#"{"kind":"daily","every":367,"at":"25:00","time_zone":""}"#,
            vec!["/frequency/time_zone", "/frequency/every", "/frequency/at"],
        ),
        (r#"{"kind":"daily","every":1,"at":"5"}"#, vec!["/frequency/at"]),
        (r#"{"kind":"daily","every":1,"at":"05:00:00"}"#, vec!["/frequency/at"]),
        (r#"{"kind":"cron"}"#, vec!["/frequency/kind"]),
    ] {
        let errors = frequency(json).recurrence(now()).expect_err(json);
        assert_eq!(pointers(&errors), expected, "{json}");
    }
}

fn create(json: &str) -> Result<ScheduleDraft, Vec<FieldError>> {
    let create: ScheduleCreate = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    create.validate(&capabilities(), &ScheduleSettings::default(), now())
}

#[test]
fn a_new_schedule_takes_the_first_method_that_makes_its_type() {
    let full = create(r#"{"recurrence":"TZ=UTC 0 5 * * *"}"#).unwrap();
    assert_eq!((full.method, full.backup_type), (Method::MariadbDump, BackupType::Full));
    let incremental = create(r#"{"type":"incremental","frequency":{"kind":"minutes","every":15}}"#).unwrap();
    assert_eq!((incremental.method, incremental.backup_type), (Method::Mariabackup, BackupType::Incremental));
}

#[test]
fn bad_schedules_name_all_their_fields() {
    for (json, expected) in [
        (r#"{}"#, vec!["/recurrence"]),
        (r#"{"recurrence":"TZ=UTC 0 5 * * *","frequency":{"kind":"minutes","every":15}}"#, vec!["/recurrence"]),
        (r#"{"recurrence":"0 5 * * *"}"#, vec!["/recurrence"]),
        (r#"{"recurrence":"TZ=UTC 0 0 30 2 *"}"#, vec!["/recurrence"]),
        (r#"{"recurrence":"TZ=UTC * * * * *"}"#, vec!["/recurrence"]),
        (r#"{"recurrence":"TZ=UTC 0,14 * * * *"}"#, vec!["/recurrence"]),
        (r#"{"frequency":{"kind":"minutes","every":60}}"#, vec!["/frequency/kind"]),
        (r#"{"method":"rdb","recurrence":"TZ=UTC 61 * * * *"}"#, vec!["/method", "/recurrence"]),
        (r#"{"method":"mariadb-dump","type":"incremental","recurrence":"TZ=UTC 0 5 * * *"}"#, vec!["/type"]),
        (r#"{"type":"log","recurrence":"TZ=UTC 0 5 * * *"}"#, vec!["/type"]),
    ] {
        assert_eq!(pointers(&create(json).expect_err(json)), expected, "{json}");
    }
    // Increments may come as fast as they like; how fast full backups may come is a setting.
    assert!(create(r#"{"type":"incremental","recurrence":"TZ=UTC * * * * *"}"#).is_ok());
    let every_minute = ScheduleCreate { recurrence: Some("TZ=UTC * * * * *".into()), ..ScheduleCreate::default() };
    assert!(
        every_minute
            .validate(
                &capabilities(),
                &ScheduleSettings { minimum_full_interval_minutes: 1, ..Default::default() },
                now()
            )
            .is_ok()
    );
    let unknown = every_minute.validate(&Capabilities::default(), &ScheduleSettings::default(), now()).unwrap_err();
    assert_eq!(pointers(&unknown), ["/method", "/recurrence"]);
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let current = || ScheduleDraft {
        method: Method::Mariabackup,
        backup_type: BackupType::Full,
        recurrence: "TZ=UTC 0 5 * * *".parse().unwrap(),
    };
    let edit = |json: &str, capabilities: &Capabilities| {
        let patch: SchedulePatch = serde_json::from_str(json).unwrap();
        patch.validate(current(), capabilities, &ScheduleSettings::default(), now())
    };
    assert_eq!(edit("{}", &capabilities()).unwrap(), current());
    // What the server can do does not matter for another time.
    let moved = edit(r#"{"recurrence":"TZ=UTC 0 6 * * *"}"#, &Capabilities::default()).unwrap();
    assert_eq!((moved.method, moved.recurrence.to_string().as_str()), (Method::Mariabackup, "TZ=UTC 0 6 * * *"));
    assert_eq!(pointers(&edit(r#"{"method":"rdb"}"#, &capabilities()).unwrap_err()), ["/method"]);
    assert_eq!(pointers(&edit(r#"{"type":"log"}"#, &capabilities()).unwrap_err()), ["/type"]);
    assert_eq!(pointers(&edit(r#"{"recurrence":"TZ=UTC * * * * *"}"#, &capabilities()).unwrap_err()), ["/recurrence"]);
    let increments = r#"{"type":"incremental","frequency":{"kind":"minutes","every":15}}"#;
    assert_eq!(edit(increments, &capabilities()).unwrap().recurrence.to_string(), "TZ=UTC */15 * * * *");
}

#[test]
fn an_edit_names_its_version_in_the_header_or_the_body() {
    let version = |if_match: Option<&str>, version: Option<i64>| {
        SchedulePatch { version, ..SchedulePatch::default() }.expected_version(if_match).map_err(|error| error.pointer)
    };
    assert_eq!(version(None, None), Ok(None));
    assert_eq!(version(Some("\"3\""), None), Ok(Some(3)));
    assert_eq!(version(Some("W/\"3\""), Some(3)), Ok(Some(3)));
    assert_eq!(version(Some("*"), None), Ok(None));
    assert_eq!(version(None, Some(7)), Ok(Some(7)));
    assert_eq!(version(Some("\"3\""), Some(7)), Err("/version".to_owned()));
    assert_eq!(version(Some("\"abc\""), None), Err("/version".to_owned()));
}

#[test]
fn a_preview_is_what_the_scheduler_will_do() {
    let request: PreviewRequest = serde_json::from_str(
        r#"{"frequency":{"kind":"daily","every":3,"at":"05:00","time_zone":"Europe/Berlin"},"count":2}"#,
    )
    .unwrap();
    let answer = serde_json::to_value(request.answer(now()).unwrap()).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({
            "recurrence": "TZ=Europe/Berlin @every 3 days from 2026-11-23T05:00",
            "description": "At 05:00 Europe/Berlin, every 3 days from 2026-11-23",
            "next_runs": ["2026-11-23T04:00:00Z", "2026-11-26T04:00:00Z"],
        })
    );
    let daily = PreviewRequest { recurrence: Some("TZ=UTC 0 5 * * *".into()), ..PreviewRequest::default() };
    assert_eq!(daily.answer(now()).unwrap().next_runs.len(), 5);
    let last = PreviewRequest { after: Some("2100-12-30T06:00:00Z".parse().unwrap()), ..daily.clone() };
    assert_eq!(last.answer(now()).unwrap().next_runs.len(), 1);
    for (count, after, expected) in [
        (Some(0), None, vec!["/count"]),
        (Some(501), None, vec!["/count"]),
        (Some(501), Some(DateTime::<Utc>::MAX_UTC), vec!["/count", "/after"]),
    ] {
        assert_eq!(pointers(&PreviewRequest { count, after, ..daily.clone() }.answer(now()).unwrap_err()), expected);
    }
    let five_hundred = PreviewRequest { count: Some(500), ..daily };
    assert_eq!(five_hundred.answer(now()).unwrap().next_runs.len(), 500);
}

#[test]
fn a_schedule_on_the_wire_is_as_documented() {
    let recurrence: Recurrence = DEFAULT_RECURRENCE.parse().unwrap();
    let schedule = Schedule {
        id: Uuid::from_u128(1),
        datastore_id: Uuid::from_u128(2),
        method: Method::Mariabackup,
        backup_type: BackupType::Full,
        status: ScheduleStatus::Active,
        recurrence: recurrence.to_string(),
        frequency: Frequency::of(&recurrence, BackupType::Full),
        description: recurrence.description(),
        version: 3,
        created_at: now(),
        updated_at: now(),
        next_run_at: recurrence.next_run(now()),
        last_run: Some(LastRun { at: now(), backup_id: None, backup_number: None, status: RunStatus::Missed }),
    };
    assert_eq!(
        serde_json::to_value(&schedule).unwrap(),
        serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000001",
            "datastore_id": "00000000-0000-0000-0000-000000000002",
            "method": "mariabackup",
            "type": "full",
            "status": "active",
            "recurrence": "TZ=UTC 0 5 * * *",
            "frequency": {"kind": "daily", "every": 1, "at": "05:00", "time_zone": "UTC"},
            "description": "At 05:00 UTC, every day",
            "version": 3,
            "created_at": "2026-11-22T08:30:15Z",
            "updated_at": "2026-11-22T08:30:15Z",
            "next_run_at": "2026-11-23T05:00:00Z",
            "last_run": {"at": "2026-11-22T08:30:15Z", "backup_id": null, "backup_number": null, "status": "missed"},
        })
    );
    assert_eq!(schedule.etag(), "\"3\"");
    assert_eq!(schedule.draft().unwrap().recurrence, recurrence);
}
