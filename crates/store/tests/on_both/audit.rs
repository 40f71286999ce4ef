//! The audit log: in the transaction of the change, append-only, and whoever tampers with it is found out.

use domain::audit::chain::{Break, GENESIS};
use domain::{Actor, ActorKind, AuditEntry, AuditOutcome, BackupType, Method, Subject, SubjectKind};
use store::{AuditFilter, AuditFinding, PageRequest, StoreError};

use crate::fixture::{Fixture, after, now, raw};
use crate::on_both;

fn entry(action: &str, kind: SubjectKind) -> AuditEntry {
    AuditEntry {
        from_address: Some("127.0.0.1".into()),
        request_id: Some("r1".into()),
        ..AuditEntry::new(Actor::unclaimed(), action, Subject::of(kind, None))
    }
}

fn rows(fixture: &Fixture) -> Vec<domain::AuditEvent> {
    fixture.store.audit_after(&AuditFilter::default(), 0, 1000).unwrap()
}

fn verdict(fixture: &Fixture) -> AuditFinding {
    fixture.store.audit_verify().unwrap()
}

fn broken(fixture: &Fixture) -> Break {
    match verdict(fixture) {
        AuditFinding::Broken(found) => found,
        whole => panic!("nothing was found: {whole:?}"),
    }
}

/// Five rows.
fn filled(fixture: &Fixture) {
    for number in 1..=5 {
        let entry = AuditEntry { detail: Some(format!("number {number}")), ..entry("user_create", SubjectKind::User) };
        fixture.store.audit_append(&entry, after(number)).unwrap();
    }
}

/// Does something to the tables behind the store's back.
fn execute(fixture: &Fixture, sql: &str) -> diesel::QueryResult<()> {
    use diesel::connection::SimpleConnection;
    raw(&fixture.url, |sqlite| sqlite.batch_execute(sql), |postgres| postgres.batch_execute(sql))
}

/// Does what an attacker does first, who has the database but not the master key.
fn tamper(fixture: &Fixture, sql: &str) {
    let (sqlite, postgresql) = (
        "drop trigger audit_events_no_update; drop trigger audit_events_no_delete; drop trigger audit_events_no_replace;",
        "drop trigger audit_events_no_change on audit_events; drop trigger audit_events_no_truncate on audit_events;",
    );
    let drop = if fixture.url.starts_with("sqlite") { sqlite } else { postgresql };
    execute(fixture, drop).unwrap();
    execute(fixture, sql).unwrap();
}

