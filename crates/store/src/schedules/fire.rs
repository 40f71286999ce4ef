//! What the scheduler asks for again and again: deciding about every schedule whose time has come. Any number of processes
//! may do so at once. // F-13

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::schedule::decision::{self, CLOCK_TOLERANCE};
use domain::{BackupType, ScheduleSettings, ScheduleStatus};

use crate::columns::micros;
use crate::connection::AnyConnection;
use crate::schedules::{act, availability, row};
use crate::schema::schedules;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// How many schedules are decided about in one transaction: enough that a thousand take few commits, few enough that
/// nobody waits long for a turn to write.
const BATCH: i64 = 50;

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Firing {
    /// How many schedules were decided about.
    pub decided: usize,
    /// How many backups were started.
    pub started: usize,
}

/// The schedules whose time has come, the longest waiting first. Those of one datastore wake at the same instant when it gets
/// free: then full backups come before all that is built on them, and of the others the one that had no turn for longest, so
/// that frequent ones never keep the rest waiting. And those that a clock which went back would leave asleep. // F-43
fn due(connection: &mut AnyConnection, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
    let mut ids: Vec<String> = schedules::table
        .filter(schedules::wake_at.le(micros(now)))
        .order((
            schedules::wake_at.asc(),
            schedules::backup_type.ne(BackupType::Full.as_str()).asc(),
            last_turn().asc(),
            schedules::id.asc(),
        ))
        .limit(BATCH)
        .select(schedules::id)
        .load(connection)?;
    if ids.is_empty() {
        ids = schedules::table
            .filter(schedules::handled_until.gt(micros(now + CLOCK_TOLERANCE)))
            .filter(schedules::status.eq(ScheduleStatus::Active.as_str()))
            .limit(BATCH)
            .select(schedules::id)
            .load(connection)?;
    }
    Ok(ids)
}

/// When a schedule's newest backup was started, by its due time; 0 before the first.
fn last_turn() -> diesel::expression::SqlLiteral<diesel::sql_types::BigInt> {
    diesel::dsl::sql(
        "coalesce((select due_at from schedule_runs where schedule_runs.schedule_id = schedules.id \
         and schedule_runs.backup_id is not null order by due_at desc limit 1), 0)",
    )
}

fn decide(
    transaction: &mut Transaction<'_>,
    id: &str,
    settings: &ScheduleSettings,
) -> Result<Option<usize>, StoreError> {
    let mut row = match row::locked(transaction, id) {
        Ok(row) => row,
        // Deleted meanwhile.
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let now = transaction.now;
    let before = row.clone();
    let state = row.state(transaction.connection)?;
    let availability = availability::of(transaction.connection, &row)?;
    let decision = decision::decide(&state, now, &availability, settings);
    let started = act::carry_out(transaction, &row, &decision)?;
    row.set_decided(&decision);
    row.save(transaction.connection)?;
    if !decision.actions.is_empty() || row.next_run_at != before.next_run_at {
        row.note_change(transaction)?;
    }
    Ok(Some(started))
}

impl Store {
    /// Decides about at most 50 of the schedules whose time has come; the caller asks again until none was. A schedule that
    /// can't be read is logged, put off by an hour, and keeps none of the others waiting.
    pub fn schedule_fire_due(&self, settings: &ScheduleSettings, now: DateTime<Utc>) -> Result<Firing, StoreError> {
        let ids = self.read(|connection| due(connection, now))?;
        if ids.is_empty() {
            return Ok(Firing::default());
        }
        match self.decide_all(&ids, settings, now) {
            Err(StoreError::UnreadableColumn { .. }) => {}
            outcome => return outcome,
        }
        let mut firing = Firing::default();
        for id in &ids {
            match self.decide_all(std::slice::from_ref(id), settings, now) {
                Ok(one) => {
                    firing.decided += one.decided;
                    firing.started += one.started;
                }
                Err(error @ StoreError::UnreadableColumn { .. }) => {
                    tracing::error!(
                        schedule = id,
                        error = &error as &dyn std::error::Error,
                        "a schedule can't be read"
                    );
                    self.put_off(id, now)?;
                    firing.decided += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(firing)
    }

    fn decide_all(
        &self,
        ids: &[String],
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<Firing, StoreError> {
        self.write(now, |transaction| {
            let mut firing = Firing::default();
            for id in ids {
                if let Some(started) = decide(transaction, id, settings)? {
                    firing.decided += 1;
                    firing.started += started;
                }
            }
            Ok(firing)
        })
    }

    fn put_off(&self, id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let later = micros(now + chrono::TimeDelta::hours(1));
        self.write(now, |transaction| {
            diesel::update(schedules::table.find(id))
                .set((schedules::wake_at.eq(later), schedules::handled_until.eq(micros(now))))
                .execute(transaction.connection)?;
            Ok(())
        })
    }
}
