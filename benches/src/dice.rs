//! Numbers that look random and are the same for the same seed.

/// SplitMix64: seeded, and independent of what is measured.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 0 to below `n`; 0 if `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_numbers_within_bounds() {
        let (mut a, mut b) = (Dice(7), Dice(7));
        assert!((0..1_000).all(|_| a.below(9) < 9 && (0.0..1.0).contains(&a.unit())));
        assert_eq!(a.below(0), 0);
        (0..2_001).for_each(|_| _ = b.roll());
        assert_eq!(a.roll(), b.roll());
    }
}
