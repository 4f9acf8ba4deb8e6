//! The slow frequencies of the item graph: leading eigenvectors of the normalised co-occurrence matrix, by subspace iteration
//! from a seeded start (Halko, Martinsson & Tropp, *Finding structure with randomness*, SIAM Review 2011).

use std::borrow::Cow;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

use crate::matrix::Interactions;
use crate::paths::{Paths, power};

/// Rows that one task multiplies; it also fixes the order in which Gram matrices are summed.
const ROWS: usize = 1024;

/// Directions beyond the wanted ones, as a part of them: they take up what would blur the last of the wanted.
const OVERSAMPLE: f64 = 0.1;

/// One in so many of all frequencies is slow at most.
const SLOW_PART: usize = 4;

/// Passes. The spectrum of such graphs falls slowly; a few passes settle all but the last directions.
const PASSES: usize = 4;

/// Eigenvectors of `D^-½ XᵀWX D^-½` with the largest eigenvalues.
pub(crate) struct Spectrum {
    pub n_items: usize,
    /// Descending.
    pub values: Vec<f64>,
    /// `(n_items, values.len())` row-major, orthonormal columns.
    pub vectors: Vec<f32>,
    /// Sum of each item's strengths, `(n_items,)`.
    pub degrees: Vec<f64>,
}

impl Spectrum {
    /// Fewer than `rank` if the data has fewer directions; none if there is no data. `None` if the numbers overflow.
    pub(crate) fn of(data: &Interactions, user_exponent: f64, rank: usize, seed: u64) -> Option<Self> {
        let mut paths = Paths::new(Cow::Borrowed(data), user_exponent / 2.0);
        let n_items = paths.n_items();
        let degree = |item: usize| paths.by_item.row(item).1.iter().map(|&s| f64::from(s)).sum::<f64>();
        let degrees: Vec<f64> = (0..n_items).map(degree).collect();
        let root: Vec<f32> = degrees.iter().map(|&d| power(d, -0.5) as f32).collect();
        paths.through.iter_mut().for_each(|w| *w = if w.is_finite() { *w } else { 0.0 });
        let most = n_items.min(data.n_rows());
        // A filter that lets everything pass says nothing: a small graph has fewer frequencies that are slow.
        let rank = rank.min((most / SLOW_PART).max(1));
        let width = (rank + (rank as f64 * OVERSAMPLE) as usize + 8).min(most);
        let mut made = Self { n_items, values: vec![], vectors: vec![], degrees };
        if width == 0 || data.nnz() == 0 {
            return Some(made);
        }
        let x = Scaled { paths: &paths, root: &root };
        let mut basis = start(n_items, width, seed);
        orthonormal(&mut basis, width)?;
        for _ in 0..PASSES {
            basis = x.back(&x.forth(&basis, width), width);
            orthonormal(&mut basis, width)?;
        }
        let (values, turn) = eigen(&gram(&x.forth(&basis, width), width), width)?;
        let kept = rank.min(width);
        made.vectors = turned(&basis, width, &turn, kept);
        made.values = values[..kept].to_vec();
        made.vectors.iter().all(|x| x.is_finite()).then_some(made)
    }
}

/// `W^½ X D^-½` as a linear map.
struct Scaled<'a> {
    paths: &'a Paths<'a>,
    root: &'a [f32],
}

impl Scaled<'_> {
    /// Items to users: `(n_items, width)` becomes `(n_users, width)`.
    fn forth(&self, of_items: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0f32; self.paths.by_user.n_rows() * width];
        out.par_chunks_exact_mut(width).enumerate().for_each(|(user, out)| {
            let (items, strengths) = self.paths.by_user.row(user);
            for (&item, &s) in items.iter().zip(strengths) {
                let weight = s * self.paths.through[user] * self.root[item as usize];
                let from = &of_items[item as usize * width..][..width];
                out.iter_mut().zip(from).for_each(|(out, x)| *out += weight * x);
            }
        });
        out
    }

    /// Users to items.
    fn back(&self, of_users: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0f32; self.paths.n_items() * width];
        out.par_chunks_exact_mut(width).enumerate().for_each(|(item, out)| {
            let (users, strengths) = self.paths.by_item.row(item);
            for (&user, &s) in users.iter().zip(strengths) {
                let weight = s * self.paths.through[user as usize] * self.root[item];
                let from = &of_users[user as usize * width..][..width];
                out.iter_mut().zip(from).for_each(|(out, x)| *out += weight * x);
            }
        });
        out
    }
}

