//! One row's equations in f32 by Cholesky: `(I + MᵀM) z = Mᵀa`, `M` having a row `√e ŷ` per interaction, or through
//! `I + M Mᵀ` where that is the smaller system.

use super::rotated::{Row, Work};
use crate::linalg::{self, NotPositive};
use crate::panels::WIDE;
use crate::simd::{add_gram, axpy, dot32};

/// Rows of M made at a time: with 128 dimensions 16 KiB, which stay in the first cache while all tiles read them.
const ROWS_AT_ONCE: usize = 32;

#[inline(always)]
pub(super) fn solve<const FUSED: bool>(
    row: &Row<'_>,
    work: &mut Work,
    z: &mut [f32],
) -> Result<(), NotPositive> {
    let n_padded = row.cols.len().next_multiple_of(WIDE);
    if n_padded < row.ld { small::<FUSED>(row, n_padded, work, z) } else { large::<FUSED>(row, work, z) }
}

/// At least as many interactions as dimensions.
#[inline(always)]
fn large<const FUSED: bool>(row: &Row<'_>, work: &mut Work, z: &mut [f32]) -> Result<(), NotPositive> {
    let (ld, n) = (row.ld, row.cols.len());
    let Work { a, m, .. } = work;
    identity(a, ld);
    m.resize(ROWS_AT_ONCE * ld, 0.0);
    z.fill(0.0);
    for from in (0..n).step_by(ROWS_AT_ONCE) {
        let to = (from + ROWS_AT_ONCE).min(n);
        for (i, m) in (from..to).zip(m.chunks_exact_mut(ld)) {
            let extra = row.extra(i);
            let root = extra.sqrt();
            for ((m, y), scale) in m.iter_mut().zip(row.of(i)).zip(row.scale) {
                *m = root * scale * y;
            }
            axpy::<f32, FUSED>((row.w0 + extra) / root, m, z);
        }
        add_gram::<f32, WIDE, FUSED>(m, to - from, ld, a);
    }
    linalg::cholesky::<f32, FUSED>(a, ld)?;
    linalg::solve::<f32, FUSED>(a, ld, z);
    Ok(())
}

/// Fewer interactions than dimensions: M transposed, a column per interaction, so that one product serves both cases.
#[inline(always)]
fn small<const FUSED: bool>(
    row: &Row<'_>,
    n: usize,
    work: &mut Work,
    z: &mut [f32],
) -> Result<(), NotPositive> {
    let ld = row.ld;
    let Work { a, m, r, .. } = work;
    m.clear();
    m.resize(ld * n, 0.0);
    r.clear();
    r.resize(n, 0.0);
    for i in 0..row.cols.len() {
        let extra = row.extra(i);
        let root = extra.sqrt();
        r[i] = (row.w0 + extra) / root;
        for ((column, y), scale) in m.chunks_exact_mut(n).zip(row.of(i)).zip(row.scale) {
            column[i] = root * scale * y;
        }
    }
    identity(a, n);
    add_gram::<f32, WIDE, FUSED>(m, ld, n, a);
    linalg::cholesky::<f32, FUSED>(a, n)?;
    linalg::solve::<f32, FUSED>(a, n, r);
    for (z, column) in z.iter_mut().zip(m.chunks_exact(n)) {
        *z = dot32::<FUSED>(column, r);
    }
    Ok(())
}

#[inline(always)]
pub(super) fn identity(a: &mut Vec<f32>, ld: usize) {
    a.clear();
    a.resize(ld * ld, 0.0);
    a.iter_mut().step_by(ld + 1).for_each(|x| *x = 1.0);
}