on_both! {
    fn a_change_leaves_one_row_in_its_transaction(fixture) {
        let datastore = fixture.datastore("shop");
        assert_eq!(rows(fixture), Vec::new(), "nobody acted");
        let acting = fixture.store.acting(entry("backup_create", SubjectKind::Backup));
        let backup = acting.backup_create(datastore.id, Method::PgBasebackup, BackupType::Full, after(1)).unwrap();
        // The same request goes on, by a clone too.
        acting.clone().job_cancel(backup.job_id, after(2)).unwrap();
        let rows = rows(fixture);
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = &rows[0];
        assert_eq!((row.id, row.at, row.outcome), (1, after(1), AuditOutcome::Succeeded));
        let subject = Subject { kind: SubjectKind::Backup, id: Some(backup.id), name: Some(backup.number.to_string()) };
        assert_eq!((&row.subject, row.datastore_id), (&subject, Some(datastore.id)));
        assert_eq!((row.actor.clone(), row.action.as_str()), (Actor::unclaimed(), "backup_create"));
        assert_eq!((row.from_address.as_deref(), row.request_id.as_deref()), (Some("127.0.0.1"), Some("r1")));
        assert!(matches!(verdict(fixture), AuditFinding::Whole(head) if head.count == 1 && head.hash == row.hash));
    }

    fn a_change_that_is_refused_leaves_none_and_the_next_one_does(fixture) {
        let datastore = fixture.datastore("shop");
        let acting = fixture.store.acting(entry("backup_create", SubjectKind::Backup));
        let create = || acting.backup_create(datastore.id, Method::PgBasebackup, BackupType::Full, after(1));
        fixture.backup(datastore.id);
        assert!(matches!(create().unwrap_err(), StoreError::Busy { .. }));
        assert_eq!(rows(fixture), Vec::new());
        let job = fixture.claim(after(2));
        fixture.finish(&job, domain::assignment::TaskResult::Backup { summary: crate::fixture::summary(1) }, after(3));
        let before = rows(fixture).len();
        create().unwrap();
        assert_eq!(rows(fixture).len(), before + 1);
    }

    fn what_was_deleted_is_named_as_it_was_called(fixture) {
        let datastore = fixture.datastore("shop");
        let mut deletion = entry("datastore_delete", SubjectKind::Datastore);
        deletion.subject.id = Some(datastore.id);
        fixture.store.acting(deletion).datastore_delete(datastore.id, false, after(1)).unwrap();
        let row = rows(fixture).remove(0);
        assert_eq!((row.subject.name.as_deref(), row.datastore_id), (Some("shop"), Some(datastore.id)));
    }

    fn a_refusal_is_written_without_a_change(fixture) {
        let refused = AuditEntry {
            actor: Actor::named(ActorKind::Anonymous, "mallory"),
            ..entry("auth_login", SubjectKind::User).refused("invalid_credentials")
        };
        fixture.store.audit_append(&refused, now()).unwrap();
        let row = rows(fixture).remove(0);
        assert_eq!((row.outcome, row.detail.as_deref()), (AuditOutcome::Refused, Some("invalid_credentials")));
        assert_eq!(fixture.store.audit_get(1).unwrap(), row);
        assert!(matches!(fixture.store.audit_get(2), Err(StoreError::NotFound { .. })));
    }

    fn hostile_text_is_kept_and_still_verifies(fixture) {
        let hostile = AuditEntry {
            actor: Actor::named(ActorKind::Anonymous, "a\0b' or 1=1 --\u{202e}\n"),
            detail: Some("\0".into()),
            ..entry("auth_login", SubjectKind::User)
        };
        fixture.store.audit_append(&hostile, now()).unwrap();
        assert!(matches!(verdict(fixture), AuditFinding::Whole(_)));
    }

    fn many_at_once_make_one_chain(fixture) {
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let store = fixture.store.clone();
                scope.spawn(move || {
                    for number in 0..10 {
                        let entry = entry(&format!("action_{writer}"), SubjectKind::Service);
                        store.audit_append(&entry, after(number)).unwrap();
                    }
                });
            }
        });
        assert!(matches!(verdict(fixture), AuditFinding::Whole(head) if head.count == 80));
        let ids: Vec<i64> = rows(fixture).iter().map(|row| row.id).collect();
        assert_eq!(ids, (1..=80).collect::<Vec<_>>());
    }

    fn the_log_is_listed_by_every_filter_newest_first(fixture) {
        let datastore = fixture.datastore("shop");
        filled(fixture);
        let user = Actor::known(ActorKind::User, uuid::Uuid::from_u128(9), "ada");
        let mut by_user = entry("backup_create", SubjectKind::Backup);
        by_user.actor = user.clone();
        fixture.store.acting(by_user).backup_create(datastore.id, Method::PgBasebackup, BackupType::Full, after(6)).unwrap();
        let refused = entry("user_list", SubjectKind::User).refused("forbidden");
        fixture.store.audit_append(&refused, after(7)).unwrap();
        let ids = |filter: AuditFilter| {
            let mut page = PageRequest { limit: 2, cursor: None };
            let mut ids = Vec::new();
            loop {
                let found = fixture.store.audit_list(&filter, &page).unwrap();
                ids.extend(found.items.iter().map(|row| row.id));
                match found.next_cursor {
                    Some(cursor) => page.cursor = Some(cursor),
                    None => {
                        assert_eq!(found.total, i64::try_from(ids.len()).unwrap());
                        return ids;
                    }
                }
            }
        };
        let all = AuditFilter::default;
        assert_eq!(ids(all()), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(ids(AuditFilter { actor: Some("ada".into()), ..all() }), [6]);
        assert_eq!(ids(AuditFilter { actor: Some(uuid::Uuid::from_u128(9).to_string()), ..all() }), [6]);
        assert_eq!(ids(AuditFilter { action: Some("user_create".into()), ..all() }), [5, 4, 3, 2, 1]);
        assert_eq!(ids(AuditFilter { datastore_id: Some(datastore.id), ..all() }), [6]);
        assert_eq!(ids(AuditFilter { outcome: Some(AuditOutcome::Refused), ..all() }), [7]);
        assert_eq!(ids(AuditFilter { from: Some(after(4)), to: Some(after(6)), ..all() }), [5, 4]);
        let rest = fixture.store.audit_after(&all(), 5, 1).unwrap();
        assert_eq!(rest.iter().map(|row| row.id).collect::<Vec<_>>(), [6]);
    }

    fn the_database_refuses_to_change_the_log(fixture) {
        filled(fixture);
        let mut attempts = vec![
            "update audit_events set detail = 'x' where id = 3",
            "delete from audit_events where id = 3",
            "delete from audit_events",
        ];
        if fixture.url.starts_with("sqlite") {
            attempts.push("insert or replace into audit_events select * from audit_events where id = 3");
        } else {
            attempts.push("truncate audit_events");
        }
        for sql in attempts {
            let refused = execute(fixture, sql).unwrap_err();
            assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
        }
        assert!(matches!(verdict(fixture), AuditFinding::Whole(head) if head.count == 5));
    }

    fn a_changed_row_is_found(fixture) {
        filled(fixture);
        tamper(fixture, "update audit_events set actor_name = 'somebody else' where id = 3");
        assert_eq!(broken(fixture), Break::Altered { id: 3 });
    }

    fn a_word_that_was_never_written_is_found(fixture) {
        filled(fixture);
        tamper(fixture, "update audit_events set outcome = 'fine' where id = 2");
        assert_eq!(broken(fixture), Break::Altered { id: 2 });
    }

    fn a_removed_row_is_found(fixture) {
        filled(fixture);
        tamper(fixture, "delete from audit_events where id in (2, 4)");
        assert_eq!(broken(fixture), Break::Removed { id: 2 });
    }

    fn rows_that_changed_places_are_found(fixture) {
        filled(fixture);
        tamper(
            fixture,
            "update audit_events set id = 99 where id = 2; update audit_events set id = 2 where id = 4; \
             update audit_events set id = 4 where id = 99",
        );
        assert_eq!(broken(fixture), Break::Altered { id: 2 });
    }

    fn an_inserted_row_is_found(fixture) {
        filled(fixture);
        let columns = "at, actor_kind, actor_name, action, subject_kind, outcome, hash";
        tamper(fixture, &format!("insert into audit_events (id, {columns}) select 6, {columns} from audit_events where id = 5"));
        assert_eq!(broken(fixture), Break::Altered { id: 6 });
    }

    fn a_log_that_was_cut_off_is_found_even_after_it_grew_again(fixture) {
        filled(fixture);
        tamper(fixture, "delete from audit_events where id > 3");
        assert_eq!(broken(fixture), Break::CutOff { id: 4, count: 5 });
        filled(fixture);
        assert_eq!(broken(fixture), Break::Removed { id: 4 });
    }

    fn a_log_that_was_emptied_is_found(fixture) {
        filled(fixture);
        tamper(fixture, "delete from audit_events");
        assert_eq!(broken(fixture), Break::CutOff { id: 1, count: 5 });
    }

    fn a_sealed_end_that_was_taken_away_or_forged_is_found_and_stops_nothing(fixture) {
        filled(fixture);
        execute(fixture, "update meta set value = '00' where key = 'audit_head'").unwrap();
        assert_eq!(broken(fixture), Break::NoHead);
        filled(fixture);
        assert_eq!(broken(fixture), Break::Altered { id: 6 });
        execute(fixture, "delete from meta where key = 'audit_head'").unwrap();
        drop(store::Store::open(&fixture.url, fixture.key()).unwrap());
        assert_eq!(broken(fixture), Break::Altered { id: 6 }, "opening does not make it good");
    }

    fn a_log_written_anew_from_the_start_is_found(fixture) {
        filled(fixture);
        // All that an attacker can do without the master key: a chain that is right in itself.
        let mut head = domain::audit::chain::Head::genesis();
        let mut sql = String::from("delete from audit_events;");
        for number in 1..=5 {
            let entry = AuditEntry {
                detail: Some(format!("forged {number}")),
                ..entry("user_create", SubjectKind::User)
            };
            let event = head.append(entry, after(number));
            head = domain::audit::chain::Head::of(&event);
            sql.push_str(&format!(
                "insert into audit_events (id, at, actor_kind, actor_name, action, subject_kind, from_address, outcome, detail, \
                 request_id, hash) values ({number}, {}, 'unclaimed', 'this machine', 'user_create', 'user', '127.0.0.1', \
                 'succeeded', 'forged {number}', 'r1', '{}');",
                event.at.timestamp_micros(),
                event.hash,
            ));
        }
        tamper(fixture, &sql);
        assert_eq!(broken(fixture), Break::Rewritten { id: 5 });
        assert_ne!(head.hash, GENESIS);
    }
}
