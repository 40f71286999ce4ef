//! Numbers for Prometheus, in its text format (prometheus.io, "Exposition formats"). Requests are counted here; everything
//! else is asked of the control database when somebody looks.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;

/// What was answered since the start, by the first digit of the status.
#[derive(Default)]
pub(crate) struct Metrics {
    informational: AtomicU64,
    success: AtomicU64,
    redirection: AtomicU64,
    client_error: AtomicU64,
    server_error: AtomicU64,
    microseconds: AtomicU64,
    in_flight: AtomicU64,
}

/// Counts a request as being answered until it is dropped: after the answer, or when the caller hung up.
pub(crate) struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the control database holds.
pub(crate) struct Inventory {
    /// Status and count.
    pub(crate) jobs: Vec<(&'static str, i64)>,
    pub(crate) datastores: i64,
    pub(crate) backups: i64,
    pub(crate) stored_bytes: i64,
    pub(crate) workers_online: i64,
    /// What became of scheduled runs of the last 24 hours that made no backup, and how many.
    pub(crate) schedule_run_failures: Vec<(&'static str, i64)>,
}

impl Metrics {
    /// A request has come.
    pub(crate) fn begin_request(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    pub(crate) fn count_request(&self, status: StatusCode, duration: Duration) {
        let class = match status.as_u16() / 100 {
            1 => &self.informational,
            2 => &self.success,
            3 => &self.redirection,
            4 => &self.client_error,
            _ => &self.server_error,
        };
        class.fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// The whole page.
    pub(crate) fn render(&self, version: &str, inventory: &Inventory) -> String {
        let mut page = Page(String::new());
        page.metric(
            "holdfast_build_info",
            "gauge",
            "The version that runs.",
            &[(&format!("version=\"{version}\""), 1.0)],
        );
        let classes = [
            ("1xx", &self.informational),
            ("2xx", &self.success),
            ("3xx", &self.redirection),
            ("4xx", &self.client_error),
            ("5xx", &self.server_error),
        ];
        let requests = classes.map(|(name, count)| (format!("status=\"{name}\""), count.load(Ordering::Relaxed)));
        let total: u64 = requests.iter().map(|(_, count)| count).sum();
        let requests: Vec<(&str, f64)> =
            requests.iter().map(|(label, count)| (label.as_str(), *count as f64)).collect();
        page.metric("holdfast_http_requests_total", "counter", "Requests answered, by status.", &requests);
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let in_flight = self.in_flight.load(Ordering::Relaxed) as f64;
        page.metric("holdfast_http_requests_in_flight", "gauge", "Requests being answered.", &[("", in_flight)]);
        page.header("holdfast_http_request_duration_seconds", "summary", "How long requests took.");
        page.line("holdfast_http_request_duration_seconds_sum", "", seconds);
        page.line("holdfast_http_request_duration_seconds_count", "", total as f64);

        page.by_status("holdfast_jobs", "Jobs, by status.", &inventory.jobs);
        page.by_status(
            "holdfast_schedule_run_failures",
            "Scheduled runs of the last 24 hours that made no backup, by what became of them.",
            &inventory.schedule_run_failures,
        );
        page.metric("holdfast_datastores", "gauge", "Registered datastores.", &[("", inventory.datastores as f64)]);
        page.metric("holdfast_backups", "gauge", "Completed backups.", &[("", inventory.backups as f64)]);
        page.metric(
            "holdfast_stored_bytes",
            "gauge",
            "Bytes that they occupy.",
            &[("", inventory.stored_bytes as f64)],
        );
        page.metric(
            "holdfast_workers_online",
            "gauge",
            "Workers heard of lately.",
            &[("", inventory.workers_online as f64)],
        );
        page.0
    }
}

struct Page(String);

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, f64)]) {
        self.header(name, kind, help);
        for (labels, value) in values {
            self.line(name, labels, *value);
        }
    }

    fn by_status(&mut self, name: &str, help: &str, counts: &[(&'static str, i64)]) {
        self.header(name, "gauge", help);
        for (status, count) in counts {
            self.line(name, &format!("status=\"{status}\""), *count as f64);
        }
    }

    fn header(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}
