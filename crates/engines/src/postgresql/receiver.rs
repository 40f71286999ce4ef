//! Receiving the write-ahead log by `pg_receivewal` with a slot: its files in the spool. When what was committed in them is found
//! beside (`commits`).
//!
//! The tool fills the open segment with zeros ahead. What is not zero has arrived; zeros behind that have arrived when this very
//! receiver has confirmed them to the server. What the slot had before says nothing: it is where an earlier receiver was, or
//! where a new slot begins, and zeros archived on its word would stand in place of log that comes later.

mod commits;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, LogLevel, LogSegment};
use process::{Child, Command, ProcessError};
use tokio_util::sync::CancellationToken;

use self::commits::Commits;
use super::connection::Connection;
use super::lsn::{self, SegmentName};
use super::slot::{self, LogState, TOOL};
use super::{binaries, server};
use crate::problem::Problem;
use crate::{EngineError, LogFile, LogLook, LogReceiver, LogRequest};

/// How the tool names a segment that it is still receiving.
const PARTIAL: &str = ".partial";
/// Where in the spool the tool puts its files. It goes on after the newest of them, or else where the slot is.
const RECEIVED: &str = "wal";
/// How long a look waits for what the server has just written.
const CATCH_UP: Duration = Duration::from_millis(250);
/// How many zeros may end a record that has arrived.
const SLACK: u64 = 64;

/// A `pg_receivewal` at work.
pub(super) struct Receiver {
    child: Child,
    datastore: DatastoreAccess,
    directory: PathBuf,
    system_identifier: String,
    slot: String,
    archived: Vec<LogSegment>,
    /// Told with the first file.
    gap: Option<String>,
    /// Where the slot was when this receiver began.
    confirmed_before: u64,
    /// Whether the slot has moved since: what it says then is what this receiver has confirmed.
    has_confirmed: bool,
    /// Whether all is here that was confirmed before.
    has_caught_up: bool,
    files: BTreeMap<SegmentName, Seen>,
    forgotten: Vec<SegmentName>,
    commits: Commits,
    cancel: CancellationToken,
}

/// What is known of a segment.
#[derive(Debug, Clone, Default)]
struct Seen {
    bytes: u64,
    closed: bool,
    first_commit_at: Option<DateTime<Utc>>,
    last_commit_at: Option<DateTime<Utc>>,
}

impl Receiver {
    /// Looks at the server, sees to the slot, and starts the tool.
    pub(super) async fn start(request: LogRequest) -> Result<Self, EngineError> {
        let LogRequest { datastore, spool, archived, log, cancel } = request;
        let server = server::ask_for_job(&datastore, &cancel).await?;
        // F-54
        if let Some(expected) = datastore.server_identity.as_ref().filter(|of| **of != server.system_identifier) {
            return Err(Problem::identity_changed(expected, &server.system_identifier).into_error());
        }
        let major = server.major();
        let tool = binaries::client(TOOL, major).await.ok_or_else(|| slot::missing_tool(TOOL, major).into_error())?;
        let programs =
            binaries::server(major).await.ok_or_else(|| slot::missing_tool("pg_waldump", major).into_error())?;
        let name = slot::name_of(&datastore);
        let mut state = LogState::ask(&datastore, &cancel).await?;
        let mut gap = None;
        if state.slot(&name).is_some_and(slot::Slot::is_lost) {
            gap = Some(format!("The server threw away log that the slot {name} was to keep (max_slot_wal_keep_size)."));
            slot::drop_slot(&datastore, major, &cancel).await?;
            forget_received(&spool.join(RECEIVED))?;
        }
        slot::create(&datastore, major, &cancel).await?;
        state = LogState::ask(&datastore, &cancel).await?;
        let confirmed_before = state.slot(&name).and_then(slot::Slot::confirmed).unwrap_or(0);
        let directory = spool.join(RECEIVED);
        let view = spool.join("view");
        for place in [&directory, &view] {
            fs::create_dir_all(place).map_err(EngineError::file("making a directory for the log", place))?;
        }
        let command = Command::new(TOOL)
            .search_dir(tool.directory)
            .arg("--directory")
            .arg(&directory)
            .arg(format!("--slot={name}"))
            .args(["--synchronous", "--no-loop", "--no-password", "--status-interval=1"])
            .on_line(move |_, line| log(LogLevel::Tool, line));
        let child = Connection::to(&datastore)
            .apply(command)
            .spawn()
            .map_err(|source| EngineError::process("starting pg_receivewal", source))?;
        Ok(Self {
            child,
            datastore,
            directory,
            system_identifier: server.system_identifier,
            slot: name,
            archived,
            gap,
            confirmed_before,
            has_confirmed: false,
            has_caught_up: false,
            files: BTreeMap::new(),
            forgotten: Vec::new(),
            commits: Commits::new(view, programs),
            cancel,
        })
    }

