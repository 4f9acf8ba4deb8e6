//! The inverse of a large symmetric positive matrix, in tiles: Cholesky factor, its inverse, and the product of that with
//! itself, n³ floating-point operations in all, half of what an inverse by LU takes.
//!
//! Each tile is the work of one thread from beginning to end, in an order fixed by the shape of the matrix, so the result
//! has the same bytes at any number of threads. faer multiplies within a tile.

use faer::linalg::matmul::matmul;
use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

/// Rows and columns of a tile. Large enough for the multiplication to run at full speed, small enough that 5,000 items
/// make work for all threads.
const TILE: usize = 192;

/// A number the inverse can be computed in.
pub(super) trait Number: RealField + Copy + Send + Sync {
    fn of(x: f64) -> Self;
    fn f64(self) -> f64;
}

impl Number for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Number for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn f64(self) -> f64 {
        self
    }
}

/// The matrix is not positive definite, within rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotPositive;

/// One tile, by columns.
type Tile<T> = Vec<T>;

/// The lower triangle of a symmetric matrix in tiles; column of tiles `j` holds those of rows `j..`. Beyond `n` the matrix
/// is continued by the identity.
pub(super) struct Tiles<T> {
    n: usize,
    columns: Vec<Vec<Tile<T>>>,
}

fn view<T>(tile: &[T]) -> MatRef<'_, T> {
    MatRef::from_column_major_slice(tile, TILE, TILE)
}

fn view_mut<T>(tile: &mut [T]) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_mut(tile, TILE, TILE)
}

fn times<T: Number>(out: &mut [T], how: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, scale: f64) {
    matmul(view_mut(out), how, a, b, T::of(scale), Par::Seq);
}

impl<T: Number> Tiles<T> {
    /// Asks `column(memory, j, out)` for every column: it must set `out[i]` for `i >= j`; `out` is `(n,)` and 0 before.
    pub(super) fn of_columns<M: Default>(
        n: usize,
        column: impl Fn(&mut M, usize, &mut [f32]) + Sync,
    ) -> Self {
        let count = n.div_ceil(TILE);
        let columns = (0..count).into_par_iter().map(|tile_column| {
            let mut tiles = vec![vec![T::of(0.0); TILE * TILE]; count - tile_column];
            let (mut memory, mut values) = (M::default(), vec![0f32; n]);
            for inner in 0..TILE {
                let j = tile_column * TILE + inner;
                if n <= j {
                    if let Some(last) = tiles.last_mut() {
                        last[inner * TILE + inner] = T::of(1.0);
                    }
                    continue;
                }
                values.fill(0.0);
                column(&mut memory, j, &mut values);
                for (tile, values) in tiles.iter_mut().zip(values[tile_column * TILE..].chunks(TILE)) {
                    for (to, &value) in tile[inner * TILE..].iter_mut().zip(values) {
                        *to = T::of(f64::from(value));
                    }
                }
            }
            tiles
        });
        Self { n, columns: columns.collect() }
    }

    /// Number of rows and columns, those of the identity not counted.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// An entry of the lower or, by symmetry, of the upper triangle; `i` and `j` below `n`.
    pub(super) fn get(&self, i: usize, j: usize) -> T {
        let (i, j) = (i.max(j), i.min(j));
        let tile = &self.columns[j / TILE][i / TILE - j / TILE];
        tile[j % TILE * TILE + i % TILE]
    }

    /// The inverse, in the memory of about two such matrices; `observe` hears what part of the work is done.
    pub(super) fn inverse(mut self, observe: &mut dyn FnMut(f64)) -> Result<Self, NotPositive> {
        let diagonal = self.factor(observe)?;
        let inverse = self.invert_factor(&diagonal);
        drop(self.columns);
        observe(2.0 / 3.0);
        let squared = squared(&inverse);
        observe(1.0);
        Ok(Self { n: self.n, columns: squared })
    }

    /// Becomes the Cholesky factor `L`, left-looking; returns the inverse of each of its diagonal tiles.
    fn factor(&mut self, observe: &mut dyn FnMut(f64)) -> Result<Vec<Tile<T>>, NotPositive> {
        let count = self.columns.len();
        let mut diagonal: Vec<Tile<T>> = Vec::with_capacity(count);
        for j in 0..count {
            let (done, rest) = self.columns.split_at_mut(j);
            let Some(current) = rest.first_mut() else { break };
            current.par_iter_mut().enumerate().for_each(|(below, tile)| {
                for (k, column) in done.iter().enumerate() {
                    let (left, right) = (&column[j + below - k], &column[j - k]);
                    times(tile, Accum::Add, view(left), view(right).transpose(), -1.0);
                }
            });
            let Some((first, below)) = current.split_first_mut() else { break };
            let inverse = factor_tile(first)?;
            below.par_iter_mut().for_each(|tile| {
                let before = tile.clone();
                times(tile, Accum::Replace, view(&before), view(&inverse).transpose(), 1.0);
            });
            diagonal.push(inverse);
            // The work of column j grows until the middle; the cube is near enough for a progress bar.
            observe(((j + 1) as f64 / count as f64).powi(2) / 3.0);
        }
        Ok(diagonal)
    }

