//! A half-step in f32, for training at speed: the eigenbasis of [`half_step`](super::half_step), other solvers.
//!
//! With `x = Q S z`, `Q` the eigenvectors of the held side's Gram matrix and `S` the inverse root of its eigenvalues (times
//! w0, plus λ), a row's equations become `(I + Σ e ŷŷᵀ) z = Σ c ŷ` with `ŷ = S Qᵀy`: what costs rank² a row in other
//! bases has become the identity. Turning rows into the basis and back are products of many rows with one matrix.

use super::half_step::Singular;
use super::params::{AlsParams, Solver};
use super::{cg, cholesky, subspace};
use crate::linalg::{NotPositive, eigen};
use crate::matrix::Interactions;
use crate::panels::{Panels, WIDE};
use crate::simd::{Kernel, add_gram, dispatch, prefetch};
use rayon::prelude::*;

/// Interactions of one task. Small enough that a hundred thousand of them keep all cores busy to the end.
const ENTRIES_PER_TASK: usize = 4096;
/// What a row costs besides its interactions, counted in interactions.
const ROW_OVERHEAD: usize = 16;
/// Rows rotated, or added to a Gram matrix, at a time.
const ROWS_AT_ONCE: usize = 256;
/// Held rows asked for while the row before is being solved: with 128 dimensions 16 KiB, half of the first cache.
const ROWS_AHEAD: usize = 32;
/// Partial sums of a Gram matrix; see the one in f64.
const GRAM_PARTS_MAX: usize = 32;

/// The side held fixed, in the basis of its Gram matrix's eigenvectors.
pub(super) struct Rotated {
    rank: usize,
    /// Length of a padded row: two registers of eight.
    ld: usize,
    n_total: usize,
    /// w0 times the eigenvalues, `(rank,)`.
    spread: Vec<f32>,
    /// Rows to the basis and back.
    into: Panels,
    back: Panels,
    /// `(n, ld)`.
    rows: Vec<f32>,
}

/// One row's equations.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub rows: &'a [f32],
    pub ld: usize,
    pub cols: &'a [u32],
    pub strengths: &'a [f32],
    pub w0: f32,
    pub alpha: f32,
    /// Diagonal of S, `(ld,)`; 0 in padded places, which keeps them 0 everywhere.
    pub scale: &'a [f32],
}

impl Row<'_> {
    /// Held row of the `i`-th interaction, not yet scaled.
    #[inline(always)]
    pub(super) fn of(&self, i: usize) -> &[f32] {
        let at = self.cols[i] as usize * self.ld;
        &self.rows[at..at + self.ld]
    }

    /// Asks for the rows that [`Row::of`] will read from the `i`-th on.
    #[inline(always)]
    pub(super) fn prefetch(&self, from: usize, n: usize) {
        let from = from.min(self.cols.len());
        for &col in &self.cols[from..(from + n).min(self.cols.len())] {
            prefetch(&self.rows[col as usize * self.ld..][..self.ld]);
        }
    }

    /// Extra confidence of the `i`-th interaction. Never 0, because its root divides.
    #[inline(always)]
    pub(super) fn extra(&self, i: usize) -> f32 {
        (self.alpha * self.strengths[i]).max(f32::MIN_POSITIVE)
    }
}

/// Working memory of a task.
#[derive(Default)]
pub(super) struct Work {
    z: Vec<f32>,
    scale: Vec<f32>,
    pub a: Vec<f32>,
    pub m: Vec<f32>,
    pub r: Vec<f32>,
    pub p: Vec<f32>,
    pub v: Vec<f32>,
    pub g: Vec<f32>,
}

/// `FᵀF` of `factors` `(n, rank)`, `(rank, rank)`: sums of a few hundred rows in f32, these in f64.
fn gram(factors: &[f32], rank: usize) -> Vec<f64> {
    struct Part<'a>(&'a [f32], usize, usize);
    impl Kernel for Part<'_> {
        type Out = Vec<f64>;
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> Vec<f64> {
            let Part(rows, rank, ld) = self;
            let (mut sum, mut part) = (vec![0f64; ld * ld], vec![0f32; ld * ld]);
            let mut wide = vec![0f32; if ld == rank { 0 } else { ROWS_AT_ONCE * ld }];
            for rows in rows.chunks(ROWS_AT_ONCE * rank) {
                let n = rows.len() / rank;
                part.fill(0.0);
                if ld == rank {
                    add_gram::<f32, WIDE, FUSED>(rows, n, ld, &mut part);
                } else {
                    for (wide, row) in wide.chunks_exact_mut(ld).zip(rows.chunks_exact(rank)) {
                        wide[..rank].copy_from_slice(row);
                    }
                    add_gram::<f32, WIDE, FUSED>(&wide, n, ld, &mut part);
                }
                sum.iter_mut().zip(&part).for_each(|(sum, x)| *sum += f64::from(*x));
            }
            sum
        }
    }
    let (ld, n) = (rank.next_multiple_of(WIDE), factors.len() / rank);
    let rows_per_part = n.div_ceil(GRAM_PARTS_MAX).max(ROWS_AT_ONCE);
    let parts: Vec<Vec<f64>> =
        factors.par_chunks(rows_per_part * rank).map(|rows| dispatch(Part(rows, rank, ld))).collect();
    let at = |i: usize| {
        let (a, b) = (i / rank, i % rank);
        parts.iter().map(|part| part[a.min(b) * ld + a.max(b)]).sum()
    };
    (0..rank * rank).map(at).collect()
}

