//! Walks over the events of one file and tells its transactions. Each begins with an event that says how long all of it is and
//! when it was committed, to the microsecond.
//!
//! Sources: `libs/mysql/binlog/event/control_events.h` (`Gtid_event`), `binlog_event.h`.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::gtid::Gtid;
use crate::my_family::binary_log::header::{FORMAT_DESCRIPTION, Header, ROTATE, STOP, u64_at};
use crate::my_family::binary_log::walk::{Event, LogReader, damaged, events};

const GTID: u8 = 33;
const ANONYMOUS_GTID: u8 = 34;
const PREVIOUS_GTIDS: u8 = 35;
const TAGGED_GTID: u8 = 42;
/// Set in a time of commit when another one, that of the first server, follows.
const HAS_ORIGINAL: u64 = 1 << 55;

/// A whole transaction in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mysql) struct Transaction {
    /// None where the server gives none.
    pub gtid: Option<Gtid>,
    /// The offset of its first byte.
    pub start: u64,
    /// The offset behind its last byte.
    pub end: u64,
    /// By the server's clock.
    pub committed_at: DateTime<Utc>,
}

/// A walk over one file.
#[derive(Debug, Clone, Default)]
pub(in crate::mysql) struct Reader {
    offset: u64,
    has_begun: bool,
    current: Option<Transaction>,
    is_ended: bool,
    first_commit_at: Option<DateTime<Utc>>,
    last_commit_at: Option<DateTime<Utc>>,
}

impl Reader {
    fn take(&mut self, event: &Event<'_>, tell: &mut impl FnMut(Transaction)) -> io::Result<()> {
        let offset = event.offset;
        if offset == 4 && event.header.kind != FORMAT_DESCRIPTION {
            return Err(damaged(offset, "no format description begins there"));
        }
        match event.header.kind {
            PREVIOUS_GTIDS => self.has_begun = true,
            ROTATE | STOP => self.is_ended = true,
            TAGGED_GTID => return Err(damaged(offset, "a GTID has a tag, which is not known yet")),
            kind @ (GTID | ANONYMOUS_GTID) => {
                if self.current.is_some() {
                    return Err(damaged(offset, "a transaction begins inside another"));
                }
                let begun = transaction(kind, offset, event.body);
                self.current = Some(begun.ok_or_else(|| damaged(offset, "an event is cut or of an unknown form"))?);
            }
            _ => {}
        }
        match &self.current {
            Some(current) if event.end > current.end => Err(damaged(offset, "an event is longer than its transaction")),
            Some(current) if event.end == current.end => {
                self.first_commit_at.get_or_insert(current.committed_at);
                self.last_commit_at = Some(current.committed_at);
                self.current.take().into_iter().for_each(tell);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl LogReader for Reader {
    type Transaction = Transaction;

    fn offset(&self) -> u64 {
        self.offset
    }

    fn has_begun(&self) -> bool {
        self.has_begun
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
        let wanted = |header: &Header, _| matches!(header.kind, GTID | ANONYMOUS_GTID);
        self.offset = events(path, self.offset, limit, wanted, |event| {
            self.take(event, &mut tell)?;
            Ok(!self.is_ended)
        })?;
        Ok(())
    }
}

/// Of a transaction's first event: flags (1), server (16), number (8), a kind (1), two clocks for parallel replicas (8 each), the
/// time of commit (7), perhaps another one (7), and the length of the whole transaction.
fn transaction(kind: u8, start: u64, body: &[u8]) -> Option<Transaction> {
    let server = uuid::Uuid::from_slice(body.get(1..17)?).ok()?.hyphenated().to_string();
    let number = u64_at(body, 17)?;
    let mut time = [0; 8];
    time.get_mut(..7)?.copy_from_slice(body.get(42..49)?);
    let time = u64::from_le_bytes(time);
    let length_at = if time & HAS_ORIGINAL == 0 { 49 } else { 56 };
    let length = packed(body.get(length_at..)?)?;
    let micros = i64::try_from(time & !HAS_ORIGINAL).ok()?;
    Some(Transaction {
        gtid: (kind == GTID).then_some(Gtid { server, number }),
        start,
        end: start.checked_add(length).filter(|end| *end > start)?,
        committed_at: DateTime::from_timestamp_micros(micros)?,
    })
}

/// A number in the protocol's packed form: one byte, or a mark and two, three or eight.
fn packed(bytes: &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let count = match first {
        0..=250 => return Some(u64::from(*first)),
        252 => 2,
        253 => 3,
        254 => 8,
        _ => return None,
    };
    let mut number = [0; 8];
    number.get_mut(..count)?.copy_from_slice(rest.get(..count)?);
    Some(u64::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server of 9.7 wrote it.
    const BODY: &str = "018df3505fe95011f195d202fc0000000101000000000000000200000000000000000100000000000000\
                        58e45b42266106fc40015062010042 2a8caf";

    fn bytes(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn a_transactions_first_event_is_read() {
        let body = bytes(BODY);
        let read = transaction(GTID, 158, &body).expect("read");
        assert_eq!(read.gtid.expect("a GTID").to_string(), "8df3505f-e950-11f1-95d2-02fc00000001:1");
        assert_eq!((read.start, read.end), (158, 158 + 320));
        assert_eq!(read.committed_at.timestamp_micros(), 1_795_666_810_233_944);
        assert_eq!(transaction(ANONYMOUS_GTID, 158, &body).expect("read").gtid, None);
        for length in 0..50 {
            assert_eq!(transaction(GTID, 158, &body[..length]), None, "{length}");
        }
    }

    #[test]
    fn packed_numbers_are_read() {
        for (text, number) in
            [("fa", Some(250)), ("fc4001", Some(320)), ("fd010001", Some(65_537)), ("fb", None), ("fc40", None)]
        {
            assert_eq!(packed(&bytes(text)), number, "{text}");
        }
    }
}
