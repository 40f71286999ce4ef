//! Whether a server was restarted, told by its uptime. // F-50

use std::time::Duration;

/// How much less than the time that passed here a server's uptime may have grown: its clock counts whole seconds.
const SLACK: Duration = Duration::from_secs(3);

/// Whether a server's uptime (in seconds) cannot have gone from `before` to `after` in the time that `elapsed` without a restart.
pub(crate) fn was_restarted(before: u64, after: u64, elapsed: Duration) -> bool {
    let ran_for = Duration::from_secs(after.saturating_sub(before));
    after < before || ran_for + SLACK < elapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f50_a_restart_is_told_from_a_slow_clock() {
        for (before, after, elapsed, restarted) in
            [(100, 110, 10, false), (100, 108, 10, false), (100, 5, 10, true), (1, 2, 30, true), (100, 100, 0, false)]
        {
            let found = was_restarted(before, after, Duration::from_secs(elapsed));
            assert_eq!(found, restarted, "{before} {after} {elapsed}");
        }
    }
}
