//! The table: what was measured, what it was measured against, and whether the bound holds.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// One line.
pub struct Row {
    pub what: String,
    pub measured: String,
    /// What the bare commands took.
    pub bare: Option<String>,
    pub ratio: Option<f64>,
    /// The bound in words; null where there is none.
    pub bound: Option<String>,
    pub holds: bool,
}

/// All lines so far.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds a time beside that of the bare commands, which it may exceed by a factor.
    pub fn add_ratio(&mut self, what: String, measured: Duration, bare: Duration, most: f64) {
        let ratio = measured.as_secs_f64() / bare.as_secs_f64();
        self.rows.push(Row {
            what,
            measured: seconds(measured),
            bare: Some(seconds(bare)),
            ratio: Some(ratio),
            bound: Some(format!("≤ {most:.2} × bare")),
            holds: ratio <= most,
        });
    }

    /// Adds a number that has an upper bound.
    pub fn add_bounded(&mut self, what: String, measured: String, bound: String, holds: bool) {
        self.rows.push(Row { what, measured, bare: None, ratio: None, bound: Some(bound), holds });
    }

    /// Adds a number that only informs.
    pub fn add_plain(&mut self, what: String, measured: String) {
        self.rows.push(Row { what, measured, bare: None, ratio: None, bound: None, holds: true });
    }
}

impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<46} {:>12} {:>12} {:>7}  {:<16}", "", "Holdfast", "bare", "ratio", "bound")?;
        for row in &self.rows {
            let bare = row.bare.as_deref().unwrap_or("–");
            let ratio = row.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            let bound = row.bound.as_deref().unwrap_or("–");
            let verdict = match (&row.bound, row.holds) {
                (None, _) => "",
                (Some(_), true) => "holds",
                (Some(_), false) => "MISSED",
            };
            writeln!(out, "{:<46} {:>12} {bare:>12} {ratio:>7}  {bound:<16} {verdict}", row.what, row.measured)?;
        }
        let missed = self.rows.iter().filter(|row| !row.holds).count();
        let bounds = self.rows.iter().filter(|row| row.bound.is_some()).count();
        writeln!(out, "{} of {bounds} bounds hold.", bounds - missed)
    }
}

/// Seconds for people.
pub fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Milliseconds for people.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// Mebibytes for people.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
