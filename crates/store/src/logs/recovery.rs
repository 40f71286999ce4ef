//! What recovery windows are computed from, and the logs that a restore or a scan is given.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::assignment::{BackupReference, ReplayTask};
use domain::log_archive::{FIRST_BRANCH, LogArchiving, LogScanCreate, StoredLogs, branch_of};
use domain::recovery::{BackupPoint, Branch, Frontier, Gap, StopRefusal, Window, logs_for, windows};
use domain::transaction_log::{self, LogBackup};
use domain::{BackupType, JobKind, JobStatus, LogSegment, RecoveryStop, RestoreStatus, VerificationStatus};
use uuid::Uuid;

use super::segment::{SegmentRow, stored};
use super::{archiver, in_backups};
use crate::backups::row::BackupRow;
use crate::columns::{from_json, time, uuid};
use crate::connection::AnyConnection;
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::restores::RestoreRow;
use crate::schema::{backups, jobs, log_segments, restores};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// What recovery windows are computed from.
#[derive(Debug, Clone)]
pub struct RecoveryFacts {
    pub backups: Vec<BackupPoint>,
    /// Those that hold log themselves.
    pub log_backups: Vec<LogBackup>,
    pub segments: Vec<LogSegment>,
    pub missing: Vec<LogSegment>,
    pub frontier: Option<Frontier>,
    pub archiving: LogArchiving,
    pub branches: Vec<Branch>,
}

impl RecoveryFacts {
    /// Whether a backup leads into the log that is archived now, up to its end.
    pub fn leads_into_log(&self) -> bool {
        self.leads_with(&self.backups)
    }

    /// Whether of all backups only this one leads into the log that is archived now.
    pub fn depends_on(&self, backup: Uuid) -> bool {
        let others: Vec<_> = self.backups.iter().filter(|point| point.id != backup).cloned().collect();
        self.leads_into_log() && !self.leads_with(&others)
    }

    /// Whether the recovery window ends with a log backup, so that it would become shorter without it.
    pub fn ends_with(&self, backup: Uuid) -> bool {
        let is_log = |other: &LogBackup| other.id == backup && other.backup_type == BackupType::Log;
        let others: Vec<_> = self.log_backups.iter().filter(|other| other.id != backup).cloned().collect();
        self.log_backups.iter().any(is_log) && latest(&others) < latest(&self.log_backups)
    }

    /// All windows and gaps, oldest first.
    pub fn windows(&self) -> (Vec<Window>, Vec<Gap>) {
        let (mut found, mut gaps) = windows(&self.backups, &self.segments, &self.missing, self.frontier.as_ref());
        let (in_backups, between) = transaction_log::windows(&self.log_backups, &self.branches);
        found.extend(in_backups);
        gaps.extend(between);
        (found, gaps)
    }

    /// Whether there is any log that could be replayed on a backup.
    pub fn has_log(&self) -> bool {
        !self.segments.is_empty() || self.log_backups.iter().any(|backup| backup.backup_type == BackupType::Log)
    }

    /// Whether a restore of a backup can stop there.
    ///
    /// # Errors
    /// Why not.
    pub fn check_stop(&self, backup: Uuid, stop: &RecoveryStop, now: DateTime<Utc>) -> Result<(), StopRefusal> {
        if self.log_backups.iter().any(|other| other.id == backup) {
            transaction_log::backups_for(backup, stop, &self.log_backups, now).map(|_| ())
        } else {
            self.logs_for(backup, stop, now).map(|_| ())
        }
    }

    fn leads_with(&self, backups: &[BackupPoint]) -> bool {
        let Some(frontier) = &self.frontier else { return false };
        let (windows, _) = windows(backups, &self.segments, &self.missing, Some(frontier));
        windows.iter().any(|window| window.to >= frontier.complete_until)
    }

    /// The logs that a restore of a backup to a stop replays (see [`logs_for`]); none when no log is known to go on from it.
    ///
    /// # Errors
    /// Why the stop can't be reached.
    pub fn logs_for(
        &self,
        backup: Uuid,
        stop: &RecoveryStop,
        now: DateTime<Utc>,
    ) -> Result<Vec<&LogSegment>, StopRefusal> {
        let Some(point) = self.backups.iter().find(|point| point.id == backup) else {
            return Err(StopRefusal {
                code: domain::ErrorCode::PitrTimeNotCovered,
                detail: "The server's log was not known when this backup was made, so none goes on from it.".to_owned(),
            });
        };
        logs_for(point, stop, &self.segments, &self.missing, self.frontier.as_ref(), now)
    }
}

/// The last moment that can be restored.
fn latest(backups: &[LogBackup]) -> Option<DateTime<Utc>> {
    let (windows, _) = transaction_log::windows(backups, &[]);
    windows.into_iter().map(|window| window.to).chain(transaction_log::own_ends(backups)).max()
}

