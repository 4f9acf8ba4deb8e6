//! Sums over the paths item - user - item of a user x item matrix: what cosine, item graphs and regressions start from.

use rayon::prelude::*;

use crate::matrix::Interactions;
use crate::model::{BestSoFar, Scored};

/// A matrix by rows and by columns, with a weight for every row in the middle of a path.
pub(crate) struct Paths {
    pub by_user: Interactions,
    pub by_item: Interactions,
    /// `(n_users,)`
    pub through: Vec<f32>,
}

/// Working memory for one item's sums, 4 bytes per item.
#[derive(Default)]
pub(crate) struct PathSums {
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl Paths {
    /// - `user_exponent`: a path through a user of `n` items counts `n^-exponent`
    pub(crate) fn new(data: &Interactions, user_exponent: f64) -> Self {
        let through = (0..data.n_rows())
            .map(|user| power(data.row(user).0.len() as f64, -user_exponent) as f32)
            .collect();
        Self { by_user: data.clone(), by_item: data.transpose(), through }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.by_item.n_rows()
    }

    /// Whether every strength is 1, as in data that only says who touched what.
    pub(crate) fn all_ones(&self) -> bool {
        (0..self.by_user.n_rows()).all(|user| self.by_user.row(user).1.iter().all(|&s| s == 1.0))
    }

    /// Hands every item `j >= from` that shares a user with `item` (itself included) to `take` once with
    /// `Σ_u w_u s_ui s_uj`, in the order of first touch.
    pub(crate) fn sums(&self, item: usize, from: u32, memory: &mut PathSums, mut take: impl FnMut(u32, f32)) {
        let PathSums { sums, touched } = memory;
        sums.resize(self.n_items(), 0.0);
        let (users, strengths) = self.by_item.row(item);
        for (&user, &strength) in users.iter().zip(strengths) {
            let weight = self.through[user as usize] * strength;
            let (items, theirs) = self.by_user.row(user as usize);
            let start = if from == 0 { 0 } else { items.partition_point(|&j| j < from) };
            for (&other, &their) in items[start..].iter().zip(&theirs[start..]) {
                let sum = &mut sums[other as usize];
                if *sum == 0.0 {
                    touched.push(other);
                }
                *sum += weight * their;
            }
        }
        for other in touched.drain(..) {
            take(other, std::mem::take(&mut sums[other as usize]));
        }
    }

    /// For every item its best `k` others by `value(item, other, sum)`, which must be finite to be kept and is 0 or more.
    pub(crate) fn best_rows(&self, k: usize, value: impl Fn(usize, u32, f32) -> f32 + Sync) -> Vec<Scored> {
        (0..self.n_items())
            .into_par_iter()
            .map_init(PathSums::default, |memory, item| {
                let mut row = BestSoFar::new(k);
                self.sums(item, 0, memory, |other, sum| {
                    let value = value(item, other, sum);
                    if other as usize != item && value.is_finite() && 0.0 < value {
                        row.offer(other, value);
                    }
                });
                row.finish()
            })
            .collect()
    }
}

/// `x^exponent`; 0 for 0, so that nothing comes of an empty row.
pub(crate) fn power(x: f64, exponent: f64) -> f64 {
    if 0.0 < x { x.powf(exponent) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_weighted_product_of_the_matrix_with_itself() {
        let rows = (0..9u32)
            .map(|u| (0..6).filter(|i| (u * 5 + i * 3) % 4 < 2).map(|i| (i, (u + i) as f32 + 1.0)).collect());
        let data = Interactions::from_rows(6, rows.collect::<Vec<Vec<_>>>()).unwrap();
        let paths = Paths::new(&data, 0.5);
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
}
