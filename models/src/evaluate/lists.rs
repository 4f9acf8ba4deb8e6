//! What lists are like beside being right: how much of the catalogue they show, how new and how varied they are, whether
//! they only repeat what is popular, and whether they serve all groups of users alike.

use std::collections::BTreeSet;

use super::quality::quality;
use crate::matrix::Interactions;

/// Different items, over `n_items`; items beyond are not counted.
pub(super) fn coverage(listed: impl Iterator<Item = u32>, n_items: usize) -> f64 {
    let mut shown = vec![false; n_items];
    for item in listed {
        if let Some(shown) = shown.get_mut(item as usize) {
            *shown = true;
        }
    }
    shown.iter().filter(|shown| **shown).count() as f64 / n_items.max(1) as f64
}

/// How lists spread attention over the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Exposure {
    /// Different items listed, over the catalogue.
    pub coverage: f64,
    /// Mean self-information of a listed item in bits, `-log2((users who had it + 1) / (users + 1))`: higher is less
    /// known. Vargas & Castells, *Rank and relevance in novelty and diversity metrics*, RecSys 2011.
    pub novelty: f64,
    /// Mean popularity of the listed items over the mean popularity of what users had in training: above 1 the lists
    /// are more popular than the users' own taste.
    pub popularity_lift: f64,
    /// Gini coefficient of the listings over the catalogue: 0 all items alike, near 1 a few have everything.
    pub gini: f64,
}

impl Exposure {
    /// - `users_of`: users of the training data who had each item, `(n_items,)`
    /// - `n_users`: of the training data
    ///
    /// Cost `O(listed + n_items log n_items)`. All 0 without lists.
    pub fn of(lists: &[Vec<u32>], users_of: &[u32], n_users: usize) -> Self {
        let n_items = users_of.len();
        let mut times = vec![0u64; n_items];
        for item in lists.iter().flatten() {
            if let Some(times) = times.get_mut(*item as usize) {
                *times += 1;
            }
        }
        let listed: u64 = times.iter().sum();
        if listed == 0 {
            return Self::default();
        }
        let per_listing = |of: &dyn Fn(u32) -> f64| {
            let sum: f64 = times.iter().zip(users_of).map(|(n, users)| *n as f64 * of(*users)).sum();
            sum / listed as f64
        };
        let had: f64 = users_of.iter().map(|users| f64::from(*users)).sum();
        let squares: f64 = users_of.iter().map(|users| f64::from(*users) * f64::from(*users)).sum();
        let own = if 0.0 < had { squares / had } else { 1.0 };
        Self {
            coverage: coverage(lists.iter().flatten().copied(), n_items),
            novelty: per_listing(&|users| -((f64::from(users) + 1.0) / (n_users as f64 + 1.0)).log2()),
            popularity_lift: per_listing(&|users| f64::from(users)) / own,
            gini: gini(times),
        }
    }
}

/// `Σ (2 i - n - 1) x_i / (n Σ x)` over ascending `x`, `i` from 1. Not a number if all are 0.
pub(crate) fn gini(mut times: Vec<u64>) -> f64 {
    times.sort_unstable();
    let (n, sum) = (times.len() as f64, times.iter().sum::<u64>() as f64);
    let weighed = times.iter().enumerate().map(|(i, x)| (2.0 * (i + 1) as f64 - n - 1.0) * *x as f64);
    weighed.sum::<f64>() / (n * sum)
}

/// Mean of `1 - similarity` over all pairs within each list, then over lists of two items or more; `similarity` is
/// symmetric, at most 1. Ziegler et al., *Improving recommendation lists through topic diversification*, WWW 2005.
/// Cost `O(lists · k²)` calls.
///
/// ```
/// use shoptide_models::evaluate::intra_list_diversity;
/// let same_parity = |a: u32, b: u32| f64::from(u8::from(a % 2 == b % 2));
/// assert_eq!(intra_list_diversity(&[vec![1, 3], vec![1, 2], vec![9]], &same_parity), 0.5);
/// ```
pub fn intra_list_diversity(lists: &[Vec<u32>], similarity: &dyn Fn(u32, u32) -> f64) -> f64 {
    let (mut sum, mut n) = (0.0, 0usize);
    for list in lists.iter().filter(|list| 1 < list.len()) {
        let mut apart = 0.0;
        for (place, a) in list.iter().enumerate() {
            apart += list.iter().skip(place + 1).map(|b| 1.0 - similarity(*a, *b)).sum::<f64>();
        }
        sum += apart / (list.len() * (list.len() - 1) / 2) as f64;
        n += 1;
    }
    sum / n.max(1) as f64
}