    /// Why the tool has ended, when it has.
    async fn end(&mut self) -> Option<EngineError> {
        let ended = tokio::time::timeout(Duration::ZERO, self.child.wait(&self.cancel)).await.ok()?;
        let source = match ended.and_then(|exit| exit.success_or_error(TOOL)) {
            Ok(_) => return Some(EngineError::known(ErrorCode::EngineToolFailed, "pg_receivewal ended by itself.")),
            Err(source) => source,
        };
        if let ProcessError::Exit { stderr_tail, .. } = &source
            && let Some(line) = stderr_tail.iter().find(|line| line.contains("has already been removed"))
        {
            let gap = format!("The server has no more of its log: {line}");
            // The next receiver begins with what the server still has.
            return Some(match forget_received(&self.directory) {
                Ok(()) => EngineError::known(ErrorCode::LogGap, gap),
                Err(error) => error,
            });
        }
        Some(EngineError::process("receiving the log by pg_receivewal", source))
    }

    /// The segments in the spool and whether each is still open.
    fn list(&self) -> Result<Vec<(SegmentName, bool)>, EngineError> {
        let failed = || EngineError::file("listing the received log", &self.directory);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name().to_string_lossy().into_owned();
            let plain = name.strip_suffix(PARTIAL);
            found.extend(SegmentName::parse(plain.unwrap_or(&name)).map(|segment| (segment, plain.is_some())));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Takes what the spool holds into account; gives the names of those that are new, have grown or were closed.
    fn take_in(&mut self, state: &LogState) -> Result<Vec<SegmentName>, EngineError> {
        let size = state.segment_bytes;
        let confirmed = state.slot(&self.slot).and_then(slot::Slot::confirmed).unwrap_or(0);
        self.has_confirmed |= confirmed != self.confirmed_before;
        // Of a segment that the slot is at the very beginning of, nothing is to be caught up with.
        self.has_caught_up |= confirmed > self.confirmed_before || self.confirmed_before.is_multiple_of(size);
        let mut changed = Vec::new();
        for (segment, is_open) in self.list()? {
            let (start, path) = (segment.start(size), self.path_of(segment, is_open));
            let bytes = if is_open {
                let here = length_without_zeros(&path).map_err(EngineError::file("reading the received log", &path))?;
                self.has_caught_up |= here > 0 && start + here + SLACK >= self.confirmed_before;
                arrived(here, self.has_confirmed.then(|| confirmed.saturating_sub(start)))
            } else {
                size
            };
            let seen = self.files.entry(segment).or_default();
            if bytes > seen.bytes || seen.closed == is_open {
                seen.bytes = seen.bytes.max(bytes);
                seen.closed = !is_open;
                changed.push(segment);
            }
        }
        changed.retain(|segment| self.files.get(segment).is_some_and(|seen| seen.bytes > 0));
        Ok(changed)
    }

    fn path_of(&self, segment: SegmentName, is_open: bool) -> PathBuf {
        self.directory.join(format!("{segment}{}", if is_open { PARTIAL } else { "" }))
    }

    /// The timeline that grows; the open segment of one that a promotion has ended stays as it is.
    fn newest_timeline(&self) -> u32 {
        self.files.keys().next_back().map_or(0, |segment| segment.timeline)
    }

    fn stream_of(&self, segment: SegmentName) -> String {
        format!("{}-{}", self.system_identifier, segment.timeline)
    }

    /// Why the log before a file is missing, where that does not go on where the archive ends.
    fn gap_before(&mut self, stream: &str, start: u64) -> Option<String> {
        let lost = self.gap.take();
        let prefix = format!("{stream}.");
        let newest = self.archived.iter().filter(|of| of.incarnation.starts_with(&prefix)).max_by_key(|of| of.start)?;
        let expected = if newest.closed { newest.end } else { newest.start };
        if start <= expected {
            return None;
        }
        let (from, to) = (lsn::write(expected), lsn::write(start));
        Some(lost.unwrap_or_else(|| format!("The server no longer had its log between {from} and {to}.")))
    }

    /// Removes what is archived and no longer needed to go on: the newest finished segment tells the tool where to.
    fn clear(&mut self) -> Result<(), EngineError> {
        let newest = self.files.iter().rev().find(|(_, seen)| seen.closed).map(|(segment, _)| *segment);
        let (kept, gone): (Vec<_>, Vec<_>) = self.forgotten.drain(..).partition(|segment| Some(*segment) == newest);
        self.forgotten = kept;
        for segment in gone {
            let path = self.path_of(segment, false);
            fs::remove_file(&path).map_err(EngineError::file("removing archived log", path))?;
            self.files.remove(&segment);
        }
        Ok(())
    }
}

#[async_trait]
impl LogReceiver for Receiver {
    async fn look(&mut self) -> Result<LogLook, EngineError> {
        if let Some(error) = self.end().await {
            return Err(error);
        }
        let mut asked_at = Utc::now();
        let mut state = LogState::ask(&self.datastore, &self.cancel).await?;
        if !is_complete(&state, &self.slot) {
            tokio::time::sleep(CATCH_UP).await;
            asked_at = Utc::now();
            state = LogState::ask(&self.datastore, &self.cancel).await?;
        }
        let size = state.segment_bytes;
        let changed = self.take_in(&state)?;
        if !changed.is_empty() {
            let newest = self.newest_timeline();
            let shown = self.files.iter().filter(|(segment, _)| segment.timeline == newest);
            let shown = shown.map(|(segment, seen)| (*segment, !seen.closed));
            self.commits.show(shown, |segment, is_open| self.path_of(segment, is_open))?;
            for (segment, at) in self.commits.find(&self.files, size, &changed, &self.cancel).await? {
                if let Some(seen) = self.files.get_mut(&segment) {
                    seen.first_commit_at.get_or_insert(at);
                    seen.last_commit_at = seen.last_commit_at.max(Some(at));
                }
            }
        }
        let newest = self.newest_timeline();
        let mut files = Vec::new();
        for segment in changed {
            let Some(seen) = self.files.get(&segment).cloned() else { continue };
            let (start, stream) = (segment.start(size), self.stream_of(segment));
            let gap_before = if files.is_empty() { self.gap_before(&stream, start) } else { None };
            files.push(LogFile {
                gap_before,
                stream,
                name: segment.to_string(),
                path: if seen.closed || segment.timeline != newest {
                    self.path_of(segment, !seen.closed)
                } else {
                    self.commits.path_of(segment)
                },
                start,
                bytes: seen.bytes,
                closed: seen.closed,
                end: start + seen.bytes,
                first_commit_at: seen.first_commit_at,
                last_commit_at: seen.last_commit_at,
            });
        }
        // What is told once need not be compared again.
        if !files.is_empty() {
            self.archived.clear();
        }
        self.clear()?;
        let is_complete = self.has_caught_up && is_complete(&state, &self.slot);
        let confirmed = state.slot(&self.slot).and_then(slot::Slot::confirmed);
        Ok(LogLook {
            files,
            complete_until: is_complete.then_some(asked_at),
            lag_bytes: state.flushed().zip(confirmed).map(|(flushed, confirmed)| flushed.saturating_sub(confirmed)),
            warnings: state.warnings(&self.slot),
        })
    }

