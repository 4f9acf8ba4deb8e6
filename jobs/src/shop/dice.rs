//! Seeded randomness of integers only: the same numbers on every machine and at every optimisation level.
//! SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), as stream and as hash.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of two numbers: traits of a user or item are drawn from it, so nobody's traits are held in memory.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    finish(a.wrapping_add(b.wrapping_add(1).wrapping_mul(GOLDEN)))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed, stream))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        finish(self.0)
    }

    /// 0 to `n - 1`; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).max(0).cast_unsigned() + 1).cast_signed()
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// The entry of a table that is never empty, whatever the number.
pub(crate) fn at<T, const N: usize>(table: &[T; N], number: u64) -> &T {
    const { assert!(N > 0) };
    &table[(number % N as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_pinned_and_bounded() {
        let mut dice = Dice::new(42, 7);
        assert_eq!(dice.next(), Dice::new(42, 7).next());
        // The reference implementation's first output for state 0.
        assert_eq!(Dice(0).next(), 0xe220_a839_7b1d_cdaf);
        assert!((0..10_000).all(|_| dice.below(7) < 7));
        assert!((0..10_000).all(|_| (-3..=3).contains(&dice.between(-3, 3))));
        assert_eq!(dice.below(0), 0);
    }
}
