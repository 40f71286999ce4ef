//! Which of a recurrence's runs came due in a span of time, however long the span: the newest, and a bounded number of
//! those before it. // F-14

use chrono::{DateTime, TimeDelta, Utc};

use crate::recurrence::Recurrence;

/// How many missed runs are recorded one by one.
pub const MAX_MISSED: usize = 100;

/// The runs of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub newest: DateTime<Utc>,
    /// Those before the newest, growing, at most [`MAX_MISSED`].
    pub earlier: Vec<DateTime<Utc>>,
    /// Whether there were still earlier ones.
    pub more: bool,
}

/// The runs later than `after` and not later than `until`, and the first run after those.
pub(super) fn due(
    recurrence: &Recurrence,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> (Option<Due>, Option<DateTime<Utc>>) {
    let first = recurrence.next_run(after);
    let Some(first) = first.filter(|first| *first <= until) else { return (None, first) };
    let next = recurrence.next_run(first);
    if next.is_none_or(|next| next > until) {
        return (Some(Due { newest: first, earlier: Vec::new(), more: false }), next);
    }
    // After a long time only the newest runs are of interest: look back by growing spans until there are enough.
    let mut span = TimeDelta::hours(1);
    loop {
        let start = until.checked_sub_signed(span).filter(|start| *start > after);
        let mut runs: Vec<_> = recurrence.runs_after(start.unwrap_or(after)).take_while(|run| *run <= until).collect();
        if runs.len() > MAX_MISSED + 1 || start.is_none() {
            let more = runs.len() > MAX_MISSED + 1;
            let newest = runs.pop();
            let surplus = runs.len().saturating_sub(MAX_MISSED);
            runs.drain(..surplus);
            let due = newest.map(|newest| Due { newest, earlier: runs, more });
            return (due, recurrence.next_run(until));
        }
        span = span.checked_mul(8).unwrap_or(TimeDelta::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn f14_the_newest_and_a_bounded_number_before_it() {
        for (recurrence, after, earlier, more, newest) in [
            ("TZ=UTC 0 5 * * *", "2026-11-21T05:00:00Z", 0, false, "2026-11-22T05:00:00Z"),
            ("TZ=UTC 0 5 * * *", "2026-11-19T04:59:59Z", 3, false, "2026-11-22T05:00:00Z"),
            ("TZ=UTC 0 5 * * *", "2006-11-19T04:59:59Z", 100, true, "2026-11-22T05:00:00Z"),
            ("TZ=UTC * * * * *", "2006-11-19T04:59:59Z", 100, true, "2026-11-22T12:00:00Z"),
            ("TZ=UTC * * * * *", "2026-11-22T10:19:00Z", 100, false, "2026-11-22T12:00:00Z"),
            ("TZ=UTC * * * * *", "2026-11-22T10:18:00Z", 100, true, "2026-11-22T12:00:00Z"),
            ("TZ=UTC 0 0 29 2 *", "1990-01-01T00:00:00Z", 8, false, "2024-02-29T00:00:00Z"),
        ] {
            let recurrence: Recurrence = recurrence.parse().unwrap();
            let until = time("2026-11-22T12:00:00Z");
            let (due, next) = due(&recurrence, time(after), until);
            let due = due.unwrap();
            assert_eq!(
                (due.earlier.len(), due.more, due.newest),
                (earlier, more, time(newest)),
                "{recurrence} {after}"
            );
            assert_eq!(next, recurrence.next_run(until));
            assert!(due.earlier.iter().chain([&due.newest]).is_sorted());
        }
        let recurrence: Recurrence = "TZ=UTC 0 5 * * *".parse().unwrap();
        let (none, next) = due(&recurrence, time("2026-11-22T05:00:00Z"), time("2026-11-22T12:00:00Z"));
        assert_eq!((none, next), (None, Some(time("2026-11-23T05:00:00Z"))));
    }
}
