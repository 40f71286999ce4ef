//! Walks over the events of one file, as far as it goes, and tells its transactions. It goes on where it stopped when the
//! file has grown.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::event::{self, GtidBody, Header};
use super::gtid::{Gtid, GtidState};
use crate::my_family::binary_log::walk::{LogReader, damaged, events};

/// A longer query event is no `COMMIT`, and is not read.
const SHORT_QUERY_BYTES: usize = 4096;

/// A whole transaction in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mariadb) struct Transaction {
    pub gtid: Gtid,
    /// The offset of its first byte.
    pub start: u64,
    /// The offset behind its last byte.
    pub end: u64,
    /// By the server's clock, in whole seconds: when the statement began that committed it, which is what the log tells.
    pub committed_at: DateTime<Utc>,
}

/// A walk over one file.
#[derive(Debug, Clone, Default)]
pub(in crate::mariadb) struct Reader {
    offset: u64,
    checksum: usize,
    first_state: Option<GtidState>,
    current: Option<Current>,
    is_ended: bool,
    first_commit_at: Option<DateTime<Utc>>,
    last_commit_at: Option<DateTime<Utc>>,
}

/// A transaction that was begun.
#[derive(Debug, Clone)]
struct Current {
    transaction: Transaction,
    is_standalone: bool,
}

impl Reader {
    /// The state that the file begins with; `None` until that was read.
    pub(in crate::mariadb) fn first_state(&self) -> Option<&GtidState> {
        self.first_state.as_ref()
    }

    fn take(&mut self, header: &Header, body: &[u8], end: u64, tell: &mut impl FnMut(Transaction)) -> io::Result<()> {
        let unreadable = || damaged(self.offset, "an event is cut or of an unknown form");
        if self.offset == 4 && header.kind != event::FORMAT_DESCRIPTION {
            return Err(damaged(self.offset, "no format description begins there"));
        }
        match header.kind {
            event::FORMAT_DESCRIPTION => self.checksum = event::checksum_bytes(body).ok_or_else(unreadable)?,
            event::GTID_LIST => {
                let state = event::gtid_list(body).ok_or_else(unreadable)?;
                self.first_state.get_or_insert(state);
            }
            event::GTID => {
                let GtidBody { gtid, is_standalone } = GtidBody::parse(header, body).ok_or_else(unreadable)?;
                self.complete(tell);
                let committed_at = DateTime::from_timestamp(i64::from(header.timestamp), 0).unwrap_or_default();
                let transaction = Transaction { gtid, start: self.offset, end, committed_at };
                self.current = Some(Current { transaction, is_standalone });
            }
            event::ROTATE | event::STOP => {
                self.complete(tell);
                self.is_ended = true;
            }
            // These come between transactions.
            event::BINLOG_CHECKPOINT | event::START_ENCRYPTION => self.complete(tell),
            kind => {
                let Some(current) = &mut self.current else { return Ok(()) };
                current.transaction.end = end;
                let is_last = match kind {
                    event::XID | event::XA_PREPARE => true,
                    event::QUERY => current.is_standalone || event::ends_transaction(body, self.checksum),
                    event::QUERY_COMPRESSED => current.is_standalone,
                    _ => false,
                };
                if is_last {
                    self.complete(tell);
                }
            }
        }
        Ok(())
    }

    fn complete(&mut self, tell: &mut impl FnMut(Transaction)) {
        let Some(Current { transaction, .. }) = self.current.take() else { return };
        self.first_commit_at.get_or_insert(transaction.committed_at);
        self.last_commit_at = Some(transaction.committed_at);
        tell(transaction);
    }
}

impl LogReader for Reader {
    type Transaction = Transaction;

    fn offset(&self) -> u64 {
        self.offset
    }

    fn has_begun(&self) -> bool {
        self.first_state.is_some()
    }

    fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn first_commit_at(&self) -> Option<DateTime<Utc>> {
        self.first_commit_at
    }