impl Rotated {
    /// Holds all of `factors` `(n, rank)`.
    pub(super) fn of(factors: &[f32], params: &AlsParams) -> Result<Self, Singular> {
        let rank = params.rank();
        let ld = rank.next_multiple_of(WIDE);
        let basis = eigen(&gram(factors, rank), rank).map_err(|NotPositive| Singular { row: 0 })?;
        let vectors: Vec<f32> = basis.vectors.iter().map(|&x| x as f32).collect();
        let mut turned = vec![0f32; rank * ld];
        for (k, vector) in vectors.chunks_exact(rank).enumerate() {
            vector.iter().enumerate().for_each(|(d, &x)| turned[d * ld + k] = x);
        }
        let (into, back) = (Panels::of(&vectors, rank), Panels::of(&turned, ld));
        let mut rows = vec![0f32; factors.len() / rank * ld];
        factors
            .par_chunks(ROWS_AT_ONCE * rank)
            .zip(rows.par_chunks_mut(ROWS_AT_ONCE * ld))
            .for_each(|(from, to)| into.product(from, to, ld));
        // A Gram matrix has no negative eigenvalue; rounding may leave one just below zero.
        let spread = basis.values.iter().map(|&x| (params.unobserved_weight() * x.max(0.0)) as f32).collect();
        Ok(Self { rank, ld, n_total: factors.len() / rank, spread, into, back, rows })
    }

    /// Solves every row of `data` against this side, beginning at what `out` `(n_rows, rank)` holds.
    pub(super) fn solve(
        &self,
        data: &Interactions,
        params: &AlsParams,
        out: &mut [f32],
    ) -> Result<(), Singular> {
        let mut tasks = Vec::new();
        let (mut rest, mut from, mut entries) = (out, 0, 0);
        for row in 0..data.n_rows() {
            entries += data.row(row).0.len() + ROW_OVERHEAD;
            if ENTRIES_PER_TASK <= entries || row + 1 == data.n_rows() {
                let (task, others) = rest.split_at_mut((row + 1 - from) * self.rank);
                tasks.push((from, task));
                (rest, from, entries) = (others, row + 1, 0);
            }
        }
        // One by one: rayon would otherwise hand a thread neighbouring tasks, and the long rows are often neighbours.
        tasks.into_par_iter().with_max_len(1).try_for_each_init(Work::default, |work, (first, out)| {
            dispatch(Task { held: self, data, params, first, out, work })
        })
    }
}

struct Task<'a> {
    held: &'a Rotated,
    data: &'a Interactions,
    params: &'a AlsParams,
    first: usize,
    out: &'a mut [f32],
    work: &'a mut Work,
}

impl Kernel for Task<'_> {
    type Out = Result<(), Singular>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Self::Out {
        let Self { held, data, params, first, out, work } = self;
        let (rank, ld) = (held.rank, held.ld);
        let (mut z, mut scale) = (std::mem::take(&mut work.z), std::mem::take(&mut work.scale));
        z.clear();
        z.resize(out.len() / rank * ld, 0.0);
        if !matches!(params.solver(), Solver::Cholesky) {
            held.into.product(out, &mut z, ld);
        }
        scale.clear();
        scale.resize(ld, 0.0);
        let mut last = None;
        for (i, z) in z.chunks_exact_mut(ld).enumerate() {
            let (cols, strengths) = data.row(first + i);
            if cols.is_empty() {
                z.fill(0.0);
                continue;
            }
            if last != Some(cols.len()) {
                last = Some(cols.len());
                let lambda = params.lambda(cols.len(), held.n_total) as f32;
                for (scale, spread) in scale.iter_mut().zip(&held.spread) {
                    *scale = 1.0 / (spread + lambda).sqrt();
                }
            }
            let row = Row {
                rows: &held.rows,
                ld,
                cols,
                strengths,
                w0: params.unobserved_weight() as f32,
                alpha: params.alpha() as f32,
                scale: &scale,
            };
            let next = Row { cols: data.row(first + i + 1).0, ..row };
            next.prefetch(0, ROWS_AHEAD);
            // Padded places have scale 0 and a z of 0.
            for (z, scale) in z[..rank].iter_mut().zip(&scale) {
                *z /= scale;
            }
            match params.solver() {
                Solver::Exact | Solver::Cholesky => cholesky::solve::<FUSED>(&row, work, z),
                Solver::ConjugateGradient { steps } => {
                    cg::solve::<FUSED>(&row, steps, work, z);
                    Ok(())
                }
                Solver::Subspace { width } => subspace::solve::<FUSED>(&row, width, work, z),
            }
            .map_err(|NotPositive| Singular { row: first + i })?;
            z.iter_mut().zip(&scale).for_each(|(z, scale)| *z *= scale);
        }
        held.back.product(&z, out, rank);
        (work.z, work.scale) = (z, scale);
        match out.chunks_exact(rank).position(|x| !x.iter().all(|x| x.is_finite())) {
            Some(i) => Err(Singular { row: first + i }),
            None => Ok(()),
        }
    }
}
