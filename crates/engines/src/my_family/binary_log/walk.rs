//! A walk over the events of one file, as far as it goes. It goes on where it stopped when the file has grown.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use chrono::{DateTime, Utc};
use domain::{ErrorCode, LogSegment};

use super::header::{HEADER_BYTES, Header, MAGIC};
use super::split_position;
use crate::EngineError;

/// What a walk over one file has seen.
pub(crate) trait LogReader: Clone + Default + Send + 'static {
    type Transaction: Send + 'static;

    /// The offset behind the last whole event.
    fn offset(&self) -> u64;

    /// Whether what the file goes on from has been read.
    fn has_begun(&self) -> bool;

    /// Whether the server ended the file: it rotated or stopped.
    fn is_ended(&self) -> bool;

    fn first_commit_at(&self) -> Option<DateTime<Utc>>;

    fn last_commit_at(&self) -> Option<DateTime<Utc>>;

    /// Goes on to the last whole event before `limit`, telling the transactions that end on the way.
    ///
    /// # Errors
    /// When the file can't be read or is no binary log.
    fn advance(&mut self, path: &Path, limit: u64, tell: impl FnMut(Self::Transaction)) -> io::Result<()>;
}

/// An event that a walk comes to.
pub(crate) struct Event<'a> {
    pub offset: u64,
    /// The offset behind it.
    pub end: u64,
    pub header: Header,
    /// Empty unless it was wanted.
    pub body: &'a [u8],
}

/// Tells the whole events from an offset on that end before `limit`, and gives the offset behind the last one. `wanted` says of a
/// header and the body's length whether the body is read; `take` whether the walk goes on.
///
/// # Errors
/// When the file can't be read or is no binary log, and those of `take`.
pub(crate) fn events(
    path: &Path,
    from: u64,
    limit: u64,
    wanted: impl Fn(&Header, usize) -> bool,
    mut take: impl FnMut(&Event<'_>) -> io::Result<bool>,
) -> io::Result<u64> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(limit);
    let mut input = BufReader::new(file);
    let mut offset = from;
    if offset == 0 {
        if length < 4 {
            return Ok(0);
        }
        let mut magic = [0; 4];
        input.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(damaged(0, "it does not begin as a binary log does"));
        }
        offset = 4;
    }
    input.seek(SeekFrom::Start(offset))?;
    while length.saturating_sub(offset) >= 19 {
        let mut bytes = [0; HEADER_BYTES];
        input.read_exact(&mut bytes)?;
        let header = Header::parse(&bytes).ok_or_else(|| damaged(offset, "no event begins there"))?;
        let Some(end) = offset.checked_add(u64::from(header.size)).filter(|end| *end <= length) else { break };
        let size = usize::try_from(header.size).unwrap_or(usize::MAX) - HEADER_BYTES;
        let body = if wanted(&header, size) {
            let mut body = vec![0; size];
            input.read_exact(&mut body)?;
            body
        } else {
            input.seek_relative(i64::try_from(size).map_err(io::Error::other)?)?;
            Vec::new()
        };
        let goes_on = take(&Event { offset, end, header, body: &body })?;
        offset = end;
        if !goes_on {
            break;
        }
    }
    Ok(offset)
}

/// What is wrong with a file.
pub(crate) fn damaged(offset: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the binary log is damaged at {offset}: {what}"))
}

/// Reads a segment's file as far as it is archived.
///
/// # Errors
/// `log_gap` for a missing file, `pitr_target_not_reached` for a shortened or damaged one. // F-60, F-66
pub(crate) fn read_segment<R: LogReader>(
    segment: &LogSegment,
    path: &Path,
) -> Result<(R, Vec<R::Transaction>), EngineError> {
    let name = &segment.name;
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gap(&format!("{name} is missing"))),
        Err(error) => return Err(EngineError::file("looking at a log file", path)(error)),
    };
    let (_, open_end) = split_position(segment.end);
    let limit = if segment.closed { u64::MAX } else { open_end };
    let archived = if segment.closed { segment.original_size_bytes() } else { open_end };
    if length < archived {
        return Err(not_whole(&format!("{name} has {length} bytes, {archived} were archived")));
    }
    let (mut reader, mut transactions) = (R::default(), Vec::new());
    reader
        .advance(path, limit, |transaction| transactions.push(transaction))
        .map_err(|error| not_whole(&format!("{name} can't be read: {error}")))?;
    if !segment.closed && reader.offset() != open_end {
        return Err(not_whole(&format!(
            "the last whole event of {name} ends at {}, not at {open_end}",
            reader.offset()
        )));
    }
    Ok((reader, transactions))
}

/// F-60
pub(crate) fn gap(what: &str) -> EngineError {
    EngineError::known(ErrorCode::LogGap, format!("The archived binary log has a gap: {what}."))
}

/// F-66
fn not_whole(what: &str) -> EngineError {
    EngineError::known(ErrorCode::PitrTargetNotReached, format!("The archived binary log is damaged: {what}."))
}
