//! The best n of many scores.

/// Collects the best `n` of the scores offered: larger score first, then lower index.
#[derive(Debug, Default, Clone)]
pub(super) struct Top {
    n: usize,
    /// Up to `2 n` keys; an integer compares in one instruction where (score, index) would take a branch.
    keys: Vec<u64>,
    /// Nothing at or below this key can be among the best any more.
    floor: u64,
}

/// Orders like (score, then lower index): the bits of an f32, made to rise with its value, above the inverted index.
fn key(score: f32, item: u32) -> u64 {
    let bits = (score + 0.0).to_bits(); // + 0.0 turns -0.0 into 0.0
    let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(rising) << 32 | u64::from(!item)
}

impl Top {
    pub(super) fn start(&mut self, n: usize) {
        self.n = n;
        self.keys.clear();
        self.floor = 0;
    }

    /// Offers every score by index; what is excluded is asked for only where it would get in. Scores that are not a
    /// number are passed over.
    pub(super) fn offer_all(&mut self, scores: &[f32], exclude: &dyn Fn(u32) -> bool) {
        if self.n == 0 {
            return;
        }
        for (item, &score) in scores.iter().enumerate() {
            let item = item as u32;
            let key = key(score, item);
            if key <= self.floor || score.is_nan() || exclude(item) {
                continue;
            }
            self.keys.push(key);
            if self.keys.len() == self.n.saturating_mul(2) {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.n < self.keys.len() {
            self.keys.select_nth_unstable_by(self.n - 1, |a, b| b.cmp(a));
            self.keys.truncate(self.n);
            self.floor = self.keys.last().copied().unwrap_or(0);
        }
    }

    /// The best, best first.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = u32> {
        self.shrink();
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        self.keys.iter().map(|key| !(*key as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_sorting_everything(scores in prop::collection::vec(-3i8..3, 0..80), n in 0usize..100, skip in 0u32..9) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let exclude = |item: u32| item % 10 == skip;
            let mut top = Top::default();
            top.start(n);
            top.offer_all(&scores, &exclude);
            let got: Vec<u32> = top.finish().collect();
            let mut all: Vec<u32> = (0..scores.len() as u32).filter(|i| !exclude(*i)).collect();
            all.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
            all.truncate(n);
            prop_assert_eq!(got, all);
        }
    }

    #[test]
    fn odd_numbers_have_their_place() {
        let mut top = Top::default();
        top.start(9);
        top.offer_all(&[-0.0, f32::NAN, 0.0, f32::INFINITY, f32::NEG_INFINITY, -1.0], &|_| false);
        assert_eq!(top.finish().collect::<Vec<_>>(), [3, 0, 2, 5, 4]);
    }
}
