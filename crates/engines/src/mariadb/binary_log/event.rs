//! The bodies of the few events of MariaDB's that tell where transactions lie.
//!
//! Sources: MariaDB documentation, "GTID_EVENT", "GTID_LIST_EVENT", "QUERY_EVENT"; `sql/log_event.h`.

use super::gtid::{Gtid, GtidState};
use crate::my_family::binary_log::header::{u32_at, u64_at};

pub(super) use crate::my_family::binary_log::header::{
    FORMAT_DESCRIPTION, Header, QUERY, ROTATE, STOP, XA_PREPARE, XID,
};

pub(super) const BINLOG_CHECKPOINT: u8 = 161;
pub(super) const GTID: u8 = 162;
pub(super) const GTID_LIST: u8 = 163;
pub(super) const START_ENCRYPTION: u8 = 164;
pub(super) const QUERY_COMPRESSED: u8 = 165;

/// A transaction of one statement, which no `COMMIT` ends.
const FLAG_STANDALONE: u8 = 1;

/// What a transaction's first event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GtidBody {
    pub gtid: Gtid,
    pub is_standalone: bool,
}

impl GtidBody {
    pub(super) fn parse(header: &Header, body: &[u8]) -> Option<Self> {
        let gtid = Gtid { domain: u32_at(body, 8)?, server: header.server, sequence: u64_at(body, 0)? };
        Some(Self { gtid, is_standalone: body.get(12)? & FLAG_STANDALONE != 0 })
    }
}

/// The state with which a file begins.
pub(super) fn gtid_list(body: &[u8]) -> Option<GtidState> {
    // The upper four bits are flags.
    let count = usize::try_from(u32_at(body, 0)? & 0x0fff_ffff).ok()?;
    let mut state = GtidState::default();
    for index in 0..count {
        let start = index.checked_mul(16)?.checked_add(4)?;
        let (domain, server) = (u32_at(body, start)?, u32_at(body, start.checked_add(4)?)?);
        state.add(Gtid { domain, server, sequence: u64_at(body, start.checked_add(8)?)? });
    }
    Some(state)
}

/// Whether a query event's statement ends a transaction. `checksum` is how many bytes follow the statement.
pub(super) fn ends_transaction(body: &[u8], checksum: usize) -> bool {
    let statement = || {
        let database = usize::from(*body.get(8)?);
        let variables = usize::from(u16::from_le_bytes(body.get(11..13)?.try_into().ok()?));
        let start = 13usize.checked_add(variables)?.checked_add(database)?.checked_add(1)?;
        body.get(start..body.len().checked_sub(checksum)?)
    };
    statement().is_some_and(|text| text == b"COMMIT" || text == b"ROLLBACK")
}

/// The length of a file's checksums, from its format description event's last bytes: algorithm 1 is CRC-32. The event itself
/// always has the four bytes.
pub(super) fn checksum_bytes(body: &[u8]) -> Option<usize> {
    let algorithm = *body.get(body.len().checked_sub(5)?)?;
    Some(if algorithm == 1 { 4 } else { 0 })
}
