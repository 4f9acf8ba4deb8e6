//! Users who did the same things: their other items, weighed by how alike they are.
//!
//! Resnick et al., *GroupLens*, CSCW 1994 (Pearson over co-rated items), and the cosine variant for lists, with two dampers:
//! an item that everyone touched says little about who is alike, and is held back in the list.

use rayon::prelude::*;

use super::similarity::{PairSums, Side, Similarity};
use crate::matrix::Interactions;
use crate::model::best;
use crate::params::{BadParam, check};
use crate::paths::power;
use crate::ranking::{History, ScoreItems, known};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`UserKnn`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UserKnnParams {
    similarity: Similarity,
    k: usize,
    shrinkage: f64,
    item_exponent: f64,
    target_exponent: f64,
    size_exponent: f64,
}

impl UserKnnParams {
    /// - `k`: neighbours asked, 1 to 100000
    /// - `shrinkage`: shared items; a similarity over `n` of them counts `n / (n + shrinkage)`, 0 to 1e6
    /// - `item_exponent`: an item of `n` users counts `n^-exponent` in the cosine, 0 to 2
    /// - `target_exponent`: and in the list, 0 to 2
    /// - `size_exponent`: the cosine is divided by (norm of the neighbour)^(2 · exponent); 0.5 is the cosine, less favours
    ///   users who did much, 0 to 1
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        similarity: Similarity,
        k: usize,
        shrinkage: f64,
        item_exponent: f64,
        target_exponent: f64,
        size_exponent: f64,
    ) -> Result<Self, BadParam> {
        let within = |x: f64, max: f64| (0.0..=max).contains(&x);
        let shrinkage_ok = within(shrinkage, 1e6);
        let (item_ok, target_ok) = (within(item_exponent, 2.0), within(target_exponent, 2.0));
        let size_ok = within(size_exponent, 1.0);
        Ok(Self {
            similarity,
            k: check("user_knn.k", k, (1..=100_000).contains(&k), "1 to 100000")?,
            shrinkage: check("user_knn.shrinkage", shrinkage, shrinkage_ok, "0 to 1e6")?,
            item_exponent: check("user_knn.item_exponent", item_exponent, item_ok, "0 to 2")?,
            target_exponent: check("user_knn.target_exponent", target_exponent, target_ok, "0 to 2")?,
            size_exponent: check("user_knn.size_exponent", size_exponent, size_ok, "0 to 1")?,
        })
    }
}

impl Default for UserKnnParams {
    fn default() -> Self {
        Self {
            similarity: Similarity::Cosine,
            k: 300,
            shrinkage: 0.0,
            item_exponent: 0.5,
            target_exponent: 0.2,
            size_exponent: 0.5,
        }
    }
}

impl Tunable for UserKnnParams {
    /// The damped cosine: the other two formulas are for ratings.
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "k", range: Range::Log(50.0, 2000.0) },
        Dimension { name: "item_exponent", range: Range::Linear(0.0, 1.2) },
        Dimension { name: "target_exponent", range: Range::Linear(0.0, 0.6) },
        Dimension { name: "size_exponent", range: Range::Linear(0.2, 0.8) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(
            Similarity::Cosine,
            get("k", d.k as f64) as usize,
            get("shrinkage", d.shrinkage),
            get("item_exponent", d.item_exponent),
            get("target_exponent", d.target_exponent),
            get("size_exponent", d.size_exponent),
        )
    }
}

/// All users with their items, ready to be compared with a history.
///
/// The history need not be one of the users. If it is, that user is among its own neighbours, which only lifts items that
/// are in the history already. Holds the data twice: 24 bytes per interaction.
#[derive(Debug, Clone)]
pub struct UserKnn {
    params: UserKnnParams,
    by_user: Interactions,
    by_item: Interactions,
    sides: Vec<Side>,
    /// Weight of an item in the cosine, and in the list.
    item_weight: Vec<f32>,
    target_weight: Vec<f32>,
    /// What a neighbour's size divides the cosine by.
    size: Vec<f32>,
}