/// Cosine between the sets of users who had two items; 0 for items nobody had.
/// - `by_item`: items x users, a [transposed](Interactions::transpose) training matrix
pub fn co_occurrence(by_item: &Interactions, a: u32, b: u32) -> f64 {
    let (a, b) = (by_item.row(a as usize).0, by_item.row(b as usize).0);
    let (mut i, mut j, mut both) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    if both == 0 { 0.0 } else { both as f64 / (a.len() as f64 * b.len() as f64).sqrt() }
}

/// Quality for one group of users.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupQuality {
    /// The group's number, as given.
    pub group: u32,
    pub recall: f64,
    pub ndcg: f64,
    /// Users with targets.
    pub n: usize,
}

/// Quality group by group, and how far apart the groups are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups {
    /// Ascending by number; groups without a user with targets are left out.
    pub each: Vec<GroupQuality>,
}

impl Groups {
    /// - `groups`: of the list at the same place
    pub fn of(lists: &[Vec<u32>], targets: &[Vec<u32>], groups: &[u32], k: usize) -> Self {
        let names: BTreeSet<u32> = groups.iter().copied().collect();
        let one = |group: u32| {
            let mut mean = super::quality::Mean::default();
            for ((list, targets), of) in lists.iter().zip(targets).zip(groups) {
                if *of == group {
                    mean.add(quality(list, targets, k));
                }
            }
            let of_all = mean.get();
            GroupQuality { group, recall: of_all.recall, ndcg: of_all.ndcg, n: mean.n() }
        };
        Self { each: names.into_iter().map(one).filter(|group| 0 < group.n).collect() }
    }

    /// The worst-served group's NDCG over that of the best-served: 1 is fair, 0 leaves a group with nothing.
    pub fn ndcg_ratio(&self) -> f64 {
        let ndcg = || self.each.iter().map(|group| group.ndcg);
        let most = ndcg().fold(0.0, f64::max);
        if most == 0.0 { 1.0 } else { ndcg().fold(f64::INFINITY, f64::min) / most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposure_by_hand() {
        // Four items, had by 3, 1, 0 and 0 of three users; two lists show items 0, 0 and 2.
        let e = Exposure::of(&[vec![0], vec![0, 2]], &[3, 1, 0, 0], 3);
        assert_eq!(e.coverage, 0.5);
        // Item 0: -log2(4/4) = 0, twice. Item 2: -log2(1/4) = 2.
        assert!((e.novelty - 2.0 / 3.0).abs() < 1e-12);
        // Listed: (3 + 3 + 0) / 3 = 2. Had: (9 + 1) / 4 = 2.5.
        assert!((e.popularity_lift - 0.8).abs() < 1e-12);
        // Ascending 0 0 1 2: (-3·0 - 1·0 + 1·1 + 3·2) / (4·3).
        assert!((e.gini - 7.0 / 12.0).abs() < 1e-12);
        assert_eq!(Exposure::of(&[], &[1], 1), Exposure::default());
        assert_eq!(Exposure::of(&[vec![9]], &[1], 1), Exposure::default());
        assert_eq!(Exposure::of(&[vec![]], &[], 0), Exposure::default());
        let even = Exposure::of(&[vec![0, 1]], &[1, 1], 2);
        assert_eq!((even.coverage, even.gini, even.popularity_lift), (1.0, 0.0, 1.0));
    }

    #[test]
    fn items_of_the_same_users_are_alike() {
        let by_item =
            Interactions::from_rows(3, [vec![(0, 1.0), (1, 1.0)], vec![(1, 1.0), (2, 1.0)], vec![]]).unwrap();
        assert_eq!(co_occurrence(&by_item, 0, 1), 0.5);
        assert_eq!(co_occurrence(&by_item, 0, 0), 1.0);
        assert_eq!((co_occurrence(&by_item, 0, 2), co_occurrence(&by_item, 9, 0)), (0.0, 0.0));
        let lists = [vec![0, 1], vec![0, 2]];
        assert_eq!(intra_list_diversity(&lists, &|a, b| co_occurrence(&by_item, a, b)), 0.75);
        assert_eq!(intra_list_diversity(&[vec![], vec![1]], &|_, _| 0.0), 0.0);
    }

    #[test]
    fn groups_by_hand() {
        let lists = [vec![1, 2], vec![3, 4], vec![5, 6], vec![7, 8]];
        let targets = [vec![1], vec![9], vec![6], vec![]];
        let groups = Groups::of(&lists, &targets, &[0, 0, 1, 2], 2);
        assert_eq!(
            groups.each.iter().map(|g| (g.group, g.recall, g.n)).collect::<Vec<_>>(),
            [(0, 0.5, 2), (1, 1.0, 1)]
        );
        assert!((groups.ndcg_ratio() - 0.5 * 3f64.log2()).abs() < 1e-12);
        assert_eq!(Groups::default().ndcg_ratio(), 1.0);
        assert_eq!(Groups::of(&lists, &targets, &[], 2), Groups::default());
    }
}
