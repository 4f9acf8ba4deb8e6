//! Full ranking: every item of the catalogue that the user did not have in training competes for the k places.

use std::collections::BTreeSet;

use super::lists::coverage;
use super::quality::{Mean, quality};
use crate::matrix::Interactions;
use crate::model::RankItems;
use rayon::prelude::*;

/// Users and the lists they got, both in the order of the users asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserLists {
    pub users: Vec<u32>,
    /// At most k items each, best first.
    pub lists: Vec<Vec<u32>>,
}

/// Means over all users with targets, each counting the same.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RankingQuality {
    /// Hits in the first k, over the number of targets.
    pub recall: f64,
    /// Binary NDCG against the best possible list of k.
    pub ndcg: f64,
    /// Hits in the first k, over k.
    pub precision: f64,
    /// Mean of the precision at each hit's place, over `min(k, targets)`.
    pub map: f64,
    /// Share of users with a hit.
    pub hit_rate: f64,
    /// Different items in all the lists, over the items of the training data.
    pub coverage: f64,
    /// Users with targets.
    pub n: usize,
}

/// Lists for `users`, each without the items of his row in `train`; in parallel, in the order given.
///
/// A user beyond `train` gets what the model says of an unknown user.
pub fn rank_users(model: &dyn RankItems, train: &Interactions, users: &[u32], k: usize) -> UserLists {
    let list = |&user: &u32| {
        let skip = train.row(user as usize).0;
        let top = model.top(user, skip, k);
        // Copied: a list must not keep the room of all scores.
        top.iter().map(|(item, _)| *item).take(k).collect()
    };
    UserLists { users: users.to_vec(), lists: users.par_iter().map(list).collect() }
}

/// Quality of lists.
/// - `targets`: of the list at the same place; a repeated target counts once, a list without targets does not count
/// - `n_items`: of the training data, for the coverage
///
/// ```
/// use shoptide_models::evaluate::list_quality;
/// let q = list_quality(&[vec![7, 1, 2]], &[vec![7, 2, 9]], 3, 10);
/// assert_eq!((q.recall, q.precision, q.map), (2.0 / 3.0, 2.0 / 3.0, (1.0 + 2.0 / 3.0) / 3.0));
/// ```
pub fn list_quality(lists: &[Vec<u32>], targets: &[Vec<u32>], k: usize, n_items: usize) -> RankingQuality {
    let (mut mean, mut precision, mut map) = (Mean::default(), 0.0, 0.0);
    for (list, targets) in lists.iter().zip(targets) {
        let Some(of_list) = quality(list, targets, k) else { continue };
        mean.add(Some(of_list));
        let (hits, average) = average_precision(list, targets, k);
        precision += hits / k as f64;
        map += average;
    }
    let (of_all, n) = (mean.get(), mean.n());
    let per = |sum: f64| sum / n.max(1) as f64;
    RankingQuality {
        recall: of_all.recall,
        ndcg: of_all.ndcg,
        precision: per(precision),
        map: per(map),
        hit_rate: of_all.hit_rate,
        coverage: coverage(lists.iter().flat_map(|list| list.iter().take(k).copied()), n_items),
        n,
    }
}

/// Hits, and the mean precision at them over the most that k places could hold.
fn average_precision(list: &[u32], targets: &[u32], k: usize) -> (f64, f64) {
    let mut open: BTreeSet<u32> = targets.iter().copied().collect();
    let places = k.min(open.len()).max(1) as f64;
    let (mut hits, mut sum) = (0.0, 0.0);
    for (place, item) in list.iter().take(k).enumerate() {
        if open.remove(item) {
            hits += 1.0;
            sum += hits / (place + 1) as f64;
        }
    }
    (hits, sum / places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Scored, best};

    /// The lower the item, the better.
    struct InOrder(u32);

    impl RankItems for InOrder {
        fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
            let all = (0..self.0).map(|item| (item, -(item as f32))).collect();
            if user < 3 { best(all, skip, k) } else { Scored::new() }
        }
    }

    #[test]
    fn by_hand() {
        let train = Interactions::from_rows(6, [vec![(0, 1.0)], vec![], vec![(1, 1.0), (2, 1.0)]]).unwrap();
        let got = rank_users(&InOrder(6), &train, &[0, 1, 2], 3);
        assert_eq!(got.lists, [[1, 2, 3], [0, 1, 2], [0, 3, 4]]);
        let targets = [vec![1, 3], vec![5], vec![3, 4, 5, 4]];
        let q = list_quality(&got.lists, &targets, 3, 6);
        assert!((q.recall - (1.0 + 0.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((q.precision - (2.0 / 3.0 + 0.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        // User 0: hits at 1 and 3 of two possible. User 2: hits at 2 and 3 of three possible.
        let (first, third) = ((1.0 + 2.0 / 3.0) / 2.0, (0.5 + 2.0 / 3.0) / 3.0);
        assert!((q.map - (first + third) / 3.0).abs() < 1e-12);
        let gain = |place: f64| 1.0 / (place + 1.0).log2();
        let (ndcg_0, ndcg_2) = (
            (gain(1.0) + gain(3.0)) / (gain(1.0) + gain(2.0)),
            (gain(2.0) + gain(3.0)) / (gain(1.0) + gain(2.0) + gain(3.0)),
        );
        assert!((q.ndcg - (ndcg_0 + ndcg_2) / 3.0).abs() < 1e-12);
        assert_eq!((q.hit_rate, q.coverage, q.n), (2.0 / 3.0, 5.0 / 6.0, 3));
    }

    #[test]
    fn users_nobody_knows_are_misses_and_users_without_targets_do_not_count() {
        let train = Interactions::from_rows(6, [vec![(0, 1.0)]]).unwrap();
        let got = rank_users(&InOrder(6), &train, &[0, 1, 77], 10);
        assert_eq!(got.lists, [vec![1, 2, 3, 4, 5], vec![0, 1, 2, 3, 4, 5], vec![]]);
        let q = list_quality(&got.lists, &[vec![1], vec![], vec![2]], 10, 6);
        assert_eq!((q.recall, q.n), (0.5, 2));
        assert_eq!(list_quality(&[], &[], 10, 0), RankingQuality::default());
        assert_eq!(list_quality(&got.lists, &[vec![1], vec![], vec![2]], 0, 6).n, 0);
    }
}
