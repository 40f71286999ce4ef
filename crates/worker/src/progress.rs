//! How far a job has come, and how fast: numbers for people, kept without locks that a data path could wait on for long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::Progress;
use tokio::sync::Notify;

/// The rate is that of the last few seconds, so that it follows what happens.
const RATE_WINDOW: Duration = Duration::from_secs(8);

/// Shared by the parts that make progress and the heartbeat that reports it.
#[derive(Clone, Default)]
pub struct ProgressTracker {
    inner: Arc<Mutex<Inner>>,
    begun: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    phase: &'static str,
    bytes_done: u64,
    bytes_total: Option<u64>,
    samples: VecDeque<(Instant, u64)>,
    /// Phases that were left before anybody reported them.
    unreported: Vec<Progress>,
    is_reported: bool,
}

impl ProgressTracker {
    /// Begins a phase; `bytes_total` is null where nobody can tell.
    pub fn begin(&self, phase: &'static str, bytes_total: Option<u64>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unreported = std::mem::take(&mut inner.unreported);
        if !inner.is_reported && !inner.phase.is_empty() {
            unreported.push(inner.snapshot());
        }
        *inner = Inner { phase, bytes_total, unreported, ..Inner::default() };
        inner.samples.push_back((Instant::now(), 0));
        self.begun.notify_one();
    }

    /// Waits for the beginning of a phase that nobody has reported yet.
    pub async fn phase_begun(&self) {
        self.begun.notified().await;
    }

    /// What to report: each phase that was left unreported, in order, and where things stand now.
    pub fn take_report(&self) -> Vec<Progress> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.is_reported = true;
        let mut report = std::mem::take(&mut inner.unreported);
        report.push(inner.snapshot());
        report
    }

    /// Sets how many bytes of this phase are done.
    pub fn set_bytes(&self, bytes_done: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes_done = bytes_done;
        let now = Instant::now();
        let last = inner.samples.back().map(|(at, _)| *at);
        if last.is_none_or(|last| now.duration_since(last) >= Duration::from_millis(250)) {
            inner.samples.push_back((now, bytes_done));
            while inner.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW) {
                inner.samples.pop_front();
            }
        }
    }

    /// Where things stand now.
    pub fn snapshot(&self) -> Progress {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).snapshot()
    }
}

impl Inner {
    fn snapshot(&self) -> Progress {
        let rate = match (self.samples.front(), self.samples.back()) {
            (Some((first_at, first)), Some((last_at, last))) if last > first => {
                let seconds = last_at.duration_since(*first_at).as_secs_f64();
                (seconds > 0.0).then(|| ((last - first) as f64 / seconds) as u64)
            }
            _ => None,
        };
        // An estimate can be too low: a job that still runs never shows more than its total.
        let bytes_total = self.bytes_total.map(|total| total.max(self.bytes_done));
        let percent = bytes_total.filter(|total| *total > 0).map(|total| self.bytes_done as f64 * 100.0 / total as f64);
        let eta_seconds = match (bytes_total, rate) {
            (Some(total), Some(rate)) if rate > 0 => Some((total - self.bytes_done).div_ceil(rate)),
            _ => None,
        };
        Progress {
            phase: self.phase.to_owned(),
            bytes_done: self.bytes_done,
            bytes_total,
            percent,
            bytes_per_second: rate,
            eta_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_that_was_estimated_too_low_never_gives_more_than_all() {
        let tracker = ProgressTracker::default();
        tracker.begin("streaming", Some(100));
        tracker.set_bytes(250);
        let progress = tracker.snapshot();
        assert_eq!(progress.bytes_total, Some(250));
        assert_eq!(progress.percent, Some(100.0));
        assert_eq!(progress.phase, "streaming");
    }

    #[test]
    fn a_phase_that_nobody_saw_is_reported_all_the_same() {
        let tracker = ProgressTracker::default();
        let phases = |report: Vec<Progress>| report.into_iter().map(|step| step.phase).collect::<Vec<_>>();
        tracker.begin("checking", None);
        tracker.begin("fetching", None);
        assert_eq!(phases(tracker.take_report()), ["checking", "fetching"]);
        tracker.begin("switching", None);
        assert_eq!(phases(tracker.take_report()), ["switching"]);
        assert_eq!(phases(tracker.take_report()), ["switching"]);
    }

    #[test]
    fn an_unknown_total_gives_no_percent() {
        let tracker = ProgressTracker::default();
        tracker.begin("fetching", None);
        tracker.set_bytes(10);
        let progress = tracker.snapshot();
        assert_eq!((progress.percent, progress.eta_seconds), (None, None));
    }
}
