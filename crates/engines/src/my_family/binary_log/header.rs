//! The header that every event of a binary log begins with: the same in both, as is the magic number before the first one.
//!
//! Sources: MariaDB documentation, "2-Binlog Event Header"; MySQL's `libs/mysql/binlog/event/binlog_event.h`.

/// The first bytes of a binary log file.
pub(crate) const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
pub(crate) const HEADER_BYTES: usize = 19;
/// Where in a file the flags of its first event lie. The lowest bit tells that a server is writing the file; it is not part of
/// the checksum.
pub(crate) const IN_USE_OFFSET: u64 = 21;
pub(crate) const IN_USE_FLAG: u8 = 1;

pub(crate) const QUERY: u8 = 2;
pub(crate) const STOP: u8 = 3;
pub(crate) const ROTATE: u8 = 4;
pub(crate) const FORMAT_DESCRIPTION: u8 = 15;
pub(crate) const XID: u8 = 16;
pub(crate) const XA_PREPARE: u8 = 38;

/// The header of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// In seconds since 1970.
    pub timestamp: u32,
    pub kind: u8,
    pub server: u32,
    /// Of the whole event, in bytes.
    pub size: u32,
}

impl Header {
    /// Reads one; `None` where these bytes can't be one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            timestamp: u32_at(bytes, 0)?,
            kind: *bytes.get(4)?,
            server: u32_at(bytes, 5)?,
            size: u32_at(bytes, 9)?,
        };
        let whole = usize::try_from(header.size).is_ok_and(|size| size >= HEADER_BYTES);
        (whole && header.kind != 0).then_some(header)
    }
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset.checked_add(8)?)?.try_into().ok()?))
}
