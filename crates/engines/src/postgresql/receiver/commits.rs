//! When what was committed in the log that has arrived: `pg_waldump` reads it, from where it got to the last time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::super::lsn::SegmentName;
use super::super::records::{self, Span};
use super::Seen;
use crate::EngineError;

/// How far back a search begins again when it found nothing: a commit's record may have been cut by the end.
const OVERLAP: u64 = 4 << 20;

/// The search for commits.
pub(super) struct Commits {
    /// Holds links to the segments under their own names, for `pg_waldump`, and for whoever reads the open one while the tool
    /// gives it another name.
    view: PathBuf,
    /// Programs of exactly the server's version.
    programs: PathBuf,
    /// Where the search goes on.
    searched: u64,
}

impl Commits {
    pub(super) fn new(view: PathBuf, programs: PathBuf) -> Self {
        Self { view, programs, searched: 0 }
    }

    /// A segment's path in the view.
    pub(super) fn path_of(&self, segment: SegmentName) -> PathBuf {
        self.view.join(segment.to_string())
    }

    /// Links segments, and whether each is open, under their own names. `received` tells where the tool has one.
    pub(super) fn show(
        &self,
        segments: impl Iterator<Item = (SegmentName, bool)>,
        received: impl Fn(SegmentName, bool) -> PathBuf,
    ) -> Result<(), EngineError> {
        let failed = || EngineError::file("showing the received log", &self.view);
        for entry in fs::read_dir(&self.view).map_err(failed())? {
            fs::remove_file(entry.map_err(failed())?.path()).map_err(failed())?;
        }
        for (segment, is_open) in segments {
            let link = |is_open| fs::hard_link(received(segment, is_open), self.path_of(segment));
            match link(is_open) {
                // It was closed just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => link(false),
                linked => linked,
            }
            .map_err(failed())?;
        }
        Ok(())
    }

    /// Finds the commits in what has arrived since the last time, with the segment that each counts for: those are segments that
    /// have changed, also where the records began in the one before.
    pub(super) async fn find(
        &mut self,
        files: &BTreeMap<SegmentName, Seen>,
        size: u64,
        changed: &[SegmentName],
        cancel: &CancellationToken,
    ) -> Result<Vec<(SegmentName, DateTime<Utc>)>, EngineError> {
        let Some((&newest, seen)) = files.iter().next_back() else { return Ok(Vec::new()) };
        let arrived = newest.start(size) + seen.bytes;
        let mut of_timeline = files.keys().filter(|segment| segment.timeline == newest.timeline);
        let oldest = of_timeline.next().map_or(0, |segment| segment.start(size));
        let start = self.behind_padding(files, newest.timeline, self.searched.max(oldest), size)?;
        if arrived <= start {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let span = Span {
            programs: &self.programs,
            directory: &self.view,
            timeline: newest.timeline,
            start,
            manager: Some("Transaction"),
        };
        records::read(&span, cancel, |record| {
            let end = record.end(size);
            // The file may hold more than was confirmed; that comes with the next look.
            if end > arrived {
                return false;
            }
            found.extend(record.committed_at().map(|at| (record.position, end, at)));
            true
        })
        .await?;
        self.searched = start.max(arrived.saturating_sub(OVERLAP));
        let mut held = Vec::new();
        for (position, end, at) in found {
            self.searched = self.searched.max(end);
            let mut of_timeline = changed.iter().filter(|segment| segment.timeline == newest.timeline);
            let holder =
                of_timeline.clone().find(|segment| position < segment.start(size) + size).or(of_timeline.next_back());
            held.extend(holder.map(|segment| (*segment, at)));
        }
        Ok(held)
    }

    /// Where a search from `start` begins: a segment that the server ended early (`pg_switch_wal`, `archive_timeout`, a backup) is
    /// zeros from its last record on, which `pg_waldump` takes for the end of all log.
    fn behind_padding(
        &self,
        files: &BTreeMap<SegmentName, Seen>,
        timeline: u32,
        start: u64,
        size: u64,
    ) -> Result<u64, EngineError> {
        let holds_start = |segment: SegmentName| (segment.start(size)..segment.start(size) + size).contains(&start);
        let closed = files.iter().filter(|(segment, seen)| segment.timeline == timeline && seen.closed);
        let Some((&segment, _)) = { closed }.find(|(segment, _)| holds_start(**segment)) else { return Ok(start) };
        let path = self.path_of(segment);
        let goes_on = has_content(&path, start - segment.start(size));
        let goes_on = goes_on.map_err(EngineError::file("reading the received log", &path))?;
        Ok(if goes_on { start } else { segment.start(size) + size })
    }
}

/// Whether anything but zeros follows in a file from a position on.
fn has_content(path: &Path, from: u64) -> std::io::Result<bool> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut chunk = [0; 64 << 10];
    loop {
        let read = file.read(&mut chunk)?;
        let part = chunk.get(..read).unwrap_or_default();
        if part.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
        if part.is_empty() {
            return Ok(false);
        }
    }
}
