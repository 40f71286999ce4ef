//! Turns a child's output into lines, however it behaves: progress bars that end in `\r`, lines without an end, floods,
//! bytes that are no text. Memory is bounded by one line and a tail (F-02).

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::AsyncReadExt;

use crate::{redact::Redactor, streams::ChildStdout};

/// Longer lines are cut.
const LINE_LIMIT_BYTES: usize = 4 * 1024;
const TAIL_LIMIT_LINES: usize = 200;
const TAIL_LIMIT_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// What [`Command::output`](crate::Command::output) keeps of stdout before it gives up.
const COLLECT_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Which of a child's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, where it is not piped to the caller.
    Stdout,
    /// Standard error.
    Stderr,
}

pub(crate) type OnLine = Arc<dyn Fn(Stream, &str) + Send + Sync>;

/// Reads one stream to its end.
pub(crate) struct LineReader {
    pub stream: Stream,
    pub redactor: Arc<Redactor>,
    pub tail: Arc<Mutex<Tail>>,
    pub on_line: Option<OnLine>,
    /// Also return all bytes, for [`Command::output`](crate::Command::output).
    pub collect: bool,
}

impl LineReader {
    /// Ends at the stream's end, with the bytes when they are collected.
    pub(crate) async fn read(self, mut source: ChildStdout) -> io::Result<Vec<u8>> {
        let mut splitter = Splitter::new(LINE_LIMIT_BYTES + self.redactor.longest_bytes());
        let mut chunk = Vec::with_capacity(READ_BYTES);
        let mut collected = Vec::new();
        let mut overflow = false;
        while source.read_buf(&mut chunk).await? > 0 {
            splitter.feed(&chunk, |line| self.take(line));
            if self.collect {
                overflow |= collected.len() + chunk.len() > COLLECT_LIMIT_BYTES;
                if !overflow {
                    collected.extend_from_slice(&chunk);
                }
            }
            chunk.clear();
        }
        splitter.finish(|line| self.take(line));
        if overflow {
            return Err(io::Error::other(format!("more than {COLLECT_LIMIT_BYTES} bytes of output")));
        }
        Ok(collected)
    }

    fn take(&self, line: &[u8]) {
        let line = self.redactor.redact(line, LINE_LIMIT_BYTES);
        if let Some(on_line) = &self.on_line {
            on_line(self.stream, &line);
        }
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// The last lines of a stream.
#[derive(Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > TAIL_LIMIT_LINES || self.bytes > TAIL_LIMIT_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// Cuts bytes at `\n` and `\r`; drops empty lines and what a line has beyond the limit.
struct Splitter {
    line: Vec<u8>,
    limit_bytes: usize,
}

impl Splitter {
    fn new(limit_bytes: usize) -> Self {
        Self { line: Vec::new(), limit_bytes }
    }

    fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, ended) = match piece.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (piece, false),
            };
            let room = self.limit_bytes.saturating_sub(self.line.len());
            self.line.extend(text.iter().take(room));
            if ended {
                self.finish(&mut take);
            }
        }
    }

    fn finish(&mut self, mut take: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            take(&self.line);
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_either_mark_and_are_cut() {
        let mut splitter = Splitter::new(5);
        let mut lines = Vec::new();
        for bytes in [&b"one\ntw"[..], b"o\r\n\r 50%\r 51%", b"\nabcdefghij", b"klm\nend"] {
            splitter.feed(bytes, |line| lines.push(String::from_utf8_lossy(line).into_owned()));
        }
        splitter.finish(|line| lines.push(String::from_utf8_lossy(line).into_owned()));
        assert_eq!(lines, ["one", "two", " 50%", " 51%", "abcde", "end"]);
    }

    #[test]
    fn f02_tail_is_bounded_in_lines_and_bytes() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.push(number.to_string());
        }
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[199].as_str()), (200, "800", "999"));
        for _ in 0..200 {
            tail.push("x".repeat(LINE_LIMIT_BYTES));
        }
        assert_eq!(tail.lines().len(), TAIL_LIMIT_BYTES / LINE_LIMIT_BYTES);
    }
}
