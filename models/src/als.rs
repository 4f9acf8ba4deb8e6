//! Implicit matrix factorisation by alternating least squares (iALS).
//!
//! Hu, Koren & Volinsky, *Collaborative filtering for implicit feedback datasets*, ICDM 2008, with the
//! frequency-scaled regulariser of Rendle et al., *Revisiting the performance of iALS*, 2021. [`fit`] learns both sides
//! from all interactions; [`ItemSide`] folds one user in, exactly, with the items held fixed; [`refresh_items`] is the
//! other half-step for a few items; [`HeldSide`] takes either half-step in pieces.

mod cg;
mod cholesky;
mod half_step;
mod loss;
mod params;
mod pieces;
mod rotated;
mod sides;
mod subspace;

pub use half_step::FoldScratch;
pub use params::{AlsParams, Solver};
pub use pieces::{HeldSide, RowSums};
pub use sides::{Factors, FoldInError, ItemSide, SideError, UserSide, gram, refresh_items};

use crate::matrix::Interactions;
use crate::model::Progress;
use half_step::{Held, Singular};
use loss::loss;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use rotated::Rotated;

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

/// What a training may be given beside data and parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Training<'a> {
    /// Item factors to start from, `(at most n_items, rank)`; missing rows are new items and start as without one.
    pub warm: Option<ArrayView2<'a, f32>>,
    /// Whether to calculate the loss of every sweep, which costs about a tenth of one.
    pub losses: bool,
}

/// [`train`] with a loss for every sweep.
///
/// # Errors
/// As [`train`].
pub fn fit(
    data: &Interactions,
    params: &AlsParams,
    warm: Option<ArrayView2<'_, f32>>,
    observe: &mut dyn FnMut(Sweep),
) -> Result<Factors, FitError> {
    train(data, params, Training { warm, losses: true }, &mut |progress| {
        observe(Sweep { index: progress.done - 1, loss: progress.loss.unwrap_or(f64::NAN) });
    })
}

/// Learns factors that minimise, over every user `u` and item `i`,
/// `Σ c_ui (p_ui - x_u'y_i)² + λ Σ (n_u + w0 n_items)^ν |x_u|² + λ Σ (n_i + w0 n_users)^ν |y_i|²`
/// with preference `p_ui = 1` where `s_ui > 0`, else 0, and confidence `c_ui = w0 + alpha s_ui`.
///
/// - `data` (s): `(n_users, n_items)`, unitless
/// - `observe` hears of every finished sweep
/// - returns users `(n_users, rank)`, items `(n_items, rank)`; the users are solved once more against the final items, so
///   with [`Solver::Exact`] each is the exact fold-in
/// - cost per sweep: that of [`Solver`] for every row, and `O((n_users + n_items)·rank² + rank³)`, on all threads of the
///   current rayon pool
///
/// Same data, parameters and CPU target: same bytes, whatever the number of threads.
///
/// # Errors
/// [`FitError`] if the warm start does not fit the data, or if strengths are so far apart that the equations lose all
/// precision.
pub fn train(
    data: &Interactions,
    params: &AlsParams,
    training: Training<'_>,
    observe: &mut dyn FnMut(Progress),
) -> Result<Factors, FitError> {
    let (n_users, n_items, rank) = (data.n_rows(), data.n_cols(), params.rank());
    let by_item = data.transpose();
    let mut items = initial_items(n_items, params, training.warm)?;
    let mut users = vec![0f32; n_users * rank];
    let user_error = |Singular { row }| FitError::Singular { side: "user", row };
    let item_error = |Singular { row }| FitError::Singular { side: "item", row };

    for done in 1..=params.sweeps() {
        half_step(data, &items, params, &mut users).map_err(user_error)?;
        half_step(&by_item, &users, params, &mut items).map_err(item_error)?;
        let loss = training.losses.then(|| loss(data, &by_item, &users, &items, params));
        observe(Progress { done, total: params.sweeps(), loss });
    }
    half_step(data, &items, params, &mut users).map_err(user_error)?;
    let shaped = |n, values| Array2::from_shape_vec((n, rank), values).unwrap_or_default();
    Ok(Factors { users: shaped(n_users, users), items: shaped(n_items, items) })
}

/// Where the item factors begin, `n_items * rank` numbers row by row: the warm start's rows, and for each further item
/// numbers that depend on the seed and the item's index only, so that an item starts the same whatever other items there are.
///
/// # Errors
/// [`FitError`] if the warm start does not fit.
pub fn initial_items(
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

/// Solves every row of `data` against the side held fixed, `(n_cols, rank)`, into `out` `(n_rows, rank)`, from whose
/// present rows the solvers that take steps begin.
fn half_step(data: &Interactions, held: &[f32], params: &AlsParams, out: &mut [f32]) -> Result<(), Singular> {
    match params.solver() {
        Solver::Exact => exact(data, &Held::of_all(held, params)?, params, out),
        _ => Rotated::of(held, params)?.solve(data, params, out),
    }
}

fn exact(data: &Interactions, held: &Held, params: &AlsParams, out: &mut [f32]) -> Result<(), Singular> {
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

#[cfg(test)]
mod tests;
