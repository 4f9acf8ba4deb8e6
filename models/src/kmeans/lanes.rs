//! The inner loop: one row against all centres at once.

use rayon::prelude::*;

use crate::simd::{Kernel, LANES, dispatch};
use crate::sparse::SparseRows;

/// Vectors of eight lanes that one pass over a row keeps in registers, half of what AVX2 has.
const VECTORS_MAX: usize = 4;

/// Rows of one task, and the block in which distances are summed: fixes the order of the sum.
pub(super) const ROWS_PER_TASK: usize = 1024;

/// Lanes used for `k` centres.
pub(super) fn padded_k(k: usize) -> usize {
    k.div_ceil(LANES) * LANES
}

/// Centres by column: `panels[p][col * width + lane]`, with up to 32 centres side by side in a panel.
pub(super) struct Centres {
    k: usize,
    n_cols: usize,
    panels: Vec<Panel>,
    /// Half the squared length of each centre; infinite in lanes without one.
    half_squares: Vec<f32>,
}

struct Panel {
    width: usize,
    values: Vec<f32>,
}

impl Centres {
    /// - `centres`: `(k, n_cols)` row-major
    pub fn new(centres: &[f32], k: usize, n_cols: usize) -> Self {
        let mut made = Self::empty(k, n_cols);
        made.set(centres);
        made
    }

    /// Centres at the origin.
    pub fn empty(k: usize, n_cols: usize) -> Self {
        let (mut panels, mut left) = (vec![], padded_k(k));
        while 0 < left {
            let width = left.min(VECTORS_MAX * LANES);
            panels.push(Panel { width, values: vec![0.0; n_cols * width] });
            left -= width;
        }
        let mut half_squares = vec![f32::INFINITY; padded_k(k)];
        half_squares[..k].fill(0.0);
        Self { k, n_cols, panels, half_squares }
    }

    /// Takes new values over.
    pub fn set(&mut self, centres: &[f32]) {
        let (n_cols, k) = (self.n_cols, self.k);
        if n_cols == 0 {
            return;
        }
        for (half, centre) in self.half_squares.iter_mut().zip(centres.chunks_exact(n_cols)) {
            *half = (crate::vector::dot(centre, centre) / 2.0) as f32;
        }
        let mut from = 0;
        for Panel { width, values } in &mut self.panels {
            let here = from..k.min(from + *width);
            values.par_chunks_mut(*width * 256).enumerate().for_each(|(block, values)| {
                for (i, values) in values.chunks_exact_mut(*width).enumerate() {
                    let col = block * 256 + i;
                    for (lane, centre) in here.clone().enumerate() {
                        values[lane] = centres[centre * n_cols + col];
                    }
                }
            });
            from += *width;
        }
    }

    /// Replaces one centre by a sparse row, the centre having been `before`.
    pub fn swap(&mut self, centre: usize, before: (&[u32], &[f32]), row: (&[u32], &[f32]), square: f32) {
        let (panel, lane) = (centre / (VECTORS_MAX * LANES), centre % (VECTORS_MAX * LANES));
        let Panel { width, values } = &mut self.panels[panel];
        for &col in before.0 {
            values[col as usize * *width + lane] = 0.0;
        }
        for (&col, &value) in row.0.iter().zip(row.1) {
            values[col as usize * *width + lane] = value;
        }
        self.half_squares[centre] = square / 2.0;
    }

    /// Half the squared distance of a row to each lane's centre, short of half the row's own square, into `out`.
    #[inline(always)]
    fn halves<const FUSED: bool>(&self, cols: &[u32], vals: &[f32], out: &mut [f32]) {
        let mut from = 0;
        for panel in &self.panels {
            let out = &mut out[from..from + panel.width];
            match panel.width / LANES {
                1 => panel.dots::<FUSED, 1>(cols, vals, out),
                2 => panel.dots::<FUSED, 2>(cols, vals, out),
                3 => panel.dots::<FUSED, 3>(cols, vals, out),
                _ => panel.dots::<FUSED, 4>(cols, vals, out),
            }
            from += panel.width;
        }
        out.iter_mut().zip(&self.half_squares).for_each(|(dot, half)| *dot = half - *dot);
    }
}

impl Panel {
    #[inline(always)]
    fn dots<const FUSED: bool, const V: usize>(&self, cols: &[u32], vals: &[f32], out: &mut [f32]) {
        let (rows, _) = self.values.as_chunks::<LANES>();
        let mut acc = [[0f32; LANES]; V];
        for (&col, &val) in cols.iter().zip(vals) {
            let row = &rows[col as usize * V..col as usize * V + V];
            for v in 0..V {
                for l in 0..LANES {
                    acc[v][l] =
                        if FUSED { val.mul_add(row[v][l], acc[v][l]) } else { acc[v][l] + val * row[v][l] };
                }
            }
        }
        for (out, acc) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(acc) {
            *out = acc;
        }
    }
}

struct Task<'a, F> {
    rows: &'a SparseRows,
    centres: &'a Centres,
    from: usize,
    n: usize,
    each: F,
}

impl<F: FnMut(usize, &[f32])> Kernel for Task<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        let mut halves = vec![0f32; self.centres.half_squares.len()];
        for i in 0..self.n {
            let (cols, vals) = self.rows.row(self.from + i);
            self.centres.halves::<FUSED>(cols, vals, &mut halves);
            (self.each)(i, &halves[..self.centres.k]);
        }
    }
}

/// Calls `each(i, halves)` for `n` rows from `from`; see [`Centres::halves`].
pub(super) fn each_row(
    rows: &SparseRows,
    centres: &Centres,
    from: usize,
    n: usize,
    each: impl FnMut(usize, &[f32]),
) {
    dispatch(Task { rows, centres, from, n, each });
}

/// The nearest centre of every row into `of`, the squared distance to it into `distances`; returns their sum.
pub(super) fn nearest_all(
    rows: &SparseRows,
    squares: &[f32],
    centres: &Centres,
    of: &mut [u32],
    distances: &mut [f32],
) -> f64 {
    let tasks = of.par_chunks_mut(ROWS_PER_TASK).zip(distances.par_chunks_mut(ROWS_PER_TASK)).enumerate();
    let sums: Vec<f64> = tasks
        .map(|(task, (of, distances))| {
            let from = task * ROWS_PER_TASK;
            let mut sum = 0.0;
            each_row(rows, centres, from, of.len(), |i, halves| {
                let (mut best, mut half) = (0u32, f32::INFINITY);
                for (&h, centre) in halves.iter().zip(0u32..) {
                    if h < half {
                        (best, half) = (centre, h);
                    }
                }
                let distance = (squares[from + i] + 2.0 * half).max(0.0);
                (of[i], distances[i]) = (best, distance);
                sum += f64::from(distance);
            });
            sum
        })
        .collect();
    sums.iter().sum()
}
