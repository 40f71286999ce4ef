//! The names of binary log files, and positions in them as one number.

use std::fmt;

/// A file of the binary log: `base.000123`. The number has at least six digits and may have more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFileName {
    text: String,
    number: u32,
}

impl LogFileName {
    /// Takes a name as a server tells it. It becomes a path and an argument, so none that leaves its directory or begins like
    /// an option is taken. // F-82
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, digits) = text.rsplit_once('.')?;
        let harmless = !base.is_empty() && !text.starts_with(['.', '-']) && !text.contains(['/', '\\', '\0', '\n']);
        let is_number = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok()?;
        (harmless && is_number).then(|| Self { text: text.to_owned(), number })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The name of another file of the same log.
    pub(crate) fn with_number(&self, number: u32) -> Self {
        let base = self.text.rsplit_once('.').map_or(self.text.as_str(), |(base, _)| base);
        Self { text: format!("{base}.{number:06}"), number }
    }
}

impl fmt::Display for LogFileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A place in a log as one number: the file's number times 2^32 plus the offset (see [`domain::LogPoint`]). A server begins a
/// new file at `max_binlog_size`, at most 1 GiB, and only a single larger transaction makes a file longer.
pub(crate) fn position_of(number: u32, offset: u64) -> u64 {
    (u64::from(number) << 32) | offset.min(u64::from(u32::MAX))
}

/// The file's number and the offset in it.
pub(crate) fn split_position(position: u64) -> (u32, u64) {
    (u32::try_from(position >> 32).unwrap_or(u32::MAX), position & u64::from(u32::MAX))
}

/// The name of a server's line of log: its `server_uid`, which is base64 text, in letters, digits, `_` and `-`.
pub(crate) fn stream_of(server_uid: &str) -> String {
    let character = |character: char| match character {
        '+' => Some('-'),
        '/' => Some('_'),
        character => (character.is_ascii_alphanumeric() || matches!(character, '-' | '_')).then_some(character),
    };
    server_uid.chars().filter_map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let name = LogFileName::parse("my.bin-log.000123").expect("a name");
        assert_eq!((name.number(), name.with_number(7).as_str()), (123, "my.bin-log.000007"));
        assert_eq!(LogFileName::parse("bin.1234567").map(|name| name.number()), Some(1_234_567));
        assert_eq!(name.with_number(1_234_567).as_str(), "my.bin-log.1234567");
    }

    #[test]
    fn f82_names_that_are_none_are_refused() {
        for text in [
            "",
            "bin",
            "bin.",
            ".000001",
            "bin.00001",
            "bin.00000x",
            "../bin.000001",
            "-r.000001",
            "a/b.000001",
            "bin.+00001",
            "bin.99999999999",
            "b\0.000001",
        ] {
            assert_eq!(LogFileName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn positions_and_streams() {
        assert_eq!(split_position(position_of(1_234_567, 328)), (1_234_567, 328));
        assert!(position_of(2, 0) > position_of(1, u64::MAX));
        assert_eq!(stream_of("a+b/C=="), "a-b_C");
    }
}
