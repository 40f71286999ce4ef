//! The line of time under a picture of recovery windows: where an instant stands on it, and where its marks are.

use chrono::{DateTime, TimeDelta, Utc};

/// A stretch of time that is drawn from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Distances between marks that people count in, in seconds.
const STEPS: [i64; 19] = [
    1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600,
    2_592_000, 7_776_000,
];

impl Axis {
    fn milliseconds(&self) -> i64 {
        (self.to - self.from).num_milliseconds().max(1)
    }

    /// Where an instant stands, in percent from the left; outside of 0 to 100 when it is not on the axis.
    pub fn percent(&self, at: DateTime<Utc>) -> f64 {
        (at - self.from).num_milliseconds() as f64 / self.milliseconds() as f64 * 100.0
    }

    /// What part of a stretch is on the axis: from the left and how wide, in percent.
    pub fn part(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<(f64, f64)> {
        (to >= self.from && from <= self.to).then(|| {
            let left = self.percent(from.max(self.from));
            (left, self.percent(to.min(self.to)) - left)
        })
    }

    /// The instant at a place, in whole seconds.
    pub fn at(&self, percent: f64) -> DateTime<Utc> {
        // Saturates: no picture is so long.
        let seconds = (percent / 100.0 * self.milliseconds() as f64 / 1000.0).round() as i64;
        let at = self.from + TimeDelta::seconds(seconds);
        DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
    }

    /// At most `count` round instants on clocks that are ahead of UTC by `offset` seconds, and the seconds between them.
    pub fn marks(&self, count: i64, offset: i32) -> (Vec<DateTime<Utc>>, i64) {
        let wanted = self.milliseconds() / 1000 / count.max(1);
        let last = STEPS[STEPS.len() - 1];
        let step = STEPS.into_iter().find(|step| *step > wanted).unwrap_or((wanted / last + 1) * last);
        let offset = i64::from(offset);
        let first = (self.from.timestamp() + offset).div_euclid(step) * step + step - offset;
        let marks = (0..count).filter_map(|number| DateTime::from_timestamp(first + number * step, 0));
        (marks.filter(|mark| *mark < self.to).collect(), step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(from: &str, to: &str) -> Axis {
        Axis { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    #[test]
    fn places_and_instants_fit_together() {
        let axis = axis("2026-11-22T06:00:00Z", "2026-11-22T10:00:00Z");
        let quarter = "2026-11-22T07:00:00Z".parse().unwrap();
        assert_eq!((axis.percent(quarter), axis.at(25.0)), (25.0, quarter));
        assert_eq!(axis.part(axis.from - TimeDelta::hours(1), quarter), Some((0.0, 25.0)));
        assert_eq!(axis.part(axis.to + TimeDelta::hours(1), axis.to + TimeDelta::hours(2)), None);
    }

    #[test]
    fn marks_are_round_on_the_clocks_that_are_shown() {
        for (from, to, offset, marks, step) in [
            ("2026-11-22T06:10:00Z", "2026-11-22T10:10:00Z", 0, vec!["07:00", "08:00", "09:00", "10:00"], 3_600),
            ("2026-11-22T20:00:00Z", "2026-11-24T20:00:00Z", 3_600, vec!["23:00", "11:00", "23:00", "11:00"], 43_200),
            ("2026-11-22T06:00:00Z", "2026-11-22T06:00:00Z", 0, vec![], 1),
        ] {
            let (found, distance) = axis(from, to).marks(5, offset);
            let found: Vec<_> = found.iter().map(|mark| mark.format("%H:%M").to_string()).collect();
            assert_eq!((found, distance), (marks.iter().map(ToString::to_string).collect(), step), "{from}");
        }
    }
}
