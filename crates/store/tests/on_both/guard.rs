//! The restore guard: nothing begins before a second person approved it, and a request is decided once.

use domain::approval::{ApprovalRefusal, ApprovalStatus, Requester};
use domain::assignment::{Task, TaskResult};
use domain::{Actor, ActorKind, Backup, BackupType, DatastorePatch, Method, Restore, RestoreStatus, RestoreTarget};
use store::{AuditFilter, RestoreRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, completed, requester, summary};
use crate::on_both;

const DAY: i64 = 24 * 3600;

fn user(id: u128) -> Requester {
    let id = Uuid::from_u128(id);
    Requester { actor: Actor::known(ActorKind::User, id, format!("user-{}", id.as_u128())), person: Some(id) }
}

fn set_guard(fixture: &Fixture, datastore: Uuid, guard: bool) -> Result<(), StoreError> {
    let patch = DatastorePatch { restore_guard: Some(guard), ..DatastorePatch::default() };
    fixture.store.datastore_update(datastore, &patch, after(50)).map(|changed| assert_eq!(changed.restore_guard, guard))
}

/// A guarded datastore's backup.
fn guarded(fixture: &Fixture) -> Backup {
    let datastore = fixture.datastore("shop");
    let backup = fixture.completed_backup(datastore.id, 5);
    set_guard(fixture, datastore.id, true).unwrap();
    backup
}

fn request(fixture: &Fixture, backup: Uuid, by: Requester) -> Result<Restore, StoreError> {
    let target = RestoreTarget::InPlace;
    let request = RestoreRequest { target, stop: None, restore_configuration: false, requested_by: by };
    fixture.store.restore_create(backup, &request, after(100))
}

fn claimed(fixture: &Fixture, at: i64) -> Option<domain::assignment::Assignment> {
    fixture.store.job_claim(&crate::fixture::worker("w1"), 30, after(at)).unwrap()
}

fn status(fixture: &Fixture, restore: Uuid) -> (RestoreStatus, ApprovalStatus) {
    let restore = fixture.store.restore_get(restore).unwrap();
    (restore.status, restore.approval.unwrap().status)
}

