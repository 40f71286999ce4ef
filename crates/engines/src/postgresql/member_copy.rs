//! Keeps a copy of one member of a tar stream that passes by: the backup's own manifest, which the next increment needs.
//! The stream is the tool's, so it is followed and not doubted; a restore doubts what it unpacks.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::archive_end::BLOCK_BYTES;

/// Where name and size stand in a header (POSIX, "ustar Interchange Format").
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;

/// Follows a stream and writes the content of the member `name` into a file.
pub(super) struct MemberCopy {
    name: &'static str,
    path: PathBuf,
    file: BufWriter<File>,
    header: Vec<u8>,
    /// What is left of the member at hand, and of the zeros that fill its last block.
    content: u64,
    padding: u64,
    is_wanted: bool,
    outcome: io::Result<bool>,
}

impl MemberCopy {
    pub(super) fn into_file(name: &'static str, directory: &Path) -> io::Result<Self> {
        let path = directory.join(name);
        let file = BufWriter::new(File::create(&path)?);
        let header = Vec::new();
        Ok(Self { name, path, file, header, content: 0, padding: 0, is_wanted: false, outcome: Ok(false) })
    }

    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.content > 0 {
                let (content, rest) = split(bytes, &mut self.content);
                if self.is_wanted
                    && self.outcome.is_ok()
                    && let Err(error) = self.file.write_all(content)
                {
                    self.outcome = Err(error);
                }
                bytes = rest;
            } else if self.padding > 0 {
                (_, bytes) = split(bytes, &mut self.padding);
            } else {
                let mut missing = BLOCK_BYTES.saturating_sub(self.header.len() as u64);
                let (header, rest) = split(bytes, &mut missing);
                self.header.extend_from_slice(header);
                bytes = rest;
                if missing == 0 {
                    self.begin_member();
                }
            }
        }
    }

    fn begin_member(&mut self) {
        let field = |range| self.header.get(range).unwrap_or_default();
        let name = field(NAME).split(|byte| *byte == 0).next().unwrap_or_default();
        self.content = size(field(SIZE));
        self.padding = self.content.next_multiple_of(BLOCK_BYTES) - self.content;
        self.is_wanted = name == self.name.as_bytes();
        self.header.clear();
        if self.is_wanted && self.outcome.is_ok() {
            self.outcome = Ok(true);
        }
    }

    /// The file, or none when the stream had no such member.
    pub(super) fn finish(&mut self) -> io::Result<Option<PathBuf>> {
        self.file.flush()?;
        let found = std::mem::replace(&mut self.outcome, Ok(false))?;
        Ok(found.then(|| self.path.clone()))
    }
}

/// Takes up to `left` bytes and counts them off.
fn split<'a>(bytes: &'a [u8], left: &mut u64) -> (&'a [u8], &'a [u8]) {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= count as u64;
    bytes.split_at(count)
}

/// Octal text, or a number in bytes where the first one's highest bit is set, as for files from 8 GiB on.
fn size(field: &[u8]) -> u64 {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => rest.iter().fold(0, |size, byte| (size << 8) | u64::from(*byte)),
        _ => {
            let digits = field.iter().filter(|byte| (b'0'..=b'7').contains(*byte));
            digits.fold(0, |size, digit| (size << 3) | u64::from(digit - b'0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[124..136].copy_from_slice(format!("{:011o} ", content.len()).as_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn copied(stream: &[u8], at_a_time: usize) -> Option<Vec<u8>> {
        let directory = tempfile::tempdir().unwrap();
        let mut copy = MemberCopy::into_file("wanted", directory.path()).unwrap();
        stream.chunks(at_a_time).for_each(|part| copy.pass(part));
        copy.finish().unwrap().map(|path| std::fs::read(path).unwrap())
    }

    #[test]
    fn one_member_is_copied_however_the_stream_is_cut() {
        let mut stream = member("base/1/wanted", b"not this");
        stream.extend(member("empty", b""));
        stream.extend(member("wanted", &[b'w'; 1000]));
        stream.extend(member("full", &[1; 512]));
        stream.extend([0; 1024]);
        for at_a_time in [1, 7, 512, 1000, 100_000] {
            assert_eq!(copied(&stream, at_a_time), Some(vec![b'w'; 1000]), "{at_a_time}");
        }
        assert_eq!(copied(&member("other", b"wanted"), 100), None);
    }

    #[test]
    fn sizes_are_octal_or_binary() {
        assert_eq!(size(b"00000001750\0"), 1000);
        assert_eq!(size(&[0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]), 3 << 32);
    }
}
