//! One least-squares problem: the best vector of one row while the whole other side is held fixed.
//!
//! `(w0 YᵀY + λ I) + Σ (c - w0) y yᵀ` differs from row to row only by λ and by the few `y` of the row. In the basis of
//! the eigenvectors of `YᵀY` the bracket is diagonal, so scaling by its root leaves `I + MᵀM`, `M` having a row per
//! interaction. A row with fewer interactions than factors is solved through `I + M Mᵀ` instead (the
//! push-through identity), which is the smaller system: most users of a shop have a handful of events.

use super::params::AlsParams;
use crate::linalg::{Eigen, NotPositive, cholesky, eigen, solve};
use crate::simd::{Kernel, LANES, add_gram, axpy, dispatch, dot, padded};
use rayon::prelude::*;

/// A row whose equations have no finite solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Singular {
    pub row: usize,
}

/// Working memory of a fold-in; keep one per thread, its size follows the largest problem seen.
#[derive(Debug, Default, Clone)]
pub struct FoldScratch {
    entries: Vec<(u32, f32)>,
    scale: Vec<f64>,
    m: Vec<f64>,
    a: Vec<f64>,
    rhs: Vec<f64>,
    x: Vec<f64>,
    pub(crate) seen: Vec<u32>,
}

impl FoldScratch {
    /// Sets the row's interactions: `(index on the held side, strength above 0)`.
    pub(crate) fn set(&mut self, entries: impl Iterator<Item = (u32, f32)>) {
        self.entries.clear();
        self.entries.extend(entries);
    }
}

/// The side held fixed: its Gram matrix's eigenvectors, and its rows turned into their basis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    rank: usize,
    /// Length of a padded row.
    ld: usize,
    /// Rows of the whole side; at least as many as are in `rotated`.
    n_total: usize,
    basis: Eigen,
    /// `(n, ld)`, f64 because the solution is as exact as these are.
    rotated: Vec<f64>,
}

/// Rows turned to f64 at a time.
const GRAM_ROWS: usize = 256;
/// Partial sums of a Gram matrix: fixed by the number of rows alone, so that threads do not change the order of adding.
const GRAM_PARTS_MAX: usize = 32;

/// Upper triangle of `FᵀF` as `(ld, ld)`, `ld` the padded rank, of `factors` `(n, rank)`.
pub(crate) fn upper_gram(factors: &[f32], rank: usize) -> Vec<f64> {
    struct Part<'a>(&'a [f32], usize, usize);
    impl Kernel for Part<'_> {
        type Out = Vec<f64>;
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> Vec<f64> {
            let Part(rows, rank, ld) = self;
            let (mut sum, mut wide) = (vec![0f64; ld * ld], vec![0f64; GRAM_ROWS * ld]);
            for rows in rows.chunks(GRAM_ROWS * rank) {
                for (wide, row) in wide.chunks_exact_mut(ld).zip(rows.chunks_exact(rank)) {
                    for (wide, &x) in wide.iter_mut().zip(row) {
                        *wide = f64::from(x);
                    }
                }
                add_gram::<f64, LANES, FUSED>(&wide, rows.len() / rank, ld, &mut sum);
            }
            sum
        }
    }
    let (ld, n) = (padded(rank), factors.len() / rank);
    let rows_per_part = n.div_ceil(GRAM_PARTS_MAX).max(GRAM_ROWS);
    let parts: Vec<Vec<f64>> =
        factors.par_chunks(rows_per_part * rank).map(|rows| dispatch(Part(rows, rank, ld))).collect();
    let mut sum = vec![0f64; ld * ld];
    for part in &parts {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sum
}

/// The whole `(rank, rank)` matrix from its padded upper triangle.
pub(crate) fn whole(upper: &[f64], rank: usize) -> Vec<f64> {
    let ld = padded(rank);
    let at = |a: usize, b: usize| upper[a.min(b) * ld + a.max(b)];
    (0..rank * rank).map(|i| at(i / rank, i % rank)).collect()
}

impl Held {
    /// Holds all of `factors` `(n, rank)`.
    pub(crate) fn of_all(factors: &[f32], params: &AlsParams) -> Result<Self, Singular> {
        let rank = params.rank();
        let gram = whole(&upper_gram(factors, rank), rank);
        Self::with_gram(factors, &gram, factors.len() / rank, params)
    }

