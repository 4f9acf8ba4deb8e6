//! Conjugate gradient on one row's equations in the scaled eigenbasis: `(I + Σ e ŷŷᵀ) z = Σ c ŷ`.
//!
//! The basis is the preconditioner: what remains beside the identity has the rank of the row's interactions, and few of its
//! directions matter. A step reads the interactions' rows once.

use super::rotated::{Row, Work};
use crate::simd::{F8, LANES, dot32, fma};

/// A residual this far below 1 is rounding: the confidences that it is made of are not.
const DONE: f32 = 1e-20;

/// Improves `z` `(ld,)` by `steps` steps.
#[inline(always)]
pub(super) fn solve<const FUSED: bool>(row: &Row<'_>, steps: usize, work: &mut Work, z: &mut [f32]) {
    let Work { r, p, v, g, .. } = work;
    for buffer in [&mut *r, &mut *p, &mut *v, &mut *g] {
        buffer.clear();
        buffer.resize(row.ld, 0.0);
    }
    let (w0, alpha) = (row.w0, row.alpha);
    // r = b - A z in one pass: Σ (c - e ŷ'z) ŷ - z.
    scaled(row.scale, z, v);
    pass::<FUSED>(row, v, g, |s, score| (w0 + alpha * s) - alpha * s * score);
    for (((r, g), scale), z) in r.iter_mut().zip(&*g).zip(row.scale).zip(&*z) {
        *r = fma::<f32, FUSED>(*g, *scale, -z);
    }
    p.copy_from_slice(r);
    let mut size = dot32::<FUSED>(r, r);
    for _ in 0..steps {
        // Not a number is no size either: the row is then found not to be finite.
        if size.is_nan() || size <= DONE {
            break;
        }
        scaled(row.scale, p, v);
        pass::<FUSED>(row, v, g, |s, score| alpha * s * score);
        // g becomes A p.
        for ((g, scale), p) in g.iter_mut().zip(row.scale).zip(&*p) {
            *g = fma::<f32, FUSED>(*g, *scale, *p);
        }
        let step = size / dot32::<FUSED>(p, g);
        for (((z, r), p), g) in z.iter_mut().zip(&mut *r).zip(&*p).zip(&*g) {
            *z = fma::<f32, FUSED>(step, *p, *z);
            *r = fma::<f32, FUSED>(-step, *g, *r);
        }
        let before = size;
        size = dot32::<FUSED>(r, r);
        let keep = size / before;
        for (p, r) in p.iter_mut().zip(&*r) {
            *p = fma::<f32, FUSED>(keep, *p, *r);
        }
    }
}

#[inline(always)]
fn scaled(scale: &[f32], x: &[f32], out: &mut [f32]) {
    for ((out, x), scale) in out.iter_mut().zip(x).zip(scale) {
        *out = x * scale;
    }
}

/// `g = Σ weigh(s, y'v) y` over the row's interactions, in their order.
#[inline(always)]
fn pass<const FUSED: bool>(row: &Row<'_>, v: &[f32], g: &mut [f32], weigh: impl Fn(f32, f32) -> f32) {
    g.fill(0.0);
    let mut at = 0;
    while at + 8 <= row.cols.len() {
        row.prefetch(at + 8, 8);
        some::<FUSED, 8>(row, at, v, g, &weigh);
        at += 8;
    }
    if at + 4 <= row.cols.len() {
        some::<FUSED, 4>(row, at, v, g, &weigh);
        at += 4;
    }
    while at < row.cols.len() {
        some::<FUSED, 1>(row, at, v, g, &weigh);
        at += 1;
    }
}

/// `N` interactions at a time: as many chains of additions hide each other's latency, and `g` is read and written once.
#[inline(always)]
fn some<const FUSED: bool, const N: usize>(
    row: &Row<'_>,
    at: usize,
    v: &[f32],
    g: &mut [f32],
    weigh: &impl Fn(f32, f32) -> f32,
) {
    let (v, g) = (v.as_chunks::<LANES>().0, g.as_chunks_mut::<LANES>().0);
    let n = v.len().min(g.len());
    let rows: [&[[f32; LANES]]; N] = std::array::from_fn(|i| &row.of(at + i).as_chunks::<LANES>().0[..n]);
    let mut sums = [F8::default(); N];
    for (k, v) in v.iter().enumerate().take(n) {
        let v = F8::load::<FUSED>(v);
        for i in 0..N {
            sums[i] = F8::load::<FUSED>(&rows[i][k]).fma::<FUSED>(v, sums[i]);
        }
    }
    let mut scores = [0f32; N];
    let (sums4, sums1) = sums.as_chunks::<4>();
    let (scores4, scores1) = scores.as_chunks_mut::<4>();
    for (scores, sums) in scores4.iter_mut().zip(sums4) {
        *scores = F8::sums4::<FUSED>(*sums);
    }
    for (score, sum) in scores1.iter_mut().zip(sums1) {
        *score = sum.sum::<FUSED>();
    }
    let weights: [F8; N] =
        std::array::from_fn(|i| F8::splat::<FUSED>(weigh(row.strengths[at + i], scores[i])));
    for (k, g) in g.iter_mut().enumerate().take(n) {
        let mut sum = F8::load::<FUSED>(g);
        for i in 0..N {
            sum = weights[i].fma::<FUSED>(F8::load::<FUSED>(&rows[i][k]), sum);
        }
        sum.store::<FUSED>(g);
    }
}
