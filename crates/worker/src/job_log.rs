//! The lines of a job's log on their way to the control plane. Bounded: a tool that floods its stderr loses its middle,
//! never the job or the memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use domain::{LogLevel, LogLineDraft};

/// The most lines that wait; later ones are dropped until a heartbeat took some.
const MAX_WAITING: usize = 2_000;
/// The most lines that one message takes.
const MAX_PER_MESSAGE: usize = 500;
/// The most bytes of a line.
const MAX_LINE_BYTES: usize = 4096;

/// Shared by everything that has something to say about a job.
#[derive(Clone, Default)]
pub struct JobLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<LogLineDraft>,
    dropped: u64,
}

impl JobLog {
    /// Adds a line. What comes here holds no secret: `process` redacts what tools say.
    pub fn add(&self, level: LogLevel, text: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.waiting.len() >= MAX_WAITING {
            inner.dropped += 1;
            return;
        }
        if inner.dropped > 0 {
            let text = format!("… {} lines left out …", inner.dropped);
            inner.dropped = 0;
            inner.waiting.push_back(LogLineDraft { at: Utc::now(), level: LogLevel::Warning, text });
        }
        let mut end = text.len().min(MAX_LINE_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default().to_owned();
        inner.waiting.push_back(LogLineDraft { at: Utc::now(), level, text });
    }

    pub fn info(&self, text: impl AsRef<str>) {
        self.add(LogLevel::Info, text.as_ref());
    }

    pub fn warning(&self, text: impl AsRef<str>) {
        self.add(LogLevel::Warning, text.as_ref());
    }

    pub fn error(&self, text: impl AsRef<str>) {
        self.add(LogLevel::Error, text.as_ref());
    }

    /// Takes lines for one message.
    pub fn take(&self) -> Vec<LogLineDraft> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inner.waiting.len().min(MAX_PER_MESSAGE);
        inner.waiting.drain(..count).collect()
    }

    /// Puts lines back whose message was not delivered.
    pub fn put_back(&self, lines: Vec<LogLineDraft>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines.into_iter().rev() {
            inner.waiting.push_front(line);
        }
    }

    /// Whether lines wait.
    pub fn is_empty(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).waiting.is_empty()
    }

    /// A sink for engines.
    pub fn sink(&self) -> engines::LogSink {
        let log = self.clone();
        Arc::new(move |level, text: &str| log.add(level, text))
    }
}