    /// Holds a side of `n_total` rows with this Gram matrix `(rank, rank)`, of which only `rows` `(n, rank)` will be
    /// referred to.
    pub(crate) fn with_gram(
        rows: &[f32],
        gram: &[f64],
        n_total: usize,
        params: &AlsParams,
    ) -> Result<Self, Singular> {
        struct Rotate<'a>(&'a [f32], &'a [f64], usize, &'a mut [f64]);
        impl Kernel for Rotate<'_> {
            type Out = ();
            #[inline(always)]
            fn run<const FUSED: bool>(self) {
                let Rotate(rows, vectors, rank, out) = self;
                let mut wide = vec![0f64; rank];
                for (row, out) in rows.chunks_exact(rank).zip(out.chunks_exact_mut(padded(rank))) {
                    wide.iter_mut().zip(row).for_each(|(wide, &x)| *wide = f64::from(x));
                    for (out, vector) in out.iter_mut().zip(vectors.chunks_exact(rank)) {
                        *out = dot::<f64, FUSED>(vector, &wide);
                    }
                }
            }
        }
        let rank = params.rank();
        let ld = padded(rank);
        let mut basis = eigen(gram, rank).map_err(|NotPositive| Singular { row: 0 })?;
        // A Gram matrix has no negative eigenvalue; rounding may leave one just below zero.
        basis.values.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut rotated = vec![0f64; rows.len() / rank * ld];
        rows.par_chunks(GRAM_ROWS * rank)
            .zip(rotated.par_chunks_mut(GRAM_ROWS * ld))
            .for_each(|(rows, out)| dispatch(Rotate(rows, &basis.vectors, rank, out)));
        Ok(Self { rank, ld, n_total, basis, rotated })
    }

    /// Rows that can be referred to.
    pub(crate) fn n_rows(&self) -> usize {
        self.rotated.len() / self.ld
    }

    /// A row in the eigenbasis, `(ld,)`; padded places are 0.
    #[inline(always)]
    pub(crate) fn row(&self, index: u32) -> &[f64] {
        &self.rotated[index as usize * self.ld..(index as usize + 1) * self.ld]
    }

    /// The inverse root of the diagonal, `(rank,)`.
    #[inline(always)]
    fn scales(&self, w0: f64, lambda: f64) -> impl Iterator<Item = f64> + '_ {
        self.basis.values.iter().map(move |value| 1.0 / (w0 * value + lambda).sqrt())
    }

    /// The same for a row of `n` interactions, `(ld,)`; a padded place is 0.
    pub(crate) fn scale(&self, params: &AlsParams, n: usize) -> Vec<f64> {
        let lambda = params.lambda(n, self.n_total);
        let mut scale: Vec<f64> = self.scales(params.unobserved_weight(), lambda).collect();
        scale.resize(self.ld, 0.0);
        scale
    }

    /// Adds a solution in the scaled eigenbasis to `out` `(rank,)`, in the factors' own.
    #[inline(always)]
    pub(crate) fn back<const FUSED: bool>(&self, x: &[f64], scale: &[f64], out: &mut [f64]) {
        for ((x, scale), vector) in x.iter().zip(scale).zip(self.basis.vectors.chunks_exact(self.rank)) {
            axpy::<f64, FUSED>(x * scale, vector, out);
        }
    }

    /// Solves for the interactions set in `scratch`, all of them below [`Held::n_rows`] with a strength above 0, into
    /// `out` `(rank,)`. No interaction gives zeros.
    pub(crate) fn solve(
        &self,
        params: &AlsParams,
        scratch: &mut FoldScratch,
        out: &mut [f32],
    ) -> Result<(), NotPositive> {
        if scratch.entries.is_empty() {
            out.fill(0.0);
            return Ok(());
        }
        dispatch(Solve { held: self, params, scratch, out })
    }
}

struct Solve<'a> {
    held: &'a Held,
    params: &'a AlsParams,
    scratch: &'a mut FoldScratch,
    out: &'a mut [f32],
}

impl Kernel for Solve<'_> {
    type Out = Result<(), NotPositive>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Self::Out {
        let Self { held, params, scratch, out } = self;
        let FoldScratch { entries, scale, m, a, rhs, x, .. } = scratch;
        let (rank, ld, n) = (held.rank, held.ld, entries.len());
        let w0 = params.unobserved_weight();
        let lambda = params.lambda(n, held.n_total);

        scale.clear();
        scale.extend(held.scales(w0, lambda));
        scale.resize(ld, 0.0);
        let row_of = |item: u32| held.row(item);
        // Row i of M: root of the extra confidence times y_i, scaled. Against it stands c_i over that root.
        let weigh = |strength: f32| {
            let extra = params.alpha() * f64::from(strength);
            (extra.sqrt(), (w0 + extra) / extra.sqrt())
        };

        // The solution in the scaled eigenbasis.
        x.clear();
        x.resize(ld, 0.0);
        if ld <= n {
            m.clear();
            for &(item, strength) in entries.iter() {
                let (root, against) = weigh(strength);
                let from = m.len();
                m.extend(row_of(item).iter().zip(scale.iter()).map(|(y, scale)| root * y * scale));
                axpy::<f64, FUSED>(against, &m[from..], x);
            }
            identity(a, ld);
            add_gram::<f64, LANES, FUSED>(m, n, ld, a);
            cholesky::<f64, FUSED>(a, ld)?;
            solve::<f64, FUSED>(a, ld, x);
        } else {
            // M transposed, a column per interaction, so that one product serves both cases.
            let ldn = padded(n);
            m.clear();
            m.resize(ld * ldn, 0.0);
            rhs.clear();
            rhs.resize(ldn, 0.0);
            for (i, &(item, strength)) in entries.iter().enumerate() {
                let (root, against) = weigh(strength);
                rhs[i] = against;
                for ((column, y), scale) in m.chunks_exact_mut(ldn).zip(row_of(item)).zip(scale.iter()) {
                    column[i] = root * y * scale;
                }
            }
            identity(a, ldn);
            add_gram::<f64, LANES, FUSED>(m, ld, ldn, a);
            cholesky::<f64, FUSED>(a, ldn)?;
            solve::<f64, FUSED>(a, ldn, rhs);
            for (x, column) in x.iter_mut().zip(m.chunks_exact(ldn)) {
                *x = dot::<f64, FUSED>(column, rhs);
            }
        }

        // Back to the factors' own basis; rhs is free again.
        rhs.clear();
        rhs.resize(rank, 0.0);
        held.back::<FUSED>(x, scale, rhs);
        let mut finite = true;
        for (out, &x) in out.iter_mut().zip(rhs.iter()) {
            *out = x as f32;
            finite &= out.is_finite();
        }
        if finite { Ok(()) } else { Err(NotPositive) }
    }
}

#[inline(always)]
fn identity(a: &mut Vec<f64>, ld: usize) {
    a.clear();
    a.resize(ld * ld, 0.0);
    a.iter_mut().step_by(ld + 1).for_each(|x| *x = 1.0);
}
