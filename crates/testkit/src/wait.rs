//! Waiting for a state instead of sleeping for a time.

use std::time::{Duration, Instant};

/// Asks `condition` until it says yes.
///
/// Panics after `timeout`, naming `what` was waited for: a test that waits in vain has failed.
#[track_caller]
pub fn wait_until(what: &str, timeout: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(timeout, condition), "waited {timeout:?} in vain until {what}");
}

/// Whether `condition` said yes before `timeout` was over.
pub(crate) fn holds_within(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_asked_until_it_holds() {
        let mut asked = 0;
        wait_until("the third question", Duration::from_secs(5), || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }

    #[test]
    #[should_panic(expected = "in vain until pigs fly")]
    fn a_condition_that_never_holds_is_a_failure() {
        wait_until("pigs fly", Duration::from_millis(20), || false);
    }
}
