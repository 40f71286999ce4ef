//! Reading objects in ranges, ahead of who uses them. A range is a request of its own, so a broken connection costs one of
//! them, and each answer tells the whole object's size. // F-31

use std::ops::Range;

use bytes::Bytes;
use domain::manifest::ObjectRecord;
use futures::{Stream, StreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectStoreExt};

use crate::error::VaultError;
use crate::key::object_path;
use crate::open::Vault;
use crate::problem::ObjectFault;

/// The size of a range, and how many are read ahead.
const RANGE_BYTES: u64 = 4 << 20;
pub(crate) const RANGES_AHEAD: usize = 2;

/// The next bytes of an object.
pub(crate) struct Fetched {
    /// The object's place in the list.
    pub object: usize,
    pub bytes: Result<Bytes, ObjectFault>,
    /// Whether these are the object's last.
    pub last: bool,
}

/// The bytes of all `objects`, in order. Faults of objects are items; an error is the storage's own.
///
/// It owns what it needs: a stream of futures that borrow can't be moved between threads.
pub(crate) fn fetch(
    vault: &Vault,
    folder: &str,
    objects: Vec<ObjectRecord>,
) -> impl Stream<Item = Result<Fetched, VaultError>> + Send + use<> {
    let (vault, folder) = (vault.clone(), folder.to_owned());
    let ranges = objects
        .into_iter()
        .enumerate()
        .flat_map(|(object, record)| ranges(record.size_bytes).map(move |range| (object, record.clone(), range)));
    stream::iter(ranges)
        .map(move |(object, record, range)| {
            let (vault, folder) = (vault.clone(), folder.clone());
            async move {
                let last = range.end == record.size_bytes;
                Ok(Fetched { object, bytes: read_range(&vault, &folder, &record, range).await?, last })
            }
        })
        .buffered(RANGES_AHEAD)
}

pub(crate) fn ranges(size: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size.div_ceil(RANGE_BYTES)).map(move |index| {
        let start = index * RANGE_BYTES;
        start..(start + RANGE_BYTES).min(size)
    })
}

async fn read_range(
    vault: &Vault,
    folder: &str,
    record: &ObjectRecord,
    range: Range<u64>,
) -> Result<Result<Bytes, ObjectFault>, VaultError> {
    let path = object_path(folder, &record.key)?;
    let wanted = range.end - range.start;
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let answer = match vault.store.get_opts(&path, options).await {
        Ok(answer) if answer.meta.size != record.size_bytes => {
            return Ok(Err(ObjectFault::Size { expected: record.size_bytes, found: answer.meta.size }));
        }
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    let error = match answer {
        Ok(bytes) if bytes.len() as u64 == wanted => return Ok(Ok(bytes)),
        Ok(_) => {
            object_store::Error::Generic { store: "Holdfast", source: "fewer bytes came than were asked for".into() }
        }
        Err(error) => error,
    };
    // Stores answer a range beyond an object's end in words of their own; the object itself tells more.
    match vault.store.head(&path).await {
        Err(object_store::Error::NotFound { .. }) => Ok(Err(ObjectFault::Missing)),
        Ok(meta) if meta.size != record.size_bytes => {
            Ok(Err(ObjectFault::Size { expected: record.size_bytes, found: meta.size }))
        }
        _ => Err(VaultError::from_store("read", path.as_ref(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_an_object_without_gap_or_overlap() {
        for size in [1, RANGE_BYTES - 1, RANGE_BYTES, RANGE_BYTES + 1, 3 * RANGE_BYTES + 7] {
            let mut end = 0;
            for range in ranges(size) {
                assert_eq!(range.start, end);
                assert!(range.end > range.start && range.end - range.start <= RANGE_BYTES);
                end = range.end;
            }
            assert_eq!(end, size);
        }
    }
}
