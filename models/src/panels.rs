//! Products of many rows with a fixed set of vectors: the vectors lie in panels of a register's width, side by side.
//!
//! Every product is summed over the dimensions in their order, so it does not depend on which rows or vectors happen to be
//! beside it.

use crate::simd::{F8, Kernel, dispatch};

/// Vectors of a panel: two registers of eight `f32`.
pub(crate) const WIDE: usize = 16;
/// Vectors of the panel that serves when there are no more than these.
pub(crate) const NARROW: usize = 8;
/// Rows of a tile: with two registers of vectors each, twelve sums; with the vectors' two registers and the row's number that
/// is all of sixteen registers but one.
pub(crate) const TILE: usize = 6;

/// Vectors in panels: of each panel first the first number of all its vectors, then the second.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panels {
    pub dim: usize,
    /// [`WIDE`] or [`NARROW`].
    pub width: usize,
    pub n_panels: usize,
    values: Vec<f32>,
}

impl Panels {
    /// Of `vectors` `(n, dim)`; the last panel is filled up with zeros. `dim` is not 0.
    pub(crate) fn of(vectors: &[f32], dim: usize) -> Self {
        let n = vectors.len() / dim;
        let width = if n <= NARROW { NARROW } else { WIDE };
        let n_panels = n.div_ceil(width);
        let mut values = vec![0f32; n_panels * width * dim];
        for (v, vector) in vectors.chunks_exact(dim).enumerate() {
            let panel = &mut values[v / width * width * dim..];
            for (d, &x) in vector.iter().enumerate() {
                panel[d * width + v % width] = x;
            }
        }
        Self { dim, width, n_panels, values }
    }

    /// Panel `p`, of `W` vectors, which is [`Panels::width`].
    #[inline(always)]
    pub(crate) fn panel<const W: usize>(&self, p: usize) -> &[[f32; W]] {
        self.values[p * W * self.dim..(p + 1) * W * self.dim].as_chunks::<W>().0
    }

    /// `out[i][v] = rows[i]'vectors[v]`: `rows` `(n, dim)`, `out` `(n, ld)` with `ld` at most `width · n_panels`; places
    /// beyond the vectors become 0.
    pub(crate) fn product(&self, rows: &[f32], out: &mut [f32], ld: usize) {
        dispatch(Product { panels: self, rows, out, ld });
    }
}

/// `(N, W)` products of `N` rows with the `W = 8 V` vectors of a panel.
#[inline(always)]
pub(crate) fn tile<const FUSED: bool, const W: usize, const V: usize, const N: usize>(
    rows: &[f32],
    panel: &[[f32; W]],
) -> [[F8; V]; N] {
    let dim = panel.len();
    let mut sums = [[F8::default(); V]; N];
    let rows: [&[f32]; N] = std::array::from_fn(|i| &rows[i * dim..(i + 1) * dim]);
    for (d, vectors) in panel.iter().enumerate() {
        let vectors: [F8; V] = std::array::from_fn(|v| F8::load::<FUSED>(&vectors.as_chunks().0[v]));
        for i in 0..N {
            let x = F8::splat::<FUSED>(rows[i][d]);
            for v in 0..V {
                sums[i][v] = x.fma::<FUSED>(vectors[v], sums[i][v]);
            }
        }
    }
    sums
}

struct Product<'a> {
    panels: &'a Panels,
    rows: &'a [f32],
    out: &'a mut [f32],
    ld: usize,
}

impl Kernel for Product<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        if self.panels.width == WIDE {
            self.each::<FUSED, WIDE, 2>()
        } else {
            self.each::<FUSED, NARROW, 1>()
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn each<const FUSED: bool, const W: usize, const V: usize>(self) {
        let Self { panels, rows, out, ld } = self;
        let dim = panels.dim;
        let tiles = rows.chunks(TILE * dim).zip(out.chunks_mut(TILE * ld));
        for (rows, out) in tiles {
            for p in 0..panels.n_panels.min(ld.div_ceil(W)) {
                let panel = panels.panel::<W>(p);
                let mut put = |i: usize, sums: &[F8; V]| {
                    let out = &mut out[i * ld..(i + 1) * ld][p * W..];
                    if let Some(out) = out.first_chunk_mut::<W>() {
                        let out = out.as_chunks_mut().0;
                        out.iter_mut().zip(sums).for_each(|(out, sum)| sum.store::<FUSED>(out));
                    } else {
                        let mut values = [0f32; W];
                        let values8 = values.as_chunks_mut().0;
                        values8.iter_mut().zip(sums).for_each(|(out, sum)| sum.store::<FUSED>(out));
                        out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
                    }
                };
                if rows.len() == TILE * dim {
                    let sums = tile::<FUSED, W, V, TILE>(rows, panel);
                    sums.iter().enumerate().for_each(|(i, sums)| put(i, sums));
                } else {
                    for (i, row) in rows.chunks_exact(dim).enumerate() {
                        put(i, &tile::<FUSED, W, V, 1>(row, panel)[0]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_dot_products_at_any_shape() {
        for (n, n_vectors, dim, ld) in
            [(0, 3, 2, 8), (1, 1, 1, 1), (7, 8, 5, 8), (13, 20, 9, 24), (6, 64, 64, 64)]
        {
            let rows: Vec<f32> = (0..n * dim).map(|i| (i as f32 * 0.7).sin()).collect();
            let vectors: Vec<f32> = (0..n_vectors * dim).map(|i| (i as f32 * 0.3).cos()).collect();
            let mut out = vec![9.0; n * ld];
            Panels::of(&vectors, dim).product(&rows, &mut out, ld);
            for (row, out) in rows.chunks(dim).zip(out.chunks(ld)) {
                for (v, out) in out.iter().enumerate() {
                    let vector = vectors.chunks(dim).nth(v).unwrap_or(&[]);
                    let plain: f32 = row.iter().zip(vector).map(|(x, y)| x * y).sum();
                    assert!((out - plain).abs() < 1e-4);
                }
            }
        }
    }
}