impl UserKnn {
    /// Cost `O(nnz)`: all the work is done when asked.
    pub fn fit(data: &Interactions, params: &UserKnnParams) -> Self {
        let by_item = data.transpose();
        let degree = |item: usize| by_item.row(item).0.len() as f64;
        let over = |exponent: f64| -> Vec<f32> {
            (0..by_item.n_rows()).map(|item| power(degree(item), -exponent) as f32).collect()
        };
        let item_weight = over(params.item_exponent);
        let (mut sides, mut size) = (Vec::new(), Vec::new());
        for user in 0..data.n_rows() {
            let (items, strengths) = data.row(user);
            let (mut side, mut norm) = (Side::default(), 0.0);
            for (&item, &s) in items.iter().zip(strengths) {
                side.add(f64::from(s), 1.0);
                norm += f64::from(item_weight[item as usize]) * f64::from(s) * f64::from(s);
            }
            sides.push(side);
            size.push(power(norm, -params.size_exponent) as f32);
        }
        let target_weight = over(params.target_exponent);
        Self { params: *params, by_user: data.clone(), by_item, sides, item_weight, target_weight, size }
    }

    /// The users nearest to a history with their similarities, nearest first; those that share nothing are not among them.
    pub fn nearest(&self, history: History<'_>) -> Vec<(u32, f32)> {
        match self.params.similarity {
            Similarity::Cosine => self.nearest_by_cosine(history),
            formula => self.nearest_by_pairs(history, formula),
        }
    }

    fn nearest_by_cosine(&self, history: History<'_>) -> Vec<(u32, f32)> {
        let mut sums = vec![0f32; self.by_user.n_rows()];
        let mut counts = vec![0u32; if self.params.shrinkage == 0.0 { 0 } else { sums.len() }];
        for (item, strength) in known(history, self.item_weight.len()) {
            let weight = self.item_weight[item] * strength;
            let (users, theirs) = self.by_item.row(item);
            for (&user, &their) in users.iter().zip(theirs) {
                sums[user as usize] += weight * their;
                if let Some(count) = counts.get_mut(user as usize) {
                    *count += 1;
                }
            }
        }
        let trust = |user: usize| {
            counts.get(user).map_or(1.0, |&n| n as f32 / (n as f32 + self.params.shrinkage as f32))
        };
        let scored = sums.iter().enumerate().filter(|(_, sum)| 0.0 < **sum);
        let scored = scored.map(|(user, sum)| (user as u32, sum * self.size[user] * trust(user)));
        best(scored.filter(|x| x.1.is_finite()).collect(), &[], self.params.k)
    }

    fn nearest_by_pairs(&self, history: History<'_>, formula: Similarity) -> Vec<(u32, f32)> {
        let mut pairs = vec![PairSums::default(); self.by_user.n_rows()];
        let mut own = Side::default();
        for (item, strength) in known(history, self.item_weight.len()) {
            own.add(f64::from(strength), 1.0);
            let (users, theirs) = self.by_item.row(item);
            for (&user, &their) in users.iter().zip(theirs) {
                pairs[user as usize].add(f64::from(strength), f64::from(their), 1.0);
            }
        }
        let similarity = |(user, pair): (usize, &PairSums)| {
            (user as u32, formula.of(pair, &own, &self.sides[user], self.params.shrinkage) as f32)
        };
        let scored = pairs.iter().enumerate().filter(|(_, pair)| 0.0 < pair.n).map(similarity);
        best(scored.filter(|x| 0.0 < x.1).collect(), &[], self.params.k)
    }
}

impl ScoreItems for UserKnn {
    fn n_items(&self) -> usize {
        self.by_item.n_rows()
    }

    /// `(n_i)^-target_exponent Σ_v similarity · s_vi` over the nearest users `v`; cost: the users of the history's items
    /// and the items of the `k` nearest.
    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        let n_items = self.n_items().max(1);
        histories.par_iter().zip(out.par_chunks_exact_mut(n_items)).for_each(|(history, out)| {
            for (user, similarity) in self.nearest(history) {
                let (items, strengths) = self.by_user.row(user as usize);
                for (&item, &strength) in items.iter().zip(strengths) {
                    out[item as usize] += similarity * strength;
                }
            }
            out.iter_mut().zip(&self.target_weight).for_each(|(out, weight)| *out *= weight);
        });
    }
}
