//! Sums over the paths item - user - item of a user x item matrix: what cosine, item graphs and regressions start from.
//!
//! An item with many paths meets a good part of all items: its sums are read from first to last, eight at a time. One with few
//! keeps a list of what it met.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::matrix::Interactions;
use crate::model::{BestSoFar, Scored};
use crate::simd::{F8, Kernel, LANES, dispatch, prefetch};

/// A matrix by rows and by columns, with a weight for every row in the middle of a path.
pub(crate) struct Paths<'a> {
    pub by_user: Cow<'a, Interactions>,
    pub by_item: Interactions,
    /// `(n_users,)`
    pub through: Vec<f32>,
    /// Every strength is 1, as in data that only says who touched what.
    ones: bool,
}

/// Working memory for one item's sums, 8 bytes per item.
#[derive(Default)]
pub(crate) struct PathSums {
    /// All 0 between two items.
    sums: Vec<f32>,
    touched: Vec<u32>,
}

/// With one path for so many items or more, reading all sums costs less than keeping a list.
const ITEMS_PER_PATH: usize = 4;
/// Users ahead whose rows are asked for: they lie anywhere in memory, and a row is read in less time than it takes to come.
const USERS_AHEAD: usize = 4;

impl<'a> Paths<'a> {
    /// - `user_exponent`: a path through a user of `n` items counts `n^-exponent`
    pub(crate) fn new(data: Cow<'a, Interactions>, user_exponent: f64) -> Self {
        let through = (0..data.n_rows())
            .map(|user| power(data.row(user).0.len() as f64, -user_exponent) as f32)
            .collect();
        let ones = (0..data.n_rows()).all(|user| data.row(user).1.iter().all(|&s| s == 1.0));
        Self { by_item: data.transpose(), by_user: data, through, ones }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.by_item.n_rows()
    }

    /// Whether every strength is 1.
    pub(crate) fn all_ones(&self) -> bool {
        self.ones
    }

    /// Hands every item `j >= from` that shares a user with `item` (itself included) to `take` once with
    /// `Σ_u w_u s_ui s_uj`, in an order that depends on the data alone.
    pub(crate) fn sums(&self, item: usize, from: u32, memory: &mut PathSums, mut take: impl FnMut(u32, f32)) {
        let PathSums { sums, touched } = memory;
        sums.resize(self.n_items(), 0.0);
        if self.meets_many(item) {
            self.each_path(item, from, |other, weight| sums[other as usize] += weight);
            let from = from as usize;
            for (sums, first) in sums[from..].chunks_mut(LANES).zip((from as u32..).step_by(LANES)) {
                if sums.iter().any(|&sum| sum != 0.0) {
                    for (sum, other) in sums.iter_mut().zip(first..).filter(|(sum, _)| **sum != 0.0) {
                        take(other, std::mem::take(sum));
                    }
                }
            }
        } else {
            let met = self.list(item, from, sums, touched);
            for &other in &touched[..met] {
                take(other, std::mem::take(&mut sums[other as usize]));
            }
        }
    }

    /// Offers every other item that shares a user with `item` for `Σ_u w_u s_ui s_uj · own · target_j`, if that is above 0
    /// and finite.
    pub(crate) fn offer_scaled(
        &self,
        item: usize,
        own: f32,
        target: &[f32],
        memory: &mut PathSums,
        kept: &mut BestSoFar,
    ) {
        if !self.meets_many(item) {
            return self.sums(item, 0, memory, |other, sum| {
                let value = sum * own * target[other as usize];
                if other as usize != item && value.is_finite() && 0.0 < value {
                    kept.offer(other, value);
                }
            });
        }
        let sums = &mut memory.sums;
        sums.resize(self.n_items(), 0.0);
        self.each_path(item, 0, |other, weight| sums[other as usize] += weight);
        if let Some(itself) = sums.get_mut(item) {
            *itself = 0.0;
        }
        dispatch(Offer { sums, own, target, kept });
    }

    /// Whether the paths of an item are so many that they meet a good part of all items.
    fn meets_many(&self, item: usize) -> bool {
        let (users, _) = self.by_item.row(item);
        let mut paths = 0;
        let enough = self.n_items() / ITEMS_PER_PATH;
        users.iter().any(|&user| {
            paths += self.by_user.row(user as usize).0.len();
            enough <= paths
        })
    }

    /// Adds up along every path, and lists each item when first met: gives how many there are.
    fn list(&self, item: usize, from: u32, sums: &mut [f32], touched: &mut Vec<u32>) -> usize {
        // One place more than items: the next place is written before it is known whether it counts.
        touched.resize(self.n_items() + 1, 0);
        let mut met = 0;
        self.each_path(item, from, |other, weight| {
            let sum = &mut sums[other as usize];
            touched[met] = other;
            met += usize::from(*sum == 0.0);
            // A path weighs something, however little: else its item would be met twice.
            *sum += weight.max(f32::MIN_POSITIVE);
        });
        met
    }

    /// Hands over every path's end and weight, users in their order.
    #[inline(always)]
    fn each_path(&self, item: usize, from: u32, mut take: impl FnMut(u32, f32)) {
        let (users, strengths) = self.by_item.row(item);
        for (n, (&user, &strength)) in users.iter().zip(strengths).enumerate() {
            if let Some(&ahead) = users.get(n + USERS_AHEAD) {
                prefetch(self.by_user.row(ahead as usize).0);
            }
            let weight = self.through[user as usize] * strength;
            let (items, theirs) = self.by_user.row(user as usize);
            let start = if from == 0 { 0 } else { items.partition_point(|&j| j < from) };
            if self.ones {
                items[start..].iter().for_each(|&other| take(other, weight));
            } else {
                items[start..]
                    .iter()
                    .zip(&theirs[start..])
                    .for_each(|(&other, their)| take(other, weight * their));
            }
        }
    }

