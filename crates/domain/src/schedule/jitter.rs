//! Spreads schedules that are due at the same instant over a window, each by the same amount every time, so that a
//! thousand of them at midnight don't start at once and the distance between a schedule's runs stays what it is.

use chrono::TimeDelta;
use uuid::Uuid;

/// How long after its due time a schedule starts: at least nothing, less than the window.
pub(super) fn delay(id: Uuid, window_seconds: u32) -> TimeDelta {
    // FNV-1a, then the finalizer of SplitMix64: ids of the same second differ in few bits.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.as_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let window_milliseconds = u64::from(window_seconds) * 1_000;
    let milliseconds = hash.checked_rem(window_milliseconds).and_then(|delay| i64::try_from(delay).ok());
    TimeDelta::milliseconds(milliseconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_stable_and_spread_evenly() {
        let ids: Vec<Uuid> = (0..10_000).map(|n| Uuid::from_u128((0x0190_0000_0000_7000 << 64) + n)).collect();
        let mut minutes = [0; 10];
        for id in ids {
            let delay = delay(id, 600);
            assert_eq!(delay, super::delay(id, 600));
            minutes[usize::try_from(delay.num_minutes()).unwrap()] += 1;
        }
        assert!(minutes.iter().all(|count| (850..1_150).contains(count)), "{minutes:?}");
        assert_eq!(delay(Uuid::nil(), 0), TimeDelta::zero());
    }

    /// A change of the hash would move every schedule.
    #[test]
    fn the_hash_is_fixed() {
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(delay(id, 3_600).num_milliseconds(), 1_338_267);
    }
}
