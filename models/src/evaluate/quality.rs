//! How good a ranked list is, given what the user really turned to next. A list has no ties: whoever makes it has
//! broken them (all recommenders here by the lower item index).

use std::collections::BTreeSet;

/// Quality of one list, or the mean over many.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// Hits in the first k, over the number of targets.
    pub recall: f64,
    /// Hits in the first k, over the most that k places could hold: `min(k, targets)`.
    pub recall_capped: f64,
    /// Binary NDCG: `Σ 1/log2(place + 1)` over the hits (places from 1), over that of the best possible list of k.
    pub ndcg: f64,
    /// 1 if there is any hit.
    pub hit_rate: f64,
}

/// Measures the first `k` of `ranked` against `targets` (a repeated target counts once, an item ranked twice hits once);
/// nothing if there are no targets or `k` is 0, as there is nothing to measure.
///
/// ```
/// use shoptide_models::evaluate::quality;
/// let q = quality(&[7, 1, 2], &[7, 2, 9, 8], 3).unwrap();
/// assert_eq!((q.recall, q.recall_capped, q.hit_rate), (0.5, 2.0 / 3.0, 1.0));
/// assert!((q.ndcg - (1.0 + 0.5) / (1.0 + 1.0 / 3f64.log2() + 0.5)).abs() < 1e-12);
/// ```
pub fn quality(ranked: &[u32], targets: &[u32], k: usize) -> Option<Quality> {
    let mut open: BTreeSet<u32> = targets.iter().copied().collect();
    let n_targets = open.len();
    let places = k.min(n_targets);
    if places == 0 {
        return None;
    }
    let gain = |place: usize| 1.0 / ((place + 2) as f64).log2();
    let (mut hits, mut dcg) = (0usize, 0.0);
    for (place, item) in ranked.iter().take(k).enumerate() {
        if open.remove(item) {
            hits += 1;
            dcg += gain(place);
        }
    }
    let ideal: f64 = (0..places).map(gain).sum();
    Some(Quality {
        recall: hits as f64 / n_targets as f64,
        recall_capped: hits as f64 / places as f64,
        ndcg: dcg / ideal,
        hit_rate: f64::from(u8::from(0 < hits)),
    })
}

/// Mean quality over users, each counting the same.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mean {
    sum: Quality,
    n: usize,
}

impl Mean {
    /// Adds one user's quality; users without targets ([`quality`] gives nothing) do not count.
    pub fn add(&mut self, quality: Option<Quality>) {
        if let Some(q) = quality {
            self.sum.recall += q.recall;
            self.sum.recall_capped += q.recall_capped;
            self.sum.ndcg += q.ndcg;
            self.sum.hit_rate += q.hit_rate;
            self.n += 1;
        }
    }

    /// Users counted.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The mean; all 0 if nobody counted.
    pub fn get(&self) -> Quality {
        let n = self.n.max(1) as f64;
        Quality {
            recall: self.sum.recall / n,
            recall_capped: self.sum.recall_capped / n,
            ndcg: self.sum.ndcg / n,
            hit_rate: self.sum.hit_rate / n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_list_is_perfect_even_with_more_targets_than_places() {
        let q = quality(&[1, 2, 3], &[3, 2, 1, 4], 3).unwrap();
        assert_eq!((q.recall, q.recall_capped, q.ndcg, q.hit_rate), (0.75, 1.0, 1.0, 1.0));
    }

    #[test]
    fn a_miss_is_zero_and_a_late_hit_counts_less() {
        assert_eq!(quality(&[1, 2], &[9], 2).unwrap(), Quality::default());
        assert_eq!(quality(&[1, 2, 9], &[9], 2).unwrap(), Quality::default());
        assert_eq!(quality(&[], &[9], 2).unwrap(), Quality::default());
        let late = quality(&[1, 9], &[9], 20).unwrap();
        assert!((late.ndcg - 1.0 / 3f64.log2()).abs() < 1e-12);
        assert_eq!(late.recall, 1.0);
    }

    #[test]
    fn nothing_to_measure_is_nothing() {
        assert_eq!(quality(&[1], &[], 5), None);
        assert_eq!(quality(&[1], &[1], 0), None);
        assert_eq!(quality(&[1, 1], &[1, 1, 2], 5).unwrap().recall, 0.5);
    }

    #[test]
    fn the_mean_skips_users_without_targets() {
        let mut mean = Mean::default();
        assert_eq!(mean.get(), Quality::default());
        mean.add(quality(&[1], &[1], 1));
        mean.add(quality(&[1], &[], 1));
        mean.add(quality(&[1], &[2], 1));
        assert_eq!((mean.n(), mean.get().recall, mean.get().hit_rate), (2, 0.5, 0.5));
    }
}
