//! Pages, filters and totals.

use std::collections::HashSet;

use chrono::Duration;
use domain::{BackupType, JobKind, JobStatus, Method};
use store::{BackupFilter, JobFilter, PageRequest, StoreError};

use crate::fixture::{after, now};
use crate::on_both;

on_both! {
    fn pages_hold_every_backup_once_while_more_arrive(fixture) {
        let datastore = fixture.datastore("shop");
        let made: HashSet<_> = (0..23).map(|_| fixture.completed_backup(datastore.id, 5).id).collect();
        let mut seen = Vec::new();
        let mut page = PageRequest { limit: 5, cursor: None };
        loop {
            let answer = fixture.store.backup_list(datastore.id, &BackupFilter::default(), &page).unwrap();
            assert!(answer.items.windows(2).all(|pair| pair[0].number > pair[1].number), "newest first");
            seen.extend(answer.items.iter().map(|backup| backup.id));
            page.cursor = answer.next_cursor;
            if page.cursor.is_none() {
                break;
            }
            fixture.completed_backup(datastore.id, 5);
        }
        assert_eq!(seen.len(), 23);
        assert_eq!(seen.into_iter().collect::<HashSet<_>>(), made);
    }

    fn filters_and_totals_agree(fixture) {
        let datastore = fixture.datastore("shop");
        // What an incremental one is built on.
        fixture.completed_backup(datastore.id, 5);
        for (number, (method, backup_type)) in [
            (Method::PgDump, BackupType::Full),
            (Method::PgBasebackup, BackupType::Incremental),
            (Method::PgBasebackup, BackupType::Full),
        ]
        .into_iter()
        .enumerate()
        {
            let at = now() + Duration::hours(i64::try_from(number).unwrap() + 1);
            let backup =
                fixture.store.backup_create(datastore.id, method, backup_type, at).unwrap();
            fixture.store.job_cancel(backup.job_id, at).unwrap();
        }
        let running = fixture.backup(datastore.id);
        let numbers = |filter: BackupFilter| {
            let page = fixture.store.backup_list(datastore.id, &filter, &PageRequest::default()).unwrap();
            let numbers: Vec<_> = page.items.iter().map(|backup| backup.number).collect();
            assert_eq!(page.total, i64::try_from(numbers.len()).unwrap(), "{filter:?}");
            numbers
        };
        let all = BackupFilter::default;
        assert_eq!(numbers(all()), [5, 4, 3, 2, 1]);
        assert_eq!(numbers(BackupFilter { status: Some(JobStatus::Cancelled), ..all() }), [4, 3, 2]);
        assert_eq!(numbers(BackupFilter { status: Some(JobStatus::Pending), ..all() }), [running.number]);
        assert_eq!(numbers(BackupFilter { method: Some(Method::PgDump), ..all() }), [2]);
        assert_eq!(numbers(BackupFilter { backup_type: Some(BackupType::Incremental), ..all() }), [3]);
        let both = BackupFilter { method: Some(Method::PgBasebackup), backup_type: Some(BackupType::Full), ..all() };
        assert_eq!(numbers(both), [5, 4, 1]);
        let hours = |hours| Some(now() + Duration::hours(hours));
        assert_eq!(numbers(BackupFilter { from: hours(1), to: hours(3), ..all() }), [3, 2]);
        assert_eq!(numbers(BackupFilter { from: hours(2), status: Some(JobStatus::Cancelled), ..all() }), [4, 3]);
    }

    fn jobs_are_listed_newest_first_by_kind_status_and_datastore(fixture) {
        let shop = fixture.datastore("shop");
        let other = fixture.datastore("other");
        for _ in 0..3 {
            fixture.completed_backup(shop.id, 5);
        }
        let last = fixture.completed_backup(other.id, 5);
        fixture.store.backup_verify_start(last.id, after(50)).unwrap();
        let list = |filter: JobFilter| {
            let mut seen = Vec::new();
            let mut page = PageRequest { limit: 2, cursor: None };
            loop {
                let answer = fixture.store.job_list(&filter, &page).unwrap();
                seen.extend(answer.items);
                page.cursor = answer.next_cursor;
                if page.cursor.is_none() {
                    assert_eq!(answer.total, i64::try_from(seen.len()).unwrap());
                    return seen;
                }
            }
        };
        let all = list(JobFilter::default());
        assert_eq!(all.len(), 5);
        assert_eq!(all[0].kind, JobKind::Verify);
        assert_eq!(all.iter().map(|job| job.id).collect::<HashSet<_>>().len(), 5);
        assert_eq!(list(JobFilter { datastore_id: Some(shop.id), ..JobFilter::default() }).len(), 3);
        assert_eq!(list(JobFilter { status: Some(JobStatus::Pending), ..JobFilter::default() }).len(), 1);
        assert_eq!(list(JobFilter { kind: Some(JobKind::Backup), ..JobFilter::default() }).len(), 4);
    }

    fn cursors_that_no_list_gave_are_refused(fixture) {
        let datastore = fixture.datastore("shop");
        for cursor in ["zz", "00", "", &hex::encode("x y"), "ff".repeat(3).as_str(), "ü"] {
            let page = PageRequest { limit: 10, cursor: Some(cursor.into()) };
            let backups = fixture.store.backup_list(datastore.id, &BackupFilter::default(), &page);
            assert!(matches!(backups, Err(StoreError::InvalidCursor)), "{cursor:?} {backups:?}");
            let jobs = fixture.store.job_list(&JobFilter::default(), &page);
            assert!(matches!(jobs, Err(StoreError::InvalidCursor)), "{cursor:?} {jobs:?}");
        }
    }

    fn a_span_of_time_is_paged_too(fixture) {
        let datastore = fixture.datastore("shop");
        for _ in 0..7 {
            fixture.completed_backup(datastore.id, 5);
        }
        let span = BackupFilter { from: Some(now()), to: Some(after(1)), ..BackupFilter::default() };
        let mut page = PageRequest { limit: 3, cursor: None };
        let mut seen = Vec::new();
        loop {
            let answer = fixture.store.backup_list(datastore.id, &span, &page).unwrap();
            assert_eq!(answer.total, 7);
            seen.extend(answer.items.iter().map(|backup| backup.number));
            page.cursor = answer.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    }

    fn job_totals_follow_a_forgotten_datastore(fixture) {
        let shop = fixture.datastore("shop");
        fixture.completed_backup(shop.id, 5);
        fixture.store.datastore_delete(shop.id, true, after(20)).unwrap();
        let page = fixture.store.job_list(&JobFilter::default(), &PageRequest::default()).unwrap();
        assert_eq!((page.total, page.items.len()), (1, 1));
        let of_shop = JobFilter { datastore_id: Some(shop.id), ..JobFilter::default() };
        assert_eq!(fixture.store.job_list(&of_shop, &PageRequest::default()).unwrap().total, 0);
    }

    fn any_limit_gives_a_page(fixture) {
        let datastore = fixture.datastore("shop");
        fixture.completed_backup(datastore.id, 5);
        for limit in [0, 1, 200, u32::MAX] {
            let page = PageRequest { limit, cursor: None };
            let backups = fixture.store.backup_list(datastore.id, &BackupFilter::default(), &page).unwrap();
            assert_eq!(backups.items.len(), 1);
        }
    }
}