impl Store {
    /// What the recovery windows of a datastore are computed from.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn recovery_facts(&self, datastore_id: Uuid) -> Result<RecoveryFacts, StoreError> {
        self.read(|connection| {
            let datastore = datastore_row::find(connection, &datastore_id.to_string())?;
            facts(connection, &datastore)
        })
    }
}

impl Store {
    /// Lets go the oldest segments of each of a datastore's incarnations that `is_needed` does not ask for, up to the first one
    /// that it asks for; a sweep then deletes their objects. `is_needed` is given the time from the commit before a segment to
    /// the one after it. Gives how many went. // F-72, F-73
    pub fn log_segments_expire(
        &self,
        datastore_id: Uuid,
        is_needed: &dyn Fn(DateTime<Utc>, DateTime<Utc>) -> bool,
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        let id = datastore_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&id)?;
            let rows = segment_rows(transaction.connection, &id)?;
            let mut expired = Vec::new();
            for line in rows.chunk_by(|one, next| one.incarnation == next.incarnation) {
                expired.extend(no_longer_needed(line, is_needed, now));
            }
            for row in &expired {
                let of_row = log_segments::table.find((&row.datastore_id, &row.incarnation, &row.name));
                diesel::update(of_row).set(log_segments::deleting.eq(true)).execute(transaction.connection)?;
            }
            Ok(expired.len())
        })
    }
}

/// The closed segments at the beginning of an incarnation that nobody needs.
fn no_longer_needed<'a>(
    line: &'a [SegmentRow],
    is_needed: &dyn Fn(DateTime<Utc>, DateTime<Utc>) -> bool,
    now: DateTime<Utc>,
) -> Vec<&'a SegmentRow> {
    let mut before = None;
    let mut expired = Vec::new();
    for (index, row) in line.iter().enumerate() {
        let after = line.iter().skip(index + 1).find_map(|later| later.first_commit_at);
        let from = before.or(row.first_commit_at).map_or(now, time);
        let to = after.or(row.last_commit_at).map_or(now, time);
        if !row.closed || is_needed(from.min(to), to) {
            break;
        }
        before = row.last_commit_at.or(before);
        expired.push(row);
    }
    expired
}

fn facts(connection: &mut AnyConnection, datastore: &DatastoreRow) -> Result<RecoveryFacts, StoreError> {
    let rows = segment_rows(connection, &datastore.id)?;
    let (missing, there): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.missing);
    let read = |rows: Vec<SegmentRow>| rows.into_iter().map(SegmentRow::into_segment).collect::<Result<Vec<_>, _>>();
    let segments = read(there)?;
    let archiver = archiver::find(connection, &datastore.id)?;
    let frontier = archiver.as_ref().and_then(|row| {
        Some(Frontier { incarnation: row.incarnation.clone()?, complete_until: time(row.complete_until?) })
    });
    let of_branch = segments.iter().filter(|segment| branch_of(&segment.incarnation) == datastore.log_branch);
    let last_commit_at = of_branch.filter_map(|segment| segment.last_commit_at).max();
    let archiving = archiver.map(|row| row.into_archiving(last_commit_at)).transpose()?;
    Ok(RecoveryFacts {
        backups: points(connection, &datastore.id)?,
        log_backups: in_backups::log_backups(connection, &datastore.id)?,
        segments,
        missing: read(missing)?,
        frontier,
        archiving: archiving.unwrap_or_default(),
        branches: branches(connection, datastore)?,
    })
}

fn segment_rows(connection: &mut AnyConnection, datastore: &str) -> Result<Vec<SegmentRow>, StoreError> {
    Ok(log_segments::table
        .filter(log_segments::datastore_id.eq(datastore))
        .filter(log_segments::deleting.eq(false))
        .order((log_segments::incarnation.asc(), log_segments::start_position.asc()))
        .load(connection)?)
}

/// The backups that log can be replayed on: completed, with all that they are built on.
fn points(connection: &mut AnyConnection, datastore: &str) -> Result<Vec<BackupPoint>, StoreError> {
    let rows: Vec<BackupRow> = backups::table
        .filter(backups::datastore_id.eq(datastore))
        .filter(backups::status.eq(JobStatus::Completed.as_str()))
        .order(backups::number.asc())
        .load(connection)?;
    let mut good = std::collections::HashSet::new();
    let mut points = Vec::new();
    for row in rows {
        let is_whole = row.verification != VerificationStatus::Failed.as_str() && !row.deleting;
        // Parents have smaller numbers.
        if !is_whole || row.parent_id.as_ref().is_some_and(|parent| !good.contains(parent)) {
            continue;
        }
        good.insert(row.id.clone());
        if let (Some(point), Some(ended_at)) = (&row.log_point, row.ended_at) {
            points.push(BackupPoint {
                id: uuid("backups.id", &row.id)?,
                number: row.number,
                ended_at: time(ended_at),
                point: from_json("backups.log_point", point)?,
            });
        }
    }
    Ok(points)
}

