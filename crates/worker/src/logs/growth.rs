//! What a file of a log has grown by, stored.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use domain::log_archive::LogSegment;
use domain::{ErrorCode, JobError};
use engines::LogFile;
use vault::{PIECE_BYTES_MAX, Vault, log_manifest_key, piece_key, pieces_to_replace};

use crate::context::JobFailure;

/// A segment after its growth was stored.
pub struct Grown {
    pub segment: LogSegment,
    /// The keys of what nobody needs once the segment's new state is known: pieces that larger ones have taken in, and what was
    /// known of the old state.
    pub replaced: Vec<String>,
}

/// Stores what of a file is not archived yet, and what is known of the segment then; none when nothing of it is new.
///
/// # Errors
/// `log_conflict` when what was archived is not what the file holds; what the storage says.
pub async fn store_growth(
    vault: &Vault,
    folder: &str,
    before: Option<&LogSegment>,
    file: &LogFile,
    incarnation: &str,
    level: i32,
) -> Result<Option<Grown>, JobFailure> {
    let mut pieces = before.map(|segment| segment.objects.clone()).unwrap_or_default();
    let archived: u64 = pieces.iter().map(|piece| piece.original_size_bytes).sum();
    let is_closed_already = before.is_some_and(|segment| segment.closed);
    if file.bytes < archived && (is_closed_already || file.closed) {
        let detail = format!("{} has {} bytes; {archived} of it are archived.", file.name, file.bytes);
        return Err(JobError::new(ErrorCode::LogConflict, detail).into());
    }
    if is_closed_already || file.bytes < archived || (file.bytes == archived && !file.closed) {
        return Ok(None);
    }
    let mut replaced = pieces.split_off(pieces.len() - pieces_to_replace(&pieces, file.bytes - archived, file.closed));
    let mut from = archived - replaced.iter().map(|piece| piece.original_size_bytes).sum::<u64>();
    while from < file.bytes {
        let to = file.bytes.min(from + PIECE_BYTES_MAX);
        let bytes = read(&file.path, from, to).map_err(|error| {
            JobError::new(ErrorCode::EngineToolFailed, format!("Reading {}: {error}", file.path.display()))
        })?;
        let key = piece_key(&file.name, from, to, file.closed && from == 0 && to == file.bytes);
        pieces.push(vault.store_log_piece(folder, &key, bytes, level).await?);
        from = to;
    }
    replaced.retain(|old| pieces.iter().all(|piece| piece.key != old.key));
    let segment = LogSegment {
        incarnation: incarnation.to_owned(),
        name: file.name.clone(),
        start: file.start,
        end: file.end,
        closed: file.closed,
        first_commit_at: before.and_then(|segment| segment.first_commit_at).or(file.first_commit_at),
        last_commit_at: file.last_commit_at.or(before.and_then(|segment| segment.last_commit_at)),
        gap_before: before.map_or_else(|| file.gap_before.clone(), |segment| segment.gap_before.clone()),
        objects: pieces,
    };
    vault.write_log_manifest(folder, &segment).await?;
    let mut replaced: Vec<String> = replaced.into_iter().map(|piece| piece.key).collect();
    replaced.extend(before.map(log_manifest_key).filter(|key| *key != log_manifest_key(&segment)));
    Ok(Some(Grown { segment, replaced }))
}

fn read(path: &Path, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = vec![0; usize::try_from(to - from).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