on_both! {
    fn without_a_guard_a_restore_needs_nobody(fixture) {
        let datastore = fixture.datastore("shop");
        assert!(!datastore.restore_guard);
        let backup = fixture.completed_backup(datastore.id, 5);
        let restore = request(fixture, backup.id, user(1)).unwrap();
        assert_eq!(restore.approval, None);
        let refused = fixture.store.restore_approve(restore.id, &user(2), None, after(101)).unwrap_err();
        assert!(matches!(refused, StoreError::NotGuarded), "{refused:?}");
        assert!(claimed(fixture, 102).is_some());
    }

    fn a_guarded_restore_can_be_claimed_only_after_a_second_person_approved_it(fixture) {
        let backup = guarded(fixture);
        let restore = request(fixture, backup.id, user(1)).unwrap();
        let approval = restore.approval.clone().unwrap();
        assert_eq!((approval.status, approval.requested_by.as_str()), (ApprovalStatus::Requested, "user-1"));
        assert_eq!((approval.requested_at, approval.expires_at), (after(100), after(100 + DAY)));
        assert!(claimed(fixture, 101).is_none());
        assert!(fixture.store.job_get(restore.job_id).unwrap().awaiting_approval);
        let own = fixture.store.restore_approve(restore.id, &user(1), None, after(102)).unwrap_err();
        assert!(matches!(own, StoreError::Approval(ApprovalRefusal::OwnRequest)), "{own:?}");
        assert!(claimed(fixture, 103).is_none());
        let approved = fixture.store.restore_approve(restore.id, &user(2), Some("go on"), after(104)).unwrap();
        let approval = approved.approval.unwrap();
        assert_eq!((approval.decided_by.as_deref(), approval.note.as_deref()), (Some("user-2"), Some("go on")));
        assert_eq!((approved.status, approval.decided_at), (RestoreStatus::Pending, Some(after(104))));
        let assignment = claimed(fixture, 105).unwrap();
        assert!(matches!(&assignment.task, Task::Restore { restore: of, .. } if of.id == restore.id));
        let again = fixture.store.restore_approve(restore.id, &user(3), None, after(106)).unwrap_err();
        assert!(matches!(again, StoreError::Approval(ApprovalRefusal::AlreadyDecided(_))), "{again:?}");
        let refused = fixture.store.restore_refuse(restore.id, &user(3), None, after(106)).unwrap_err();
        assert!(matches!(refused, StoreError::Approval(ApprovalRefusal::AlreadyDecided(_))), "{refused:?}");
        let result = TaskResult::Restore { undo_until: after(DAY), downtime_seconds: 1.0, reached: None, server_identity: None };
        fixture.store.job_finish(assignment.job_id, &completed(1, result), after(110)).unwrap();
        assert_eq!(status(fixture, restore.id), (RestoreStatus::Completed, ApprovalStatus::Approved));
        let undo = fixture.store.restore_undo_start(restore.id, after(120)).unwrap();
        assert!(!undo.awaiting_approval, "an undo needs nobody");
        assert!(claimed(fixture, 121).is_some());
    }

    fn a_refused_or_withdrawn_request_ends_the_restore(fixture) {
        let backup = guarded(fixture);
        let refused = request(fixture, backup.id, user(1)).unwrap();
        let answer = fixture.store.restore_refuse(refused.id, &user(2), Some("not today"), after(101)).unwrap();
        assert_eq!(answer.approval.unwrap().note.as_deref(), Some("not today"));
        assert_eq!(status(fixture, refused.id), (RestoreStatus::Cancelled, ApprovalStatus::Refused));
        let withdrawn = request(fixture, backup.id, user(1)).unwrap();
        fixture.store.job_cancel(withdrawn.job_id, after(102)).unwrap();
        assert_eq!(status(fixture, withdrawn.id), (RestoreStatus::Cancelled, ApprovalStatus::Withdrawn));
        let late = fixture.store.restore_approve(withdrawn.id, &user(2), None, after(103)).unwrap_err();
        assert!(matches!(late, StoreError::Approval(ApprovalRefusal::AlreadyDecided(_))), "{late:?}");
        assert!(claimed(fixture, 104).is_none());
    }

    fn a_request_that_nobody_decides_expires_and_is_audited(fixture) {
        let backup = guarded(fixture);
        let restore = request(fixture, backup.id, user(1)).unwrap();
        assert_eq!(fixture.store.restore_requests_expire(after(100 + DAY - 1)).unwrap(), Vec::<Uuid>::new());
        let late = fixture.store.restore_approve(restore.id, &user(2), None, after(100 + DAY)).unwrap_err();
        assert!(matches!(late, StoreError::Approval(ApprovalRefusal::Expired)), "{late:?}");
        assert_eq!(fixture.store.restore_requests_expire(after(100 + DAY)).unwrap(), [restore.id]);
        assert_eq!(status(fixture, restore.id), (RestoreStatus::Cancelled, ApprovalStatus::Expired));
        assert_eq!(fixture.store.restore_requests_expire(after(100 + 2 * DAY)).unwrap(), Vec::<Uuid>::new());
        let rows = fixture.store.audit_after(&AuditFilter::default(), 0, 100).unwrap();
        let expiry = rows.iter().find(|row| row.action == "restore_expire").unwrap();
        assert_eq!((expiry.actor.kind, expiry.subject.id), (ActorKind::Service, Some(restore.id)));
    }

    fn an_open_request_keeps_its_backup_and_stops_no_other_job(fixture) {
        let backup = guarded(fixture);
        let restore = request(fixture, backup.id, user(1)).unwrap();
        let kept = fixture.store.backup_delete_start(backup.id, after(101)).unwrap_err();
        assert!(matches!(kept, StoreError::BackupInUse | StoreError::Busy { .. }), "{kept:?}");
        let (facts, _) = fixture.store.retention_facts(backup.datastore_id).unwrap();
        assert!(facts.iter().any(|fact| fact.id == backup.id && fact.in_use), "retention leaves it alone");
        let second = request(fixture, backup.id, user(3)).unwrap_err();
        assert!(matches!(&second, StoreError::Busy { job } if job.id == restore.job_id), "{second:?}");
        let other = fixture.store.backup_create(backup.datastore_id, Method::PgBasebackup, BackupType::Full, after(102)).unwrap();
        let assignment = claimed(fixture, 103).unwrap();
        assert_eq!(assignment.job_id, other.job_id);
        let busy = fixture.store.restore_approve(restore.id, &user(2), None, after(104)).unwrap_err();
        assert!(matches!(&busy, StoreError::Busy { job } if job.id == other.job_id), "{busy:?}");
        assert_eq!(status(fixture, restore.id).1, ApprovalStatus::Requested, "it can be approved later");
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, after(110));
        fixture.store.restore_approve(restore.id, &user(2), None, after(111)).unwrap();
        assert_eq!(claimed(fixture, 112).unwrap().job_id, restore.job_id);
    }

    fn the_guard_stays_while_a_request_is_open(fixture) {
        let backup = guarded(fixture);
        let restore = request(fixture, backup.id, requester()).unwrap();
        let refused = set_guard(fixture, backup.datastore_id, false).unwrap_err();
        assert!(matches!(refused, StoreError::RequestOpen), "{refused:?}");
        let here = fixture.store.restore_approve(restore.id, &requester(), None, after(101)).unwrap_err();
        assert!(matches!(here, StoreError::Approval(ApprovalRefusal::OwnRequest)), "{here:?}");
        fixture.store.restore_refuse(restore.id, &user(1), None, after(102)).unwrap();
        set_guard(fixture, backup.datastore_id, false).unwrap();
        assert_eq!(request(fixture, backup.id, requester()).unwrap().approval, None);
    }

    fn two_decisions_at_once_make_one(fixture) {
        let backup = guarded(fixture);
        let restore = request(fixture, backup.id, user(1)).unwrap();
        let outcomes: Vec<bool> = std::thread::scope(|scope| {
            let deciders: Vec<_> = (2..8u128)
                .map(|id| {
                    let store = fixture.store.clone();
                    scope.spawn(move || match id % 2 {
                        0 => store.restore_approve(restore.id, &user(id), None, after(101)).is_ok(),
                        _ => store.restore_refuse(restore.id, &user(id), None, after(101)).is_ok(),
                    })
                })
                .collect();
            deciders.into_iter().map(|decider| decider.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|done| **done).count(), 1, "{outcomes:?}");
        match status(fixture, restore.id) {
            (RestoreStatus::Pending, ApprovalStatus::Approved) => assert!(claimed(fixture, 102).is_some()),
            (RestoreStatus::Cancelled, ApprovalStatus::Refused) => assert!(claimed(fixture, 102).is_none()),
            other => panic!("{other:?}"),
        }
    }

    fn a_guarded_datastore_can_be_removed_while_a_request_is_open(fixture) {
        let backup = guarded(fixture);
        request(fixture, backup.id, user(1)).unwrap();
        fixture.store.datastore_delete(backup.datastore_id, true, after(101)).unwrap();
        assert!(claimed(fixture, 102).is_none());
        assert_eq!(fixture.store.restore_requests_expire(after(100 + DAY)).unwrap(), Vec::<Uuid>::new());
    }
}