    async fn forget(&mut self, name: &str) -> Result<(), EngineError> {
        self.forgotten.extend(SegmentName::parse(name));
        Ok(())
    }
}

fn forget_received(directory: &Path) -> Result<(), EngineError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EngineError::file("removing log that does not go on", directory)(error))
        }
        _ => Ok(()),
    }
}

/// Whether the receiver has confirmed all that the server had on its disk.
fn is_complete(state: &LogState, slot: &str) -> bool {
    let confirmed = state.slot(slot).and_then(slot::Slot::confirmed);
    state.flushed().zip(confirmed).is_some_and(|(flushed, confirmed)| confirmed >= flushed)
}

/// How much of an open segment has arrived: it has `here` bytes up to the last one that is not zero, and this very receiver has
/// confirmed so many of it.
fn arrived(here: u64, confirmed: Option<u64>) -> u64 {
    match confirmed {
        // More zeros than that: a receiver that was started again writes the segment anew, and has confirmed more before.
        Some(confirmed) if here > 0 && here + SLACK >= confirmed => here.max(confirmed),
        _ => here,
    }
}

/// How long a file is without the zeros at its end.
fn length_without_zeros(path: &Path) -> std::io::Result<u64> {
    let bytes = fs::read(path)?;
    Ok(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_have_arrived_only_when_this_receiver_says_so() {
        // A new slot begins behind the header of a segment that the tool has made and written nothing into.
        assert_eq!(arrived(0, None), 0);
        assert_eq!(arrived(0, Some(40)), 0);
        // A record that ends with zeros.
        assert_eq!(arrived(995, None), 995);
        assert_eq!(arrived(995, Some(1000)), 1000);
        assert_eq!(arrived(1000, Some(995)), 1000);
        // Written anew, from its beginning.
        assert_eq!(arrived(500, Some(1000)), 500);
    }
}
