//! EASE with all weights kept.

use std::borrow::Cow;

use rayon::prelude::*;

use super::inverse::{NotPositive, Number, Tiles};
use super::params::EaseParams;
use crate::matrix::Interactions;
use crate::model::Progress;
use crate::paths::{PathSums, Paths, power};
use crate::ranking::{History, ScoreItems, known};

/// Items of the largest catalogue: the weights of 20,000 items take 1.6 GB, and while they are made twice that.
pub const ITEMS_MAX: usize = 20_000;

/// Largest bound on the condition number of `XᵀX + Λ` at which 24 bits of precision are enough: what is lost is below
/// one per cent of the smallest weights that matter.
const NARROW_CONDITION_MAX: f64 = 1e5;

/// Why EASE was not trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EaseError {
    #[error("{n_items} items, expected at most {ITEMS_MAX}: use the sparse approximation")]
    TooManyItems { n_items: usize },
    #[error("the regularised Gram matrix is not positive: strengths are too far apart")]
    NotPositive,
}

/// A weight from every item to every other: `4·n_items²` bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Ease {
    n_items: usize,
    /// Row `i`: what having item `i` adds to the score of each.
    weights: Vec<f32>,
}

impl Ease {
    /// Solves for the weights.
    /// - `data`: `(n_users, n_items)`, strengths unitless
    /// - `observe` hears of 100 steps
    /// - cost: `n_items³` floating-point operations, on all threads of the current rayon pool, in f32 where the matrix is
    ///   conditioned well enough, else f64; the same bytes at any number of threads
    ///
    /// # Errors
    /// [`EaseError`] for too many items, or strengths so far apart that the matrix has lost its rank.
    pub fn fit(
        data: &Interactions,
        params: &EaseParams,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Self, EaseError> {
        let n_items = data.n_cols();
        if ITEMS_MAX < n_items {
            return Err(EaseError::TooManyItems { n_items });
        }
        let gram = Gram::new(data, params);
        let mut told = 0;
        let mut observe = |part: f64| {
            let done = (part * 100.0) as usize;
            if told < done {
                told = done;
                observe(Progress { done, total: 100, loss: None });
            }
        };
        let weights = if gram.condition_bound() < NARROW_CONDITION_MAX {
            gram.weights::<f32>(&mut observe)
        } else {
            gram.weights::<f64>(&mut observe)
        };
        Ok(Self { n_items, weights: weights.map_err(|NotPositive| EaseError::NotPositive)? })
    }

    /// What having each item adds to the score of the others: row `i` of `B`; empty for an unknown item.
    pub fn weights(&self, item: u32) -> &[f32] {
        let from = item as usize * self.n_items;
        self.weights.get(from..from + self.n_items).unwrap_or_default()
    }
}

/// `XᵀX + Λ` before it is made.
pub(super) struct Gram<'a> {
    pub paths: Paths<'a>,
    pub params: EaseParams,
    /// What each column is scaled by.
    pub scale: Vec<f64>,
}

impl<'a> Gram<'a> {
    pub(super) fn new(data: &'a Interactions, params: &EaseParams) -> Self {
        let paths = Paths::new(Cow::Borrowed(data), params.user_exponent);
        let sum = |item: usize| paths.by_item.row(item).1.iter().map(|&s| f64::from(s)).sum::<f64>();
        let scale = |item: usize| {
            let scale = power(sum(item), -params.item_exponent);
            if scale == 0.0 { 1.0 } else { scale }
        };
        let scale = (0..paths.n_items()).map(scale).collect();
        Self { paths, params: *params, scale }
    }

    /// Entry `(j, j)`, not regularised.
    pub(super) fn diagonal(&self, j: usize) -> f64 {
        let (users, strengths) = self.paths.by_item.row(j);
        let squares = users
            .iter()
            .zip(strengths)
            .map(|(&user, &s)| f64::from(self.paths.through[user as usize]) * f64::from(s) * f64::from(s));
        squares.sum::<f64>() * self.scale[j] * self.scale[j]
    }

    /// Column `j` of the lower triangle, regularised.
    fn column(&self, j: usize, memory: &mut PathSums, mut take: impl FnMut(u32, f32)) {
        let mut diagonal = 0.0;
        self.paths.sums(j, j as u32, memory, |i, sum| {
            let value = f64::from(sum) * self.scale[i as usize] * self.scale[j];
            if i as usize == j {
                diagonal = value;
            } else {
                take(i, value as f32);
            }
        });
        take(j as u32, (diagonal + self.params.ridge(diagonal)) as f32);
    }

    /// A bound on the condition number: the largest absolute row sum over the smallest that is added to the diagonal.
    fn condition_bound(&self) -> f64 {
        // Σ_j |G_ij| = Σ_u w_u s_ui (Σ_j s_uj), without making G.
        let of_user: Vec<f64> = (0..self.paths.by_user.n_rows())
            .map(|user| {
                let (items, strengths) = self.paths.by_user.row(user);
                let sum: f64 =
                    items.iter().zip(strengths).map(|(&i, &s)| f64::from(s) * self.scale[i as usize]).sum();
                sum * f64::from(self.paths.through[user])
            })
            .collect();
        let row = |item: usize| {
            let (users, strengths) = self.paths.by_item.row(item);
            let sum: f64 =
                users.iter().zip(strengths).map(|(&u, &s)| of_user[u as usize] * f64::from(s)).sum();
            sum * self.scale[item]
        };
        1.0 + (0..self.paths.n_items()).map(row).fold(0.0, f64::max) / self.params.regularization
    }

    fn weights<T: Number>(&self, observe: &mut dyn FnMut(f64)) -> Result<Vec<f32>, NotPositive> {
        let n = self.paths.n_items();
        let gram = Tiles::<T>::of_columns(n, |memory: &mut PathSums, j, out| {
            self.column(j, memory, |i, value| out[i as usize] = value);
        });
        let inverse = gram.inverse(observe)?;
        let over: Vec<f64> =
            (0..inverse.n()).map(|j| -1.0 / inverse.get(j, j).f64() / self.scale[j]).collect();
        let mut weights = vec![0f32; n * n];
        weights.par_chunks_exact_mut(n.max(1)).enumerate().for_each(|(i, row)| {
            for (j, to) in row.iter_mut().enumerate() {
                if i != j {
                    *to = (inverse.get(i, j).f64() * over[j] * self.scale[i]) as f32;
                }
            }
        });
        Ok(weights)
    }
}

impl ScoreItems for Ease {
    fn n_items(&self) -> usize {
        self.n_items
    }

    /// `Σ strength · B_i.` over the history; cost `O(history · n_items)`.
    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        for (history, out) in histories.iter().zip(out.chunks_exact_mut(self.n_items.max(1))) {
            for (item, strength) in known(history, self.n_items) {
                let row = self.weights(item as u32);
                out.iter_mut().zip(row).for_each(|(out, weight)| *out += strength * weight);
            }
        }
    }
}
