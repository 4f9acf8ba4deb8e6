//! Leave-one-out with the negatives that a published protocol brings along. Only a yardstick: a hundred sampled negatives
//! are easy to rank, and models that differ there may not differ over the catalogue.

use crate::model::RankItems;
use rayon::prelude::*;

/// One held-out item and the items it competes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub user: u32,
    pub target: u32,
    pub negatives: Vec<u32>,
}

/// Means over all cases.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GivenQuality {
    pub hit_rate: f64,
    pub ndcg: f64,
    pub n: usize,
}

/// Ranks each target among its negatives only; ties count as half a place, an item the model does not list stands last.
/// - `n_items`: of the catalogue; every list is asked for whole, so the cost is that of a full ranking
pub fn leave_one_out(model: &dyn RankItems, cases: &[Given], n_items: usize, k: usize) -> GivenQuality {
    let rank = |case: &Given| {
        let mut scores = model.top(case.user, &[], n_items);
        scores.sort_unstable_by_key(|entry| entry.0);
        let of = |item: u32| {
            let at = scores.binary_search_by_key(&item, |entry| entry.0).ok()?;
            scores.get(at).map(|entry| entry.1)
        };
        let target = of(case.target);
        let mut rank = 1.0;
        for score in case.negatives.iter().filter(|item| **item != case.target).map(|item| of(*item)) {
            rank += match score.partial_cmp(&target) {
                Some(std::cmp::Ordering::Greater) => 1.0,
                Some(std::cmp::Ordering::Equal) => 0.5,
                _ => 0.0,
            };
        }
        rank
    };
    let ranks: Vec<f64> = cases.par_iter().map(rank).collect();
    let per = |sum: f64| sum / cases.len().max(1) as f64;
    let hits = || ranks.iter().filter(|rank| **rank <= k as f64);
    GivenQuality {
        hit_rate: per(hits().count() as f64),
        ndcg: per(hits().map(|rank| 1.0 / (rank + 1.0).log2()).sum()),
        n: cases.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scored;

    struct Fixed;

    impl RankItems for Fixed {
        fn top(&self, _: u32, _: &[u32], k: usize) -> Scored {
            [(4, 3.0), (2, 2.0), (3, 2.0), (9, 1.0)].into_iter().take(k).collect()
        }
    }

    #[test]
    fn by_hand() {
        let case = |target, negatives: &[u32]| Given { user: 0, target, negatives: negatives.to_vec() };
        let one = |case: Given, k| leave_one_out(&Fixed, &[case], 10, k);
        assert_eq!(one(case(4, &[2, 3, 9, 0]), 1).hit_rate, 1.0);
        // 4 above, 3 as high: rank 2.5.
        assert_eq!(one(case(2, &[4, 3, 9]), 2).hit_rate, 0.0);
        assert!((one(case(2, &[4, 3, 9]), 3).ndcg - 1.0 / 3.5f64.log2()).abs() < 1e-12);
        // Not listed: below all that are, as high as the others that are not.
        assert_eq!(one(case(0, &[9, 1]), 2).hit_rate, 0.0);
        assert_eq!(one(case(0, &[9]), 2).hit_rate, 1.0);
        assert_eq!(leave_one_out(&Fixed, &[], 10, 5), GivenQuality::default());
    }
}
