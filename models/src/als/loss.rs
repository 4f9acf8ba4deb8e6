//! The objective of [`fit`](super::fit), for those who ask how training goes.

use super::ROWS_PER_TASK;
use super::half_step::upper_gram;
use super::params::AlsParams;
use crate::matrix::Interactions;
use crate::simd::{Kernel, dispatch, dot32, padded};
use rayon::prelude::*;

/// The pairs never seen are summed at once through the two Gram matrices. Costs about a pass over the interactions.
pub(super) fn loss(
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
            let rows = task * ROWS_PER_TASK..((task + 1) * ROWS_PER_TASK).min(data.n_rows());
            dispatch(Seen { data, rows, users, items, params })
        })
        .collect();
    let (gram_users, gram_items) = (upper_gram(users, rank), upper_gram(items, rank));
    let ld = padded(rank);
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

/// Sum over the interactions of some rows, less what the sum over all pairs already has for them.
struct Seen<'a> {
    data: &'a Interactions,
    rows: std::ops::Range<usize>,
    users: &'a [f32],
    items: &'a [f32],
    params: &'a AlsParams,
}

impl Kernel for Seen<'_> {
    type Out = f64;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let Self { data, rows, users, items, params } = self;
        let (rank, w0) = (params.rank(), params.unobserved_weight());
        let mut sum = 0.0;
        for row in rows {
            let user = &users[row * rank..(row + 1) * rank];
            let (cols, strengths) = data.row(row);
            for (&col, &strength) in cols.iter().zip(strengths) {
                let item = &items[col as usize * rank..(col as usize + 1) * rank];
                let score = f64::from(dot32::<FUSED>(user, item));
                let confidence = w0 + params.alpha() * f64::from(strength);
                sum += confidence * (1.0 - score) * (1.0 - score) - w0 * score * score;
            }
        }
        sum
    }
}
