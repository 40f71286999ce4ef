//! Looks after archived logs: lets go what retention no longer needs, and has a full backup made where no backup leads into the
//! log that is being archived.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::log_archive::LogArchivingStatus;
use domain::retention::RetentionPlan;
use domain::{Backup, BackupType, Subject, SubjectKind};
use store::{RecoveryFacts, Store, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use super::{by_rule, sweep};
use crate::background::call;
use crate::state::{State, now};

/// How often it is looked whether a datastore's log has a backup to start from.
const LOOKED_EVERY: Duration = Duration::from_secs(30);
/// How long after a restore no backup is begun by itself: a person may want to undo it first.
const REST_AFTER_RESTORE: TimeDelta = TimeDelta::minutes(2);
/// How long it rests after such a backup was begun: one that fails must not become a storm.
const RETRIED_EVERY: Duration = Duration::from_secs(1800);

/// What this process remembers of logs; forgetting it costs a look more.
#[derive(Default)]
pub(super) struct LogMemory {
    looked: HashMap<Uuid, Instant>,
    begun: HashMap<Uuid, Instant>,
}

/// Lets go what the plan does not protect, and has a sweep delete it. // F-72
pub(super) async fn expire(state: &State, datastore: Uuid, plan: RetentionPlan) {
    let expired = call(state, move |store| {
        let expired = store
            .log_segments_expire(datastore, &|from, to| plan.protects_logs(from, to), now())
            .or_else(unless_gone)?;
        if expired > 0 {
            sweep(store, "retention", datastore)?;
        }
        Ok(expired)
    });
    if let Some(expired) = expired.await.filter(|expired| *expired > 0) {
        tracing::info!(%datastore, segments = expired, "logs that nothing needs any more are deleted");
        state.changes.note();
    }
}

fn unless_gone(error: StoreError) -> Result<usize, StoreError> {
    match error {
        StoreError::NotFound { .. } => Ok(0),
        error => Err(error),
    }
}

/// Has full backups made where logs are archived that no backup leads into: after log archiving was switched on, after a gap,
/// and after a restore.
pub(super) async fn ask_for_backups(state: &State, memory: &mut LogMemory) {
    let Some(archived) = call(state, Store::log_archived_datastores).await else { return };
    memory.looked.retain(|id, looked| archived.contains(id) && looked.elapsed() < LOOKED_EVERY);
    memory.begun.retain(|id, begun| archived.contains(id) && begun.elapsed() < RETRIED_EVERY);
    for id in archived {
        if memory.looked.contains_key(&id) {
            continue;
        }
        memory.looked.insert(id, Instant::now());
        let rests = memory.begun.contains_key(&id);
        if let Some(Some(backup)) = call(state, move |store| begin_if_wanted(store, id, rests, now())).await {
            tracing::info!(datastore = %id, number = backup.number, "a full backup begins, since none leads into the archived log");
            memory.begun.insert(id, Instant::now());
            state.changes.note();
        }
    }
}

fn begin_if_wanted(store: &Store, id: Uuid, rests: bool, now: DateTime<Utc>) -> Result<Option<Backup>, StoreError> {
    let facts = store.recovery_facts(id)?;
    let is_based = facts.leads_into_log();
    store.log_archiver_based(id, is_based, now)?;
    if is_based || rests || !may_begin(&facts, now) {
        return Ok(None);
    }
    // Log is replayed on files, not on statements.
    let methods = store.datastore_get(id, now)?.capabilities.methods;
    let Some(method) = methods.iter().map(|known| known.method).find(|method| !method.restores_through_server()) else {
        return Ok(None);
    };
    let entry = by_rule("log archiving", "backup_create", Subject::of(SubjectKind::Backup, None));
    match store.acting(entry).backup_create(id, method, BackupType::Full, now) {
        Ok(backup) => Ok(Some(backup)),
        Err(StoreError::Busy { .. } | StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether log is archived now, and nothing was restored just before.
fn may_begin(facts: &RecoveryFacts, now: DateTime<Utc>) -> bool {
    let is_fresh = |from: DateTime<Utc>| now - from < REST_AFTER_RESTORE;
    let was_restored =
        facts.branches.iter().any(|branch| branch.is_current && branch.restore_id.is_some() && is_fresh(branch.from));
    facts.frontier.is_some() && facts.archiving.status == LogArchivingStatus::Archiving && !was_restored
}

#[cfg(test)]
mod tests {
    use domain::LogPoint;
    use domain::log_archive::{LogArchiving, LogSegment};
    use domain::recovery::{BackupPoint, Branch, Frontier};

    use super::*;

    fn facts(now: DateTime<Utc>) -> RecoveryFacts {
        let incarnation = || "a.origin".to_owned();
        RecoveryFacts {
            backups: vec![BackupPoint {
                id: Uuid::nil(),
                number: 1,
                ended_at: now - TimeDelta::minutes(10),
                point: LogPoint { incarnation: incarnation(), position: 5 },
            }],
            log_backups: Vec::new(),
            segments: vec![LogSegment {
                incarnation: incarnation(),
                name: "1".into(),
                start: 0,
                end: 10,
                closed: false,
                first_commit_at: None,
                last_commit_at: None,
                gap_before: None,
                objects: Vec::new(),
            }],
            missing: Vec::new(),
            frontier: Some(Frontier { incarnation: incarnation(), complete_until: now }),
            archiving: LogArchiving { status: LogArchivingStatus::Archiving, ..LogArchiving::default() },
            branches: vec![Branch {
                branch: "origin".into(),
                restore_id: None,
                parent: None,
                from: now,
                to: None,
                restored_to: None,
                is_current: true,
            }],
        }
    }

    #[test]
    fn a_backup_is_asked_for_where_none_leads_into_the_log() {
        let now = now();
        assert!(facts(now).leads_into_log() && facts(now).depends_on(Uuid::nil()));
        let mut alone = facts(now);
        alone.backups[0].point.position = 11;
        assert!(!alone.leads_into_log() && may_begin(&alone, now));
        let mut restored = alone.clone();
        restored.branches[0].restore_id = Some(Uuid::nil());
        assert!(!may_begin(&restored, now), "it may be undone");
        assert!(may_begin(&restored, now + TimeDelta::minutes(3)));
        alone.archiving.status = LogArchivingStatus::Retrying;
        assert!(!may_begin(&alone, now), "nothing is archived");
    }
}
