//! The file that arrives a second time must be the one that is archived. // F-53

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domain::LogSegment;

use super::begin::conflict;
use crate::EngineError;
use crate::my_family::binary_log::header::{IN_USE_FLAG, IN_USE_OFFSET};
use crate::my_family::binary_log::{LogFileName, LogReader, split_position};

/// What is known of an archived file.
pub(super) struct Checked {
    pub name: LogFileName,
    /// How much of it is archived at least, in bytes.
    archived_bytes: u64,
    first_commit_at: Option<DateTime<Utc>>,
    /// What arrived of it before.
    reference: Option<PathBuf>,
}

impl Checked {
    /// Empties the directory for arriving files, and keeps aside what an earlier receiver had of the archived file.
    pub(super) fn set_up(spool: &Path, segment: Option<&LogSegment>) -> Result<Option<Self>, EngineError> {
        let (incoming, previous) = (spool.join("incoming"), spool.join("previous"));
        for directory in [&incoming, &previous] {
            fs::create_dir_all(directory).map_err(EngineError::file("making a directory for log files", directory))?;
        }
        let name = segment.and_then(|segment| LogFileName::parse(&segment.name));
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        if let Some(name) = &name {
            let (arrived, kept) = (incoming.join(name.as_str()), previous.join(name.as_str()));
            if size(&arrived) > size(&kept) {
                fs::rename(&arrived, &kept).map_err(EngineError::file("keeping a log file", &kept))?;
            }
        }
        for directory in [&incoming, &previous] {
            for other in names(directory)? {
                if directory == &incoming || Some(&other) != name.as_ref() {
                    let path = directory.join(other.as_str());
                    fs::remove_file(&path).map_err(EngineError::file("removing a log file", &path))?;
                }
            }
        }
        Ok(segment.zip(name).map(|(segment, name)| {
            let end = if segment.closed { segment.original_size_bytes() } else { split_position(segment.end).1 };
            let kept = previous.join(name.as_str());
            Self {
                archived_bytes: end.max(segment.original_size_bytes()),
                first_commit_at: segment.first_commit_at,
                reference: (size(&kept) > 0).then_some(kept),
                name,
            }
        }))
    }

    /// Whether all that is archived has arrived again and is the same; `false` where it is not there yet.
    ///
    /// # Errors
    /// `log_conflict` when it is another log.
    pub(super) fn passes<R: LogReader>(&self, path: &Path, arrived: &R, is_whole: bool) -> Result<bool, EngineError> {
        let other = || conflict(&format!("{} is not the file of that name that was archived.", self.name));
        let failed = |source| EngineError::file("comparing a log file with what was archived", path)(source);
        if let Some(reference) = &self.reference
            && !same_beginning(path, reference, self.archived_bytes).map_err(failed)?
        {
            return Err(other());
        }
        if arrived.offset() < self.archived_bytes {
            return if is_whole { Err(other()) } else { Ok(false) };
        }
        let mut archived = R::default();
        archived.advance(path, self.archived_bytes, |_| ()).map_err(failed)?;
        let same = archived.offset() == self.archived_bytes && archived.first_commit_at() == self.first_commit_at;
        // The length of a closed one is not always known.
        if same || (self.archived_bytes == 0 && self.reference.is_some()) { Ok(true) } else { Err(other()) }
    }
}

/// Whether one file begins as the other does, as far as both go, up to `limit`.
fn same_beginning(left: &Path, right: &Path, limit: u64) -> std::io::Result<bool> {
    let (left, right) = (File::open(left)?, File::open(right)?);
    let mut length = left.metadata()?.len().min(right.metadata()?.len());
    if limit > 0 {
        length = length.min(limit);
    }
    let (mut left, mut right) = (BufReader::new(left).take(length), BufReader::new(right).take(length));
    let (mut ours, mut theirs) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut offset: u64 = 0;
    while offset < length {
        let wanted = usize::try_from(length - offset).unwrap_or(usize::MAX).min(ours.len());
        let (Some(a), Some(b)) = (ours.get_mut(..wanted), theirs.get_mut(..wanted)) else { return Ok(false) };
        left.read_exact(a)?;
        right.read_exact(b)?;
        if offset == 0 {
            let place = usize::try_from(IN_USE_OFFSET).unwrap_or(usize::MAX);
            for flags in [a.get_mut(place), b.get_mut(place)].into_iter().flatten() {
                *flags &= !IN_USE_FLAG;
            }
        }
        if a != b {
            return Ok(false);
        }
        offset += u64::try_from(wanted).unwrap_or(0);
    }
    Ok(true)
}

/// Takes the mark that a server is writing the file away: an archived byte never changes, and the server takes it away when
/// it closes the file. The tool appends and does not come back there.
pub(super) fn clear_in_use(path: &Path) -> Result<(), EngineError> {
    let failed = |source| EngineError::file("reading a received log file", path)(source);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let mut flags = [0];
    let is_there = file.read_at(&mut flags, IN_USE_OFFSET).map_err(failed)? == 1;
    let cleared = flags.map(|flags| flags & !IN_USE_FLAG);
    if is_there && cleared != flags {
        file.write_all_at(&cleared, IN_USE_OFFSET).map_err(failed)?;
    }
    Ok(())
}

/// The log files in a directory, in order.
pub(super) fn names(directory: &Path) -> Result<Vec<LogFileName>, EngineError> {
    let failed = |source| EngineError::file("listing log files", directory)(source);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        names.extend(LogFileName::parse(&entry.map_err(failed)?.file_name().to_string_lossy()));
    }
    names.sort_by_key(LogFileName::number);
    Ok(names)
}
