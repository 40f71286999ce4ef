//! Runs of log without a gap, and what they make of backups.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{BackupPoint, Frontier, Gap, Window};
use crate::log_archive::{LogPoint, LogSegment, branch_of};

/// Segments that follow each other without a gap.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    pub incarnation: &'a str,
    pub segments: Vec<&'a LogSegment>,
    /// Up to when everything is known that happened: the last commit, or later where the log is known to be complete.
    pub until: Option<DateTime<Utc>>,
    /// Why the run before it ended; none for the first.
    pub reason: Option<String>,
}

impl Run<'_> {
    pub fn holds(&self, point: &LogPoint) -> bool {
        let start = self.segments.first().map_or(u64::MAX, |segment| segment.start);
        let end = self.segments.last().map_or(0, |segment| segment.end);
        self.incarnation == point.incarnation && start <= point.position && point.position <= end
    }

    pub fn last_commit_at(&self) -> Option<DateTime<Utc>> {
        self.segments.iter().filter_map(|segment| segment.last_commit_at).max()
    }

    fn first_commit_at(&self) -> Option<DateTime<Utc>> {
        self.segments.iter().filter_map(|segment| segment.first_commit_at).min()
    }
}

/// The runs of every incarnation, in order.
pub(super) fn runs<'a>(
    segments: &'a [LogSegment],
    missing: &'a [LogSegment],
    frontier: Option<&Frontier>,
) -> Vec<Run<'a>> {
    let mut lines: BTreeMap<&str, Vec<(&LogSegment, bool)>> = BTreeMap::new();
    let all = segments.iter().map(|segment| (segment, true)).chain(missing.iter().map(|segment| (segment, false)));
    for (segment, is_there) in all {
        lines.entry(&segment.incarnation).or_default().push((segment, is_there));
    }
    let mut runs = Vec::new();
    for (incarnation, mut line) in lines {
        line.sort_unstable_by_key(|(segment, _)| segment.start);
        runs.extend(runs_of(incarnation, &line, frontier));
    }
    runs
}

fn runs_of<'a>(incarnation: &'a str, line: &[(&'a LogSegment, bool)], frontier: Option<&Frontier>) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut lost: Option<String> = None;
    for (segment, is_there) in line {
        if !is_there {
            lost.get_or_insert_with(|| format!("{} is missing in the storage.", segment.name));
            continue;
        }
        let goes_on = runs.last().and_then(|run| run.segments.last()).is_some_and(|last| {
            lost.is_none() && segment.gap_before.is_none() && last.closed && last.end == segment.start
        });
        match runs.last_mut() {
            Some(run) if goes_on => run.segments.push(segment),
            before => {
                let last = before.and_then(|run| run.segments.last().copied());
                let reason = lost.take().or_else(|| segment.gap_before.clone()).or_else(|| {
                    last.map(|last| format!("The log between {} and {} was not archived.", last.name, segment.name))
                });
                runs.push(Run { incarnation, segments: vec![segment], until: None, reason });
            }
        }
    }
    let is_cut = lost.is_some();
    let count = runs.len();
    for (index, run) in runs.iter_mut().enumerate() {
        let complete = frontier
            .filter(|frontier| frontier.incarnation == incarnation && index + 1 == count && !is_cut)
            .map(|frontier| frontier.complete_until);
        run.until = run.last_commit_at().max(complete);
    }
    runs
}

pub(super) fn find(
    backups: &[BackupPoint],
    segments: &[LogSegment],
    missing: &[LogSegment],
    frontier: Option<&Frontier>,
) -> (Vec<Window>, Vec<Gap>) {
    let mut sorted: Vec<&BackupPoint> = backups.iter().collect();
    sorted.sort_unstable_by_key(|backup| backup.ended_at);
    let mut windows = Vec::new();
    let mut gaps = Vec::new();
    let mut before: Option<Run<'_>> = None;
    for run in runs(segments, missing, frontier) {
        let oldest = sorted.iter().find(|backup| run.holds(&backup.point));
        let branch = branch_of(run.incarnation);
        if let (Some(backup), Some(until)) = (oldest, run.until)
            && backup.ended_at <= until
        {
            windows.push(Window { from: backup.ended_at, to: until, backup_id: backup.id, branch: branch.to_owned() });
        }
        if let (Some(before), Some(reason)) = (&before, &run.reason)
            && before.incarnation == run.incarnation
            && let (Some(from), Some(to)) = (before.until, run.first_commit_at().or(run.until))
        {
            gaps.push(Gap { from, to: to.max(from), reason: reason.clone(), branch: branch.to_owned() });
        }
        before = Some(run);
    }
    windows.sort_by_key(|window| window.from);
    gaps.sort_by_key(|gap| gap.from);
    (windows, gaps)
}
