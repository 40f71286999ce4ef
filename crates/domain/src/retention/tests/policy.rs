//! Policies on the wire, their refusals and their words.

use super::*;

fn policy(json: &str) -> RetentionPolicy {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn what_is_left_out_is_no_rule() {
    assert_eq!(policy("{}"), RetentionPolicy::default());
    assert!(policy(r#"{"point_in_time_window_days":7}"#).keeps_for_ever());
    assert!(!policy(r#"{"keep_yearly":7}"#).keeps_for_ever());
    assert_eq!(
        serde_json::to_string(&policy(r#"{"keep_days":30,"keep_weekly":null}"#)).unwrap(),
        "{\"keep_days\":30,\"keep_last\":null,\"keep_hourly\":null,\"keep_daily\":null,\"keep_weekly\":null,\
         \"keep_monthly\":null,\"keep_yearly\":null,\"point_in_time_window_days\":null,\"minimum_good_backups\":2}"
    );
    for bad in [r#"{"keep_dayz":30}"#, r#"{"keep_days":-1}"#, r#"{"keep_days":4294967296}"#, r#"{"keep_days":1.5}"#] {
        assert!(serde_json::from_str::<RetentionPolicy>(bad).is_err(), "{bad}");
    }
}

#[test]
fn f74_refusals_name_the_field_and_say_why() {
    let mut table = String::new();
    for json in [
        "{}",
        r#"{"keep_days":36500,"keep_last":10000,"keep_hourly":10000,"point_in_time_window_days":36500}"#,
        r#"{"keep_days":0}"#,
        r#"{"keep_days":36501,"keep_yearly":10001,"point_in_time_window_days":4294967295}"#,
        r#"{"keep_last":0,"keep_hourly":0,"keep_daily":0,"keep_weekly":0,"keep_monthly":0,"keep_yearly":0}"#,
        r#"{"point_in_time_window_days":0}"#,
        r#"{"minimum_good_backups":0}"#,
        r#"{"minimum_good_backups":10001}"#,
        r#"{"keep_last":1}"#,
        r#"{"keep_last":1,"minimum_good_backups":1}"#,
        r#"{"keep_last":7,"minimum_good_backups":8}"#,
        r#"{"keep_days":7,"point_in_time_window_days":8}"#,
        r#"{"keep_days":7,"point_in_time_window_days":7}"#,
        r#"{"keep_monthly":7,"point_in_time_window_days":8}"#,
    ] {
        let errors = policy(json).validate();
        let errors: Vec<_> = errors.iter().map(|error| format!("  {}: {}\n", error.pointer, error.detail)).collect();
        table.push_str(&format!("{json}\n{}", if errors.is_empty() { "  good\n".into() } else { errors.concat() }));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn policies_in_words() {
    let mut table = String::new();
    for json in [
        "{}",
        r#"{"point_in_time_window_days":7}"#,
        r#"{"keep_days":30}"#,
        r#"{"keep_days":1,"point_in_time_window_days":1,"minimum_good_backups":1}"#,
        r#"{"keep_last":7}"#,
        r#"{"keep_last":1,"minimum_good_backups":1}"#,
        r#"{"keep_daily":1}"#,
        r#"{"keep_daily":7,"keep_weekly":4}"#,
        r#"{"keep_days":14,"keep_last":3,"keep_hourly":24,"keep_daily":7,"keep_weekly":4,"keep_monthly":12,"keep_yearly":5,
            "point_in_time_window_days":14,"minimum_good_backups":3}"#,
    ] {
        table.push_str(&format!("{json}\n  {}\n", policy(json).description()));
    }
    insta::assert_snapshot!(table);
}
