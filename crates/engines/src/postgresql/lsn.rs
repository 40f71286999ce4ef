//! Log sequence numbers: `X/Y`, two halves of a byte position in hexadecimal (manual, "pg_lsn Type").

/// Reads one; none for anything else.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let half = |text: &str| {
        let plain = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
    };
    Some(half(high)? << 32 | half(low)?)
}

pub(super) fn write(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

/// A segment's file name: timeline, and the segment's number in two parts (`xlog_internal.h`, `XLogFileName`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    pub timeline: u32,
    high: u32,
    low: u32,
}

impl SegmentName {
    /// Reads one; none for anything else, such as `00000002.history`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)) {
            return None;
        }
        let part = |range| u32::from_str_radix(name.get(range)?, 16).ok();
        Some(Self { timeline: part(0..8)?, high: part(8..16)?, low: part(16..24)? })
    }

    /// The position of its first byte where segments have `size` bytes.
    pub(super) fn start(self, size: u64) -> u64 {
        (u64::from(self.high) << 32) | (u64::from(self.low) * size)
    }
}

impl std::fmt::Display for SegmentName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:08X}{:08X}{:08X}", self.timeline, self.high, self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_and_written() {
        assert_eq!(parse("16/B374D848"), Some(0x16_b374_d848));
        assert_eq!(write(0x16_b374_d848), "16/B374D848");
        for odd in ["", "1", "/", "1/", "g/1", "1/123456789", "+1/2", "1/2/3"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn segments_tell_where_they_begin() {
        let name = SegmentName::parse("00000002000000010000000A").unwrap();
        assert_eq!((name.timeline, name.start(16 << 20)), (2, 0x1_0a00_0000));
        for odd in ["00000002.history", "00000002000000010000000a", "00000002000000010000000A.partial"] {
            assert_eq!(SegmentName::parse(odd), None, "{odd}");
        }
    }
}
