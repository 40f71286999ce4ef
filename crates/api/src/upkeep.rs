//! Looks after stored backups: deletes what retention lets go, and has storages swept. It takes no input: each round looks at
//! what is there and starts at most one job a datastore; while a datastore is busy it waits. // F-70, F-73, F-74

mod logs;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::retention::{self, ClockFacts, RetentionPlan};
use domain::{Actor, ActorKind, AuditEntry, Subject, SubjectKind};
use store::{Store, StoreError, Upkeep};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::logs::LogMemory;
use crate::background::call;
use crate::state::{State, now};

const ROUND: Duration = Duration::from_secs(5);
/// How often retention is planned where the last plan left nothing to delete.
const PLANNED_EVERY: Duration = Duration::from_secs(3600);
/// How often a storage is swept.
const SWEPT_EVERY: TimeDelta = TimeDelta::hours(24);

/// How long a deletion rests that did not succeed: one that the storage refuses must not become a storm. // F-75
const RETRIED_EVERY: Duration = Duration::from_secs(3600);

/// What this process remembers of its rounds; forgetting it costs a plan more.
#[derive(Default)]
struct Memory {
    plans: HashMap<Uuid, Planned>,
    /// When the deletion of a backup was begun.
    deletions: HashMap<Uuid, Instant>,
    logs: LogMemory,
}

/// A plan: what the wall clock said, and a clock that nobody sets. // F-43
#[derive(Clone, Copy)]
struct Planned {
    wall: DateTime<Utc>,
    instant: Instant,
    /// Whether backups are left to delete.
    has_more: bool,
}

impl Planned {
    fn is_due_again(&self, upkeep: &Upkeep) -> bool {
        self.has_more
            || self.instant.elapsed() >= PLANNED_EVERY
            || upkeep.settings_at.is_some_and(|settings_at| settings_at > self.wall)
    }
}

/// Runs until the service stops.
pub(crate) async fn run(state: State, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut memory = Memory::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = rounds.tick() => round(&state, &mut memory).await,
        }
    }
}

async fn round(state: &State, memory: &mut Memory) {
    logs::ask_for_backups(state, &mut memory.logs).await;
    let Some(all) = call(state, Store::upkeep_list).await else { return };
    memory.plans.retain(|id, _| all.iter().any(|upkeep| upkeep.datastore_id == *id));
    memory.deletions.retain(|_, begun| begun.elapsed() < RETRIED_EVERY);
    for upkeep in all {
        let id = upkeep.datastore_id;
        let last = memory.plans.get(&id).copied();
        if last.is_none_or(|last| last.is_due_again(&upkeep)) {
            retain(state, memory, &upkeep, last).await;
        }
        if (now() - upkeep.swept_at.unwrap_or(upkeep.created_at)).abs() >= SWEPT_EVERY {
            call(state, move |store| sweep(store, "upkeep", id)).await;
            state.changes.note();
        }
    }
}

/// Plans one datastore's retention and begins one deletion of the plan; the next round plans anew, so that each deletion is
/// one that the newest facts allow.
async fn retain(state: &State, memory: &mut Memory, upkeep: &Upkeep, last: Option<Planned>) {
    let id = upkeep.datastore_id;
    let (wall, instant) = (now(), Instant::now());
    let clock = ClockFacts {
        last_plan_at: upkeep.retained_at,
        elapsed: last
            .filter(|last| Some(last.wall) == upkeep.retained_at)
            .and_then(|last| TimeDelta::from_std(last.instant.elapsed()).ok()),
    };
    let Some(plan) = call(state, move |store| {
        let plan = plan_of(store, id, None, &clock, wall)?;
        if plan.blocked.is_none() {
            store.upkeep_retained(id, wall)?;
        }
        Ok(plan)
    })
    .await
    else {
        return;
    };
    if let Some(reason) = &plan.blocked {
        tracing::warn!(datastore = %id, reason, "retention is blocked");
    }
    if plan.blocked.is_none() {
        logs::expire(state, id, plan.clone()).await;
    }
    let mut left = plan.deletions.into_iter().filter(|backup| !memory.deletions.contains_key(backup));
    let first = left.next().filter(|_| plan.blocked.is_none());
    memory.plans.insert(id, Planned { wall, instant, has_more: first.is_some() });
    let Some(backup) = first else { return };
    if call(state, move |store| begin_deletion(store, backup)).await == Some(true) {
        memory.deletions.insert(backup, instant);
        state.changes.note();
    }
}

/// Begins a deletion, and says whether it was not the datastore's other work that stood in the way. What changed since the
/// plan was made is seen by the next one.
fn begin_deletion(store: &Store, backup: Uuid) -> Result<bool, StoreError> {
    let by_rule = store.acting(by_rule("retention", "backup_delete", Subject::of(SubjectKind::Backup, Some(backup))));
    match by_rule.backup_delete_start(backup, now()) {
        Ok(job) => {
            tracing::info!(backup = job.backup_number, "retention deletes a backup");
            Ok(true)
        }
        Err(StoreError::Busy { .. }) => Ok(false),
        Err(
            StoreError::BackupInUse
            | StoreError::BackupHeld { .. }
            | StoreError::HasDependents { .. }
            | StoreError::NotFound { .. },
        ) => Ok(true),
        Err(error) => Err(error),
    }
}

/// What the audit log says of what is done by a rule that people set.
fn by_rule(rule: &str, action: &str, subject: Subject) -> AuditEntry {
    AuditEntry::new(Actor::named(ActorKind::Service, rule), action, subject)
}

/// Has a datastore's storage swept, by the rule of this name, unless the datastore is busy.
fn sweep(store: &Store, rule: &str, datastore: Uuid) -> Result<(), StoreError> {
    let subject = Subject::of(SubjectKind::Datastore, Some(datastore));
    unless_busy(store.acting(by_rule(rule, "datastore_sweep", subject)).sweep_start(datastore, now()).map(drop))
}

fn unless_busy(started: Result<(), StoreError>) -> Result<(), StoreError> {
    match started {
        Err(StoreError::Busy { .. } | StoreError::NotFound { .. }) => Ok(()),
        started => started,
    }
}

/// What retention would do with a datastore's backups, by a policy that is tried or by the one that is set.
pub(crate) fn plan_of(
    store: &Store,
    datastore: Uuid,
    policy: Option<&domain::retention::RetentionPolicy>,
    clock: &ClockFacts,
    now: DateTime<Utc>,
) -> Result<RetentionPlan, StoreError> {
    let (facts, _) = store.retention_facts(datastore)?;
    let set = store.backup_settings_get(datastore)?.retention;
    Ok(retention::plan(policy.unwrap_or(&set), &facts, now, clock))
}
