//! Implicit matrix factorisation by alternating least squares (iALS).
//!
//! Hu, Koren & Volinsky, *Collaborative filtering for implicit feedback datasets*, ICDM 2008, with the
//! frequency-scaled regulariser of Rendle et al., *Revisiting the performance of iALS*, 2021. [`fit`] learns both sides
//! from all interactions; [`ItemSide`] folds one user in, exactly, with the items held fixed; [`refresh_items`] is the
//! other half-step for a few items.

mod half_step;
mod params;
mod sides;

pub use half_step::FoldScratch;
pub use params::AlsParams;
pub use sides::{Factors, FoldInError, ItemSide, SideError, UserSide, gram, refresh_items};

use crate::matrix::Interactions;
use half_step::{Held, Singular, upper_gram};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// Rows solved by one task; also the block in which the loss is summed, so it fixes the order of that sum.
const ROWS_PER_TASK: usize = 32;

/// Spread of the random start. Small, so that the first half-step decides the directions.
const INIT_SPREAD: f64 = 0.1;

/// One finished sweep (all users, then all items).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    /// 0 for the first.
    pub index: usize,
    /// The objective over every (user, item) pair, regularisation included; falls from sweep to sweep.
    pub loss: f64,
}

/// Why training stopped. Both come from the arguments: the same call fails again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("the warm start is {rows} x {cols}, expected at most {n_items} x {rank}")]
    WarmShape { rows: usize, cols: usize, n_items: usize, rank: usize },
    #[error("row {row} of the warm start is not finite")]
    WarmNotFinite { row: usize },
    #[error("the normal equations of {side} {row} have no finite solution: strengths are too far apart")]
    Singular { side: &'static str, row: usize },
}

/// Learns factors that minimise, over every user `u` and item `i`,
/// `Σ c_ui (p_ui - x_u'y_i)² + λ Σ (n_u + w0 n_items)^ν |x_u|² + λ Σ (n_i + w0 n_users)^ν |y_i|²`
/// with preference `p_ui = 1` where `s_ui > 0`, else 0, and confidence `c_ui = w0 + alpha s_ui`.
///
/// - `data` (s): `(n_users, n_items)`, unitless
/// - `warm`: item factors to start from, `(at most n_items, rank)`; missing rows are new items and start as without one
/// - `observe` hears of every finished sweep
/// - returns users `(n_users, rank)`, items `(n_items, rank)`; each user is the exact fold-in against these items
/// - cost per sweep `O(nnz·rank·min(n_row, rank) + (n_users + n_items)·rank²)`, on all threads of the current rayon pool
///
/// Same data, parameters and CPU target: same bytes, whatever the number of threads.
///
/// # Errors
/// [`FitError`] if `warm` does not fit the data, or if strengths are so far apart that the equations lose all precision.
pub fn fit(
    data: &Interactions,
    params: &AlsParams,
    warm: Option<ArrayView2<'_, f32>>,
    observe: &mut dyn FnMut(Sweep),
) -> Result<Factors, FitError> {
    let (n_users, n_items, rank) = (data.n_rows(), data.n_cols(), params.rank());
    let by_item = data.transpose();
    let mut items = start(n_items, params, warm)?;
    let mut users = vec![0f32; n_users * rank];
    let user_error = |Singular { row }| FitError::Singular { side: "user", row };
    let item_error = |Singular { row }| FitError::Singular { side: "item", row };

    let mut items_held = Held::of_all(&items, params).map_err(item_error)?;
    for index in 0..params.sweeps() {
        half_step(data, &items_held, params, &mut users).map_err(user_error)?;
        let users_held = Held::of_all(&users, params).map_err(user_error)?;
        half_step(&by_item, &users_held, params, &mut items).map_err(item_error)?;
        items_held = Held::of_all(&items, params).map_err(item_error)?;
        observe(Sweep { index, loss: loss(data, &by_item, &users, &items, params) });
    }
    half_step(data, &items_held, params, &mut users).map_err(user_error)?;
    let shaped = |n, values| Array2::from_shape_vec((n, rank), values).unwrap_or_default();
    Ok(Factors { users: shaped(n_users, users), items: shaped(n_items, items) })
}

