//! Random choices that are the same on every run.

use chrono::TimeDelta;
use domain::Recurrence;
use uuid::Uuid;

/// Recurrences with their weights: mostly slow ones, to keep the year short.
const RECURRENCES: [(u64, &str); 9] = [
    (14, "TZ=UTC 0 5 * * *"),
    (6, "TZ=Europe/Berlin 30 2 * * *"),
    (36, "TZ=UTC 0 5 * * 0"),
    (12, "TZ=America/New_York 15 1 * * mon,thu"),
    (12, "TZ=Africa/Casablanca @every 3 days from 2025-12-30T02:30"),
    (11, "TZ=UTC 0 0 1,31 * *"),
    (6, "TZ=UTC @every 5 hours from 2026-01-01T00:30"),
    (2, "TZ=UTC 20 */6 * * *"),
    (1, "TZ=Australia/Lord_Howe 0 * * * *"),
];

/// SplitMix64: the same year on every run.
pub struct Random(pub u64);

impl Random {
    pub fn id(&mut self) -> Uuid {
        Uuid::from_u128(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    pub fn seconds(&mut self, low: i64, high: i64) -> TimeDelta {
        TimeDelta::seconds(low + self.below((high - low) as u64) as i64)
    }

    pub fn recurrence(&mut self) -> Recurrence {
        let mut ticket = self.below(RECURRENCES.iter().map(|(weight, _)| weight).sum());
        for (weight, text) in RECURRENCES {
            if ticket < weight {
                return text.parse().unwrap();
            }
            ticket -= weight;
        }
        unreachable!()
    }
}
