//! Random numbers from a seed, the same on every machine.

/// Numbers that depend on the seed, the trial and the draw only.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    key: [u8; 32],
    drawn: u64,
}

impl Dice {
    pub(super) fn new(seed: u64, trial: u64, redraw: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&trial.to_le_bytes());
        key[16..24].copy_from_slice(&redraw.to_le_bytes());
        Self { key, drawn: 0 }
    }

    /// Evenly from 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.key[24..].copy_from_slice(&self.drawn.to_le_bytes());
        self.drawn += 1;
        (xxhash_rust::xxh3::xxh3_64(&self.key) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1, by Box and Muller.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.unit()).cos()
    }

    /// Below `n`, which is above 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }
}
