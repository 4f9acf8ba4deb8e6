//! iALS++ on one row (Rendle, Krichene, Zhang & Koren, *iALS++: speeding up matrix factorization with subspace
//! optimization*, 2021): blocks of dimensions are solved one after another, each exactly, against the scores so far.
//!
//! In the scaled eigenbasis blocks meet only in the interactions, so the part of all other pairs costs nothing.

use super::cholesky::{self, identity};
use super::rotated::{Row, Work};
use crate::linalg::{self, NotPositive};
use crate::panels::WIDE;
use crate::simd::{add_gram, axpy, dot32};

/// Rows of a block's matrix made at a time.
const ROWS_AT_ONCE: usize = 64;

/// Improves `z` `(ld,)` once in every block of `width` dimensions (rounded up to whole registers).
#[inline(always)]
pub(super) fn solve<const FUSED: bool>(
    row: &Row<'_>,
    width: usize,
    work: &mut Work,
    z: &mut [f32],
) -> Result<(), NotPositive> {
    let (ld, n) = (row.ld, row.cols.len());
    if n <= width {
        // The whole row costs no more than its blocks would.
        return cholesky::solve::<FUSED>(row, work, z);
    }
    let Work { a, m, r, p: scores, v, .. } = work;
    v.clear();
    v.extend(z.iter().zip(row.scale).map(|(z, scale)| z * scale));
    scores.clear();
    scores.extend((0..n).map(|i| dot32::<FUSED>(row.of(i), v)));
    let width = width.next_multiple_of(WIDE).min(ld);
    for from in (0..ld).step_by(width) {
        let block = from..(from + width).min(ld);
        let width = block.len();
        let scale = &row.scale[block.clone()];
        identity(a, width);
        r.clear();
        r.extend(z[block.clone()].iter().map(|z| -z));
        m.resize(ROWS_AT_ONCE * width, 0.0);
        for from in (0..n).step_by(ROWS_AT_ONCE) {
            let to = (from + ROWS_AT_ONCE).min(n);
            for (i, m) in (from..to).zip(m.chunks_exact_mut(width)) {
                let extra = row.extra(i);
                let root = extra.sqrt();
                for ((m, y), scale) in m.iter_mut().zip(&row.of(i)[block.clone()]).zip(scale) {
                    *m = root * scale * y;
                }
                axpy::<f32, FUSED>((row.w0 + extra * (1.0 - scores[i])) / root, m, r);
            }
            add_gram::<f32, WIDE, FUSED>(m, to - from, width, a);
        }
        linalg::cholesky::<f32, FUSED>(a, width)?;
        linalg::solve::<f32, FUSED>(a, width, r);
        z[block.clone()].iter_mut().zip(&*r).for_each(|(z, change)| *z += change);
        if block.end < ld {
            r.iter_mut().zip(scale).for_each(|(change, scale)| *change *= scale);
            for (i, score) in scores.iter_mut().enumerate() {
                *score += dot32::<FUSED>(&row.of(i)[block.clone()], r);
            }
        }
    }
    Ok(())
}