    /// `L⁻¹`, column of tiles by column: `W_jj = L_jj⁻¹`, `W_ij = -L_ii⁻¹ Σ_k L_ik W_kj`.
    fn invert_factor(&self, diagonal: &[Tile<T>]) -> Vec<Vec<Tile<T>>> {
        let count = self.columns.len();
        // One column at a time per task: the first is the longest, so the threads end at about the same time.
        (0..count)
            .into_par_iter()
            .with_max_len(1)
            .map(|j| {
                let mut column: Vec<Tile<T>> = Vec::with_capacity(count - j);
                column.push(diagonal[j].clone());
                let mut sum = vec![T::of(0.0); TILE * TILE];
                for (i, own) in diagonal.iter().enumerate().skip(j + 1) {
                    for (k, w) in (j..i).zip(&column) {
                        let how = if k == j { Accum::Replace } else { Accum::Add };
                        times(&mut sum, how, view(&self.columns[k][i - k]), view(w), 1.0);
                    }
                    let mut tile = vec![T::of(0.0); TILE * TILE];
                    times(&mut tile, Accum::Replace, view(own), view(&sum), -1.0);
                    column.push(tile);
                }
                column
            })
            .collect()
    }
}

/// `WᵀW` of a lower triangle of tiles.
fn squared<T: Number>(w: &[Vec<Tile<T>>]) -> Vec<Vec<Tile<T>>> {
    let count = w.len();
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|j| (j..count).map(move |i| (i, j))).collect();
    let tiles: Vec<Tile<T>> = pairs
        .par_iter()
        .with_max_len(1)
        .map(|&(i, j)| {
            let mut tile = vec![T::of(0.0); TILE * TILE];
            for k in i..count {
                let how = if k == i { Accum::Replace } else { Accum::Add };
                times(&mut tile, how, view(&w[i][k - i]).transpose(), view(&w[j][k - j]), 1.0);
            }
            tile
        })
        .collect();
    let mut tiles = tiles.into_iter();
    (0..count).map(|j| tiles.by_ref().take(count - j).collect()).collect()
}

/// Factors a diagonal tile in place, zeros above the diagonal; returns the inverse of the factor.
fn factor_tile<T: Number>(tile: &mut [T]) -> Result<Tile<T>, NotPositive> {
    if !(0..TILE).all(|i| tile[i * TILE + i].f64().is_finite()) {
        return Err(NotPositive);
    }
    let factor = view(tile).llt(Side::Lower).map_err(|_| NotPositive)?;
    for j in 0..TILE {
        for i in 0..TILE {
            tile[j * TILE + i] = if j <= i { factor.L()[(i, j)] } else { T::of(0.0) };
        }
    }
    let mut inverse = vec![T::of(0.0); TILE * TILE];
    faer::linalg::triangular_inverse::invert_lower_triangular(view_mut(&mut inverse), view(tile), Par::Seq);
    if inverse.iter().all(|x| x.f64().is_finite()) { Ok(inverse) } else { Err(NotPositive) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(i: usize, j: usize) -> f32 {
        let off = ((i * j + i + j) as f32 * 0.37).sin() * 0.3;
        if i == j { 200.0 + i as f32 } else { off }
    }

    fn error_of<T: Number>(n: usize) -> f64 {
        let column = |(): &mut (), j: usize, out: &mut [f32]| (j..n).for_each(|i| out[i] = entry(i, j));
        let inverse = Tiles::<T>::of_columns(n, column).inverse(&mut |_| ()).unwrap();
        let mut worst = 0f64;
        for i in (0..n).step_by(7) {
            for j in (0..n).step_by(11) {
                let product: f64 =
                    (0..n).map(|k| f64::from(entry(i.max(k), i.min(k))) * inverse.get(k, j).f64()).sum();
                worst = worst.max((product - f64::from(u8::from(i == j))).abs());
            }
        }
        worst
    }

    #[test]
    fn the_inverse_times_the_matrix_is_the_identity() {
        for n in [1, 5, TILE - 1, TILE, TILE + 1, 3 * TILE + 17] {
            let (narrow, wide) = (error_of::<f32>(n), error_of::<f64>(n));
            assert!(narrow < 1e-4 && wide < 1e-10, "{n}: {narrow} {wide}");
        }
        assert_eq!(Tiles::<f32>::of_columns(0, |(): &mut (), _, _| ()).inverse(&mut |_| ()).unwrap().n(), 0);
    }

    #[test]
    fn a_matrix_that_is_not_positive_is_an_error() {
        let bad = |value: f32| {
            let tiles = Tiles::<f32>::of_columns(300, move |(): &mut (), j, out| {
                out[j] = if j == 250 { value } else { 1.0 }
            });
            tiles.inverse(&mut |_| ()).map(|_| ()).unwrap_err()
        };
        for value in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(bad(value), NotPositive, "{value}");
        }
    }
}