    /// For every item its best `k` others by `source_i · Σ_u w_u s_ui s_uj · target_j`; what is not above 0 or not finite is
    /// left out.
    pub(crate) fn best_rows(&self, k: usize, source: &[f32], target: &[f32]) -> Vec<Scored> {
        (0..self.n_items())
            .into_par_iter()
            .map_init(PathSums::default, |memory, item| {
                let mut row = BestSoFar::new(k);
                self.offer_scaled(item, source[item], target, memory, &mut row);
                row.finish()
            })
            .collect()
    }
}

/// Offers all sums and leaves zeros behind.
struct Offer<'a> {
    sums: &'a mut [f32],
    own: f32,
    target: &'a [f32],
    kept: &'a mut BestSoFar,
}

impl Kernel for Offer<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { sums, own, target, kept } = self;
        let mut offer = |values: &[f32], first: usize| {
            for (&value, other) in values.iter().zip(first as u32..) {
                if value.is_finite() && 0.0 < value {
                    kept.offer(other, value);
                }
            }
            kept.floor().max(f32::MIN_POSITIVE)
        };
        let mut floor = f32::MIN_POSITIVE;
        let (sums8, sums_rest) = sums.as_chunks_mut::<LANES>();
        let (target8, target_rest) = target.as_chunks::<LANES>();
        let n8 = sums8.len() * LANES;
        for (n, (sums, target)) in sums8.iter_mut().zip(target8).enumerate() {
            let values: [f32; LANES] = std::array::from_fn(|l| sums[l] * own * target[l]);
            *sums = [0.0; LANES];
            if F8::load::<FUSED>(&values).any_reaches::<FUSED>(F8::splat::<FUSED>(floor)) {
                floor = offer(&values, n * LANES);
            }
        }
        let rest: Vec<f32> =
            sums_rest.iter().zip(target_rest).map(|(sum, target)| sum * own * target).collect();
        sums_rest.fill(0.0);
        offer(&rest, n8);
    }
}

/// `x^exponent`; 0 for 0, so that nothing comes of an empty row.
pub(crate) fn power(x: f64, exponent: f64) -> f64 {
    if 0.0 < x { x.powf(exponent) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::best;

    #[test]
    fn sums_are_the_weighted_product_of_the_matrix_with_itself() {
        let rows = (0..9u32)
            .map(|u| (0..6).filter(|i| (u * 5 + i * 3) % 4 < 2).map(|i| (i, (u + i) as f32 + 1.0)).collect());
        let data = Interactions::from_rows(6, rows.collect::<Vec<Vec<_>>>()).unwrap();
        let paths = Paths::new(Cow::Borrowed(&data), 0.5);
        let at = |u: usize, i: u32| {
            let (items, s) = data.row(u);
            items.iter().position(|&x| x == i).map_or(0.0, |at| s[at])
        };
        let mut memory = PathSums::default();
        for item in 0..6u32 {
            for from in [0, 3] {
                let mut got = [0f32; 6];
                paths.sums(item as usize, from, &mut memory, |j, sum| got[j as usize] = sum);
                for j in 0..6 {
                    let n = |u: usize| data.row(u).0.len() as f32;
                    let want: f32 =
                        (0..9).map(|u| at(u, item) * at(u, j) / n(u).sqrt()).filter(|x| x.is_finite()).sum();
                    let want = if j < from { 0.0 } else { want };
                    assert!((got[j as usize] - want).abs() < 1e-4 * want.max(1.0));
                }
            }
        }
    }

    #[test]
    fn items_with_many_paths_and_with_few_get_their_best() {
        // Early items are in most rows, late ones in a row or two, so both ways of adding up are taken.
        let row = |u: u32, strength: f32| {
            (0..90)
                .filter(move |i| (u * 37 + i * 11) % (i + 2) < 2)
                .map(move |i| (i, 1.0 + strength * i as f32))
                .collect()
        };
        for strength in [0.0, 0.1] {
            let rows: Vec<Vec<_>> =
                (0..25).map(|u| row(u, strength)).chain([vec![(89, 1.0), (88, 1.0)]]).collect();
            let data = Interactions::from_rows(90, rows).unwrap();
            let paths = Paths::new(Cow::Borrowed(&data), 0.5);
            assert_eq!(paths.all_ones(), strength == 0.0);
            let many = (0..90).filter(|&item| paths.meets_many(item)).count();
            assert!((1..90).contains(&many));
            let weight: Vec<f32> = (0..90).map(|i| 1.0 / (i + 3) as f32).collect();
            let got = paths.best_rows(5, &weight, &weight);
            for (item, got) in got.iter().enumerate() {
                let mut sums = [0f32; 90];
                for u in 0..data.n_rows() {
                    let (items, s) = data.row(u);
                    let own =
                        items.iter().zip(s).find(|(i, _)| **i as usize == item).map_or(0.0, |(_, s)| *s);
                    items.iter().zip(s).for_each(|(&j, s)| sums[j as usize] += paths.through[u] * own * s);
                }
                let value = |j: u32| (j, sums[j as usize] * weight[item] * weight[j as usize]);
                let want = best((0..90).map(value).filter(|v| 0.0 < v.1).collect(), &[item as u32], 5);
                assert_eq!(*got, want, "item {item}");
            }
        }
    }
}