/// Numbers between -1 and 1 that depend on the seed and the place only.
fn start(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut out = vec![0f32; n * width];
    out.par_chunks_exact_mut(width).enumerate().for_each(|(row, out)| {
        for (column, out) in out.iter_mut().enumerate() {
            let mut key = [0u8; 16];
            key[..8].copy_from_slice(&(row as u64).to_le_bytes());
            key[8..].copy_from_slice(&(column as u64).to_le_bytes());
            let bits = xxhash_rust::xxh3::xxh3_64_with_seed(&key, seed);
            *out = ((bits >> 40) as f32 / (1u32 << 23) as f32) - 1.0;
        }
    });
    out
}

/// `AᵀA` in f64, summed over fixed blocks of rows.
fn gram(a: &[f32], width: usize) -> Mat<f64> {
    let blocks: Vec<Mat<f64>> = a
        .par_chunks(ROWS * width)
        .map(|rows| {
            let wide = Mat::<f64>::from_fn(rows.len() / width, width, |i, j| f64::from(rows[i * width + j]));
            let mut out = Mat::<f64>::zeros(width, width);
            matmul(out.as_mut(), Accum::Replace, wide.as_ref().transpose(), wide.as_ref(), 1.0, Par::Seq);
            out
        })
        .collect();
    let mut sum = Mat::<f64>::zeros(width, width);
    blocks.iter().for_each(|block| sum += block);
    sum
}

/// Eigenvalues, descending, and the eigenvectors as columns.
fn eigen(a: &Mat<f64>, width: usize) -> Option<(Vec<f64>, Mat<f64>)> {
    if !(0..width).all(|j| (0..width).all(|i| a[(i, j)].is_finite())) {
        return None;
    }
    let found = a.self_adjoint_eigen(Side::Lower).ok()?;
    let values = (0..width).rev().map(|i| found.S()[i].max(0.0)).collect();
    let vectors = Mat::from_fn(width, width, |i, j| found.U()[(i, width - 1 - j)]);
    Some((values, vectors))
}

/// The first `kept` columns of `A T`, `(n, kept)` row-major.
fn turned(a: &[f32], width: usize, turn: &Mat<f64>, kept: usize) -> Vec<f32> {
    let turn = Mat::<f32>::from_fn(width, kept, |i, j| turn[(i, j)] as f32);
    let mut out = vec![0f32; a.len() / width * kept];
    out.par_chunks_mut(ROWS * kept).zip(a.par_chunks(ROWS * width)).for_each(|(out, rows)| {
        let n = rows.len() / width;
        let to = MatMut::from_row_major_slice_mut(out, n, kept);
        let from = MatRef::from_row_major_slice(rows, n, width);
        matmul(to, Accum::Replace, from, turn.as_ref(), 1.0, Par::Seq);
    });
    out
}

/// Below this part of the largest eigenvalue of the Gram matrix, a direction is rounding and becomes 0.
const DIRECTION_MIN: f64 = 1e-10;

/// Makes the columns orthonormal; what does not stand out from rounding becomes 0.
fn orthonormal(a: &mut Vec<f32>, width: usize) -> Option<()> {
    let (values, mut turn) = eigen(&gram(a, width), width)?;
    let least = values.first().copied().unwrap_or(0.0) * DIRECTION_MIN;
    for (j, &value) in values.iter().enumerate() {
        let scale = if least < value { 1.0 / value.sqrt() } else { 0.0 };
        (0..width).for_each(|i| turn[(i, j)] *= scale);
    }
    *a = turned(a, width, &turn, width);
    Some(())
}