    fn last_commit_at(&self) -> Option<DateTime<Utc>> {
        self.last_commit_at
    }

    fn advance(&mut self, path: &Path, limit: u64, mut tell: impl FnMut(Transaction)) -> io::Result<()> {
        if self.is_ended {
            return Ok(());
        }
        self.offset = events(path, self.offset, limit, wanted, |event| {
            self.offset = event.offset;
            self.take(&event.header, event.body, event.end, &mut tell)?;
            Ok(!self.is_ended)
        })?;
        Ok(())
    }
}

fn wanted(header: &Header, size: usize) -> bool {
    match header.kind {
        event::FORMAT_DESCRIPTION | event::GTID_LIST | event::GTID => true,
        event::QUERY => size <= SHORT_QUERY_BYTES,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::my_family::binary_log::header::{HEADER_BYTES, MAGIC};

    fn event(kind: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(HEADER_BYTES + body.len()).expect("small");
        let mut bytes = timestamp.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(body);
        bytes
    }

    fn gtid_event(sequence: u64, timestamp: u32, flags: u8) -> Vec<u8> {
        let mut body = sequence.to_le_bytes().to_vec();
        body.extend([0, 0, 0, 0, flags, 0, 0, 0, 0, 0, 0]);
        event(super::event::GTID, timestamp, &body)
    }

    fn query(text: &str) -> Vec<u8> {
        let mut body = vec![0; 14];
        body.extend(text.as_bytes());
        event(super::event::QUERY, 0, &body)
    }

    fn sample() -> Vec<u8> {
        let mut list = 1u32.to_le_bytes().to_vec();
        list.extend([0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        let parts = [
            MAGIC.to_vec(),
            event(super::event::FORMAT_DESCRIPTION, 0, &[0; 10]),
            event(super::event::GTID_LIST, 0, &list),
            gtid_event(10, 100, 1),
            query("CREATE TABLE t (a int)"),
            gtid_event(11, 101, 0),
            query("BEGIN"),
            event(super::event::XID, 0, &[0; 8]),
            gtid_event(12, 102, 0),
            query("COMMIT"),
        ];
        parts.concat()
    }

    fn read(bytes: &[u8]) -> io::Result<(Reader, Vec<u64>)> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("write");
        let (mut reader, mut told) = (Reader::default(), Vec::new());
        reader.advance(file.path(), u64::MAX, |transaction| told.push(transaction.gtid.sequence))?;
        Ok((reader, told))
    }

    #[test]
    fn transactions_are_told_when_they_are_whole() {
        let whole = sample();
        let (reader, told) = read(&whole).expect("read");
        assert_eq!(told, [10, 11, 12]);
        assert_eq!(reader.first_state().map(ToString::to_string).as_deref(), Some("0-1-9"));
        assert_eq!(reader.offset(), u64::try_from(whole.len()).expect("small"));
        assert!(!reader.is_ended() && reader.current.is_none());
        assert_eq!(reader.last_commit_at().map(|at| at.timestamp()), Some(102));
        let (reader, told) = read(&whole[..whole.len() - 1]).expect("read");
        assert_eq!(told, [10, 11]);
        assert!(reader.current.is_some());
    }

    proptest! {
        #[test]
        fn f66_a_cut_file_tells_a_beginning(length in 0usize..400) {
            let whole = sample();
            let (_, told) = read(&whole[..length.min(whole.len())]).expect("a beginning");
            prop_assert!([10, 11, 12].starts_with(&told));
        }

        #[test]
        fn f66_any_bytes_end_the_walk(bytes in proptest::collection::vec(any::<u8>(), 0..600), place in 4usize..300) {
            let mut flipped = sample();
            for (at, byte) in bytes.iter().take(3).enumerate() {
                if let Some(target) = flipped.get_mut(place + at) {
                    *target ^= byte;
                }
            }
            let _ = read(&flipped);
            let _ = read(&[&MAGIC[..], &bytes].concat());
            let _ = read(&bytes);
        }
    }
}
