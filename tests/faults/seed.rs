//! Chance that can be repeated: every test prints its seed, and `SHOPTIDE_SEED` repeats a run's moments and load.

use std::time::Duration;

use crate::load::now_ms;

/// SplitMix64: the same moments for the same seed.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Of `SHOPTIDE_SEED`, else of the clock; said either way.
    pub fn of(test: &str) -> Self {
        let given = std::env::var("SHOPTIDE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| now_ms().unsigned_abs());
        println!("{test}: SHOPTIDE_SEED={seed}");
        Self(seed)
    }

    pub fn from(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A moment, uniform between two bounds.
    pub fn moment(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.below(to_ms - from_ms))
    }

    /// Another sequence, for what runs beside.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// A count that a long run takes from the environment.
pub fn count(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}