fn branches(connection: &mut AnyConnection, datastore: &DatastoreRow) -> Result<Vec<Branch>, StoreError> {
    let rows: Vec<RestoreRow> = restores::table
        .filter(restores::datastore_id.eq(&datastore.id))
        .filter(restores::replaced_branch.is_not_null())
        .order(restores::created_at.asc())
        .load(connection)?;
    let mut branches = vec![Branch {
        branch: FIRST_BRANCH.to_owned(),
        restore_id: None,
        parent: None,
        from: time(datastore.created_at),
        to: None,
        restored_to: None,
        is_current: datastore.log_branch == FIRST_BRANCH,
    }];
    for row in rows {
        let began = time(row.ended_at.unwrap_or(row.created_at));
        if let Some(parent) = branches.iter_mut().find(|branch| Some(&branch.branch) == row.replaced_branch.as_ref()) {
            parent.to = Some(began);
        }
        let undone: Option<Option<i64>> = jobs::table
            .filter(jobs::restore_id.eq(&row.id))
            .filter(jobs::kind.eq(JobKind::Undo.as_str()))
            .filter(jobs::status.eq(JobStatus::Completed.as_str()))
            .select(jobs::ended_at)
            .first(connection)
            .optional()?;
        let stop: Option<RecoveryStop> =
            row.stop.as_deref().map(|stop| from_json("restores.stop", stop)).transpose()?;
        let restored_to = match stop {
            Some(RecoveryStop::Time { at }) => Some(at),
            Some(RecoveryStop::Latest | RecoveryStop::Position { .. }) => row.reached_at.map(time),
            None => backups::table
                .find(&row.backup_id)
                .select(backups::ended_at)
                .first::<Option<i64>>(connection)
                .optional()?
                .flatten()
                .map(time),
        };
        let branch = row.id.replace('-', "");
        branches.push(Branch {
            is_current: datastore.log_branch == branch,
            branch,
            restore_id: Some(uuid("restores.id", &row.id)?),
            parent: row.replaced_branch,
            from: began,
            to: undone.flatten().map(time).filter(|_| row.status == RestoreStatus::Undone.as_str()),
            restored_to,
        });
    }
    if let Some(current) = branches.iter_mut().find(|branch| branch.is_current) {
        current.to = None;
    }
    Ok(branches)
}

/// The backups that a restore of a backup applies, where the log is in them, and the log that it replays, where it has a stop.
///
/// # Errors
/// [`StoreError::StopRefused`].
pub fn taken(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    backup: Uuid,
    stop: Option<RecoveryStop>,
) -> Result<(Vec<BackupReference>, Option<ReplayTask>), StoreError> {
    let applied = in_backups::applied(transaction, datastore, backup, stop.as_ref())?;
    let Some(stop) = stop else { return Ok((applied, None)) };
    let logs = match applied.is_empty() {
        true => segments_for(transaction, datastore, backup, &stop)?,
        false => Vec::new(),
    };
    Ok((applied, Some(ReplayTask { stop, logs })))
}

fn segments_for(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    backup: Uuid,
    stop: &RecoveryStop,
) -> Result<Vec<StoredLogs>, StoreError> {
    let datastore = datastore_row::find(transaction.connection, datastore)?;
    let facts = facts(transaction.connection, &datastore)?;
    let needed = facts.logs_for(backup, stop, transaction.now).map_err(StoreError::StopRefused)?;
    let names: std::collections::HashSet<_> =
        needed.iter().map(|segment| (segment.incarnation.clone(), segment.name.clone())).collect();
    let rows = segment_rows(transaction.connection, &datastore.id)?;
    let rows = rows.into_iter().filter(|row| names.contains(&(row.incarnation.clone(), row.name.clone()))).collect();
    stored(transaction, rows)
}

/// The segments that reach into the span of a scan, oldest first: of the branch that is the server's now.
pub fn scanned(
    transaction: &mut Transaction<'_>,
    datastore: &DatastoreRow,
    scan: &LogScanCreate,
) -> Result<Vec<StoredLogs>, StoreError> {
    let rows = segment_rows(transaction.connection, &datastore.id)?;
    let reaches = |row: &SegmentRow| {
        let from = row.first_commit_at.is_some_and(|at| time(at) <= scan.to);
        from && row.last_commit_at.is_some_and(|at| time(at) >= scan.from)
    };
    let rows = rows
        .into_iter()
        .filter(|row| !row.missing && branch_of(&row.incarnation) == datastore.log_branch && reaches(row))
        .collect();
    stored(transaction, rows)
}
