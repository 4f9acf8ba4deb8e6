//! Random numbers that depend on a seed and a place only, so that what runs in parallel rolls the same everywhere.

/// SplitMix64 (Steele, Lea & Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dice {
    state: u64,
    /// The second number of the last pair of normals.
    spare: Option<f64>,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, spare: None }
    }

    /// A stream of its own for each `place`, for instance `[sweep, side, row]`.
    pub fn at(seed: u64, place: [u64; 3]) -> Self {
        let mut key = [0u8; 32];
        for (bytes, part) in key.as_chunks_mut::<8>().0.iter_mut().zip([seed, place[0], place[1], place[2]]) {
            *bytes = part.to_le_bytes();
        }
        Self::new(xxhash_rust::xxh3::xxh3_64(&key))
    }

    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, at most 1: its logarithm is finite.
    pub fn unit(&mut self) -> f64 {
        ((self.roll() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// 0 to below `n`; 0 if `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.roll()) * n as u128) >> 64) as usize
    }

    /// Mean 0, variance 1 (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Mean 0, variance 1, and near enough to normal for the start of a vector: the sum of four uniform numbers of one
    /// roll, at a tenth of the cost.
    pub fn about_normal(&mut self) -> f64 {
        let bits = self.roll();
        let sum: f64 = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16)).sum();
        (sum / 65_536.0 - 2.0) * 3f64.sqrt()
    }

    /// Mean `shape`, scale 1, for a shape of at least 1 (Marsaglia & Tsang, *A simple method for generating gamma
    /// variables*, TOMS 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape.max(1.0) - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if 0.0 < v && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Fisher & Yates.
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            let other = self.below(last + 1);
            of.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut roll: impl FnMut() -> f64) -> (f64, f64) {
        let n = 20_000;
        let xs: Vec<f64> = (0..n).map(|_| roll()).collect();
        let mean = xs.iter().sum::<f64>() / f64::from(n);
        (mean, xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n))
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut dice = Dice::new(1);
        let (mean, variance) = moments(|| dice.normal());
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let (mean, variance) = moments(|| dice.about_normal());
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        for shape in [1.0, 4.5, 300.0] {
            let (mean, variance) = moments(|| dice.gamma(shape));
            assert!((mean / shape - 1.0).abs() < 0.03, "{shape}: {mean}");
            assert!((variance / shape - 1.0).abs() < 0.06, "{shape}: {variance}");
        }
        let (mean, variance) = moments(|| dice.unit());
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 12.0).abs() < 0.003);
    }

    #[test]
    fn places_have_streams_of_their_own() {
        let mut first: Vec<u64> = (0..8).map(|i| Dice::at(1, [0, i % 2, i / 2]).roll()).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 8);
        assert_eq!(Dice::at(3, [1, 2, 3]), Dice::at(3, [1, 2, 3]));
        assert_eq!(Dice::new(1).below(0), 0);
        let mut order: Vec<u32> = (0..50).collect();
        Dice::new(9).shuffle(&mut order);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