/// Where the item factors begin: the warm start's rows, and for each further item numbers that depend on the seed and
/// the item's index only, so that an item starts the same whatever other items there are.
fn start(
    n_items: usize,
    params: &AlsParams,
    warm: Option<ArrayView2<'_, f32>>,
) -> Result<Vec<f32>, FitError> {
    let rank = params.rank();
    let mut items = Vec::with_capacity(n_items * rank);
    if let Some(warm) = warm {
        let (rows, cols) = warm.dim();
        if n_items < rows || (cols != rank && 0 < rows) {
            return Err(FitError::WarmShape { rows, cols, n_items, rank });
        }
        for (row, values) in warm.outer_iter().enumerate() {
            if !values.iter().all(|x| x.is_finite()) {
                return Err(FitError::WarmNotFinite { row });
            }
            items.extend(values);
        }
    }
    let scale = INIT_SPREAD / (rank as f64).sqrt();
    for item in items.len() / rank..n_items {
        for k in 0..rank {
            let mut key = [0u8; 24];
            key[..8].copy_from_slice(&params.seed().to_le_bytes());
            key[8..16].copy_from_slice(&(item as u64).to_le_bytes());
            key[16..].copy_from_slice(&(k as u64).to_le_bytes());
            // The sum of four uniform numbers is near enough to a normal one (mean 2, variance 1/3).
            let bits = xxhash_rust::xxh3::xxh3_64(&key);
            let sum: f64 = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16) / 65536.0).sum();
            items.push(((sum - 2.0) * 3f64.sqrt() * scale) as f32);
        }
    }
    Ok(items)
}

/// Solves every row of `data` against the side held fixed, into `out` `(n_rows, rank)`.
fn half_step(data: &Interactions, held: &Held, params: &AlsParams, out: &mut [f32]) -> Result<(), Singular> {
    let rank = params.rank();
    out.par_chunks_mut(ROWS_PER_TASK * rank).enumerate().try_for_each_init(
        FoldScratch::default,
        |scratch, (task, out)| {
            for (i, out) in out.chunks_exact_mut(rank).enumerate() {
                let row = task * ROWS_PER_TASK + i;
                let (cols, strengths) = data.row(row);
                scratch.set(cols.iter().copied().zip(strengths.iter().copied()));
                held.solve(params, scratch, out).map_err(|_| Singular { row })?;
            }
            Ok(())
        },
    )
}

/// The objective of [`fit`]. The pairs never seen are summed at once through the two Gram matrices.
fn loss(
    data: &Interactions,
    by_item: &Interactions,
    users: &[f32],
    items: &[f32],
    params: &AlsParams,
) -> f64 {
    let (rank, w0) = (params.rank(), params.unobserved_weight());
    let n_tasks = data.n_rows().div_ceil(ROWS_PER_TASK);
    let seen: Vec<f64> = (0..n_tasks)
        .into_par_iter()
        .map(|task| {
            let mut sum = 0.0;
            for row in task * ROWS_PER_TASK..((task + 1) * ROWS_PER_TASK).min(data.n_rows()) {
                let user = &users[row * rank..(row + 1) * rank];
                let (cols, strengths) = data.row(row);
                for (&col, &strength) in cols.iter().zip(strengths) {
                    let item = &items[col as usize * rank..(col as usize + 1) * rank];
                    let score = crate::vector::dot(user, item);
                    let confidence = w0 + params.alpha() * f64::from(strength);
                    sum += confidence * (1.0 - score) * (1.0 - score) - w0 * score * score;
                }
            }
            sum
        })
        .collect();
    let (gram_users, gram_items) = (upper_gram(users, rank), upper_gram(items, rank));
    let ld = crate::simd::padded(rank);
    let mut pairs = 0.0;
    for a in 0..rank {
        for b in a..rank {
            let twice = if a == b { 1.0 } else { 2.0 };
            pairs += twice * gram_users[a * ld + b] * gram_items[a * ld + b];
        }
    }
    let norms = |factors: &[f32], of: &Interactions| -> f64 {
        let rows = factors.chunks_exact(rank).enumerate();
        rows.map(|(row, x)| params.lambda(of.row(row).0.len(), of.n_cols()) * crate::vector::dot(x, x)).sum()
    };
    seen.iter().sum::<f64>() + w0 * pairs + norms(users, data) + norms(items, by_item)
}

#[cfg(test)]
mod tests;
