//! Many terms to few numbers: truncated singular value decomposition of sparse rows (latent semantic analysis).
//!
//! Deerwester et al., *Indexing by latent semantic analysis*, 1990; the randomised subspace iteration of Halko, Martinsson
//! & Tropp, SIAM Review 2011. Rows that share no word but words of the same company come near to each other.

use rayon::prelude::*;

use crate::linalg::eigen;
use crate::params::{BadParam, check};
use crate::simd::{Kernel, axpy, dispatch, dot};
use crate::sparse::SparseRows;

/// Multiplications by `AᵀA`: enough for the leading directions of texts, whose spectrum falls slowly.
const ITERATIONS: usize = 5;
/// Directions carried along and dropped at the end: they keep the last of those wanted from being cut off.
const SPARE: usize = 8;
/// Rows of one task, and the block of its sums.
const ROWS_PER_TASK: usize = 2048;
/// Directions whose eigenvalue is below this share of the first are rounding.
const RANK_SHARE_MIN: f64 = 1e-9;

/// A projection of rows of terms onto their leading directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    dims: usize,
    /// `(n_cols, dims)` row-major, orthonormal columns.
    basis: Vec<f32>,
}

impl Reduction {
    pub const DIMS_MAX: usize = 512;

    /// Finds the leading directions of `rows` `(n, n_cols)`; fewer than `dims` if the rows do not have so many.
    ///
    /// Cost `O(nnz·dims)` for each of 5 passes plus `O(n_cols·dims²)`; memory `O(n_cols·dims)` for a block of rows each.
    ///
    /// # Errors
    /// [`BadParam`] if `dims` is not 1 to 512.
    pub fn fit(rows: &SparseRows, dims: usize, seed: u64) -> Result<Self, BadParam> {
        check("reduction.dims", dims, (1..=Self::DIMS_MAX).contains(&dims), "1 to 512")?;
        let n_cols = rows.n_cols();
        let wide = (dims + SPARE).min(n_cols).min(rows.n_rows());
        let mut basis: Vec<f64> = (0..n_cols * wide).map(|i| noise(seed, i as u64)).collect();
        let mut values = orthonormal(&mut basis, wide);
        for _ in 0..ITERATIONS {
            basis = gram_times(rows, &basis, wide);
            values = orthonormal(&mut basis, wide);
        }
        // The last eigenvalues order the directions; the columns come largest first.
        let kept =
            dims.min(values.iter().take_while(|&&v| RANK_SHARE_MIN * values[0] < v && 0.0 < v).count());
        let mut made = Vec::with_capacity(n_cols * kept);
        for row in basis.chunks_exact(wide.max(1)) {
            made.extend(row[..kept].iter().map(|&x| x as f32));
        }
        Ok(Self { dims: kept, basis: made })
    }

    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Projects one row of `(column, value)`, into `out` `(dims,)`; unknown columns are passed over.
    pub fn project(&self, row: impl Iterator<Item = (u32, f32)>, out: &mut [f32]) {
        out.fill(0.0);
        for (col, value) in row {
            let from = col as usize * self.dims;
            if let Some(of_col) = self.basis.get(from..from + self.dims) {
                out.iter_mut().zip(of_col).for_each(|(out, b)| *out += value * b);
            }
        }
    }

    /// Projects all rows: `(n, dims)` row-major.
    pub fn project_all(&self, rows: &SparseRows) -> Vec<f32> {
        let mut out = vec![0f32; rows.n_rows() * self.dims];
        if 0 < self.dims {
            out.par_chunks_mut(self.dims).enumerate().for_each(|(row, out)| {
                let (cols, vals) = rows.row(row);
                self.project(cols.iter().copied().zip(vals.iter().copied()), out);
            });
        }
        out
    }
}

/// Four uniform numbers summed: near enough to a normal one.
fn noise(seed: u64, index: u64) -> f64 {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..].copy_from_slice(&index.to_le_bytes());
    let bits = xxhash_rust::xxh3::xxh3_64(&key);
    (0..4).map(|i| f64::from((bits >> (16 * i)) as u16) / 65536.0).sum::<f64>() - 2.0
}

/// `out = A by` for the rows of `matrix` from `from`.
struct Times<'a> {
    matrix: &'a SparseRows,
    from: usize,
    by: &'a [f64],
    wide: usize,
    out: &'a mut [f64],
}

impl Kernel for Times<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (i, out) in self.out.chunks_exact_mut(self.wide).enumerate() {
            let (cols, vals) = self.matrix.row(self.from + i);
            for (&col, &val) in cols.iter().zip(vals) {
                axpy::<_, FUSED>(f64::from(val), &self.by[col as usize * self.wide..][..self.wide], out);
            }
        }
    }
}

/// The Gram matrix of a block of rows.
struct Gram<'a>(&'a [f64], usize);

impl Kernel for Gram<'_> {
    type Out = Vec<f64>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Vec<f64> {
        let mut gram = vec![0f64; self.1 * self.1];
        for row in self.0.chunks_exact(self.1) {
            for (&a, of_a) in row.iter().zip(gram.chunks_exact_mut(self.1)) {
                axpy::<_, FUSED>(a, row, of_a);
            }
        }
        gram
    }
}

/// Turns the rows of a block into the directions given.
struct Turn<'a> {
    block: &'a mut [f64],
    vectors: &'a [f64],
    turn: &'a [(usize, f64)],
}

impl Kernel for Turn<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let wide = self.turn.len();
        let mut turned = vec![0f64; wide];
        for row in self.block.chunks_exact_mut(wide) {
            for (out, &(k, scale)) in turned.iter_mut().zip(self.turn) {
                *out = scale * dot::<_, FUSED>(row, &self.vectors[k * wide..(k + 1) * wide]);
            }
            row.copy_from_slice(&turned);
        }
    }
}

/// `AᵀA q` for `q` `(n_cols, wide)`.
fn gram_times(rows: &SparseRows, q: &[f64], wide: usize) -> Vec<f64> {
    // First `A q`, a row at a time; then each column of `A` gathers its own row of the product: no sums across threads.
    let mut product = vec![0f64; rows.n_rows() * wide];
    let times = |matrix: &SparseRows, by: &[f64], out: &mut [f64]| {
        out.par_chunks_mut((wide * ROWS_PER_TASK).max(1))
            .enumerate()
            .for_each(|(task, out)| dispatch(Times { matrix, from: task * ROWS_PER_TASK, by, wide, out }));
    };
    times(rows, q, &mut product);
    let mut out = vec![0f64; rows.n_cols() * wide];
    times(&rows.transpose(), &product, &mut out);
    out
}

/// Makes the columns of `q` `(n, wide)` orthonormal, by the eigenvectors of their Gram matrix, largest first; returns its
/// eigenvalues. Columns that depend on others become zero.
fn orthonormal(q: &mut [f64], wide: usize) -> Vec<f64> {
    if wide == 0 {
        return Vec::new();
    }
    let mut gram = vec![0f64; wide * wide];
    let blocks: Vec<Vec<f64>> =
        q.par_chunks(wide * ROWS_PER_TASK).map(|block| dispatch(Gram(block, wide))).collect();
    for block in &blocks {
        gram.iter_mut().zip(block).for_each(|(sum, x)| *sum += x);
    }
    let Ok(found) = eigen(&gram, wide) else {
        q.fill(0.0);
        return vec![0.0; wide];
    };
    let mut order: Vec<usize> = (0..wide).collect();
    order.sort_by(|&a, &b| found.values[b].total_cmp(&found.values[a]));
    let largest = found.values[order[0]];
    let turn: Vec<(usize, f64)> = order
        .iter()
        .map(|&k| {
            let value = found.values[k];
            (k, if RANK_SHARE_MIN * largest < value && 0.0 < value { value.sqrt().recip() } else { 0.0 })
        })
        .collect();
    q.par_chunks_mut(wide * ROWS_PER_TASK)
        .for_each(|block| dispatch(Turn { block, vectors: &found.vectors, turn: &turn }));
    // Values of the Gram matrix of `AᵀA q` fall with the square of those of `q`; only their order and zeros matter here.
    turn.iter().map(|&(k, _)| found.values[k].max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two themes and a little of everything.
    fn themes() -> SparseRows {
        let rows = (0..200u32).map(|i| {
            let theme = i % 2 * 10;
            vec![(theme + i % 5, 1.0), (theme + 5 + i % 3, 1.0), (20 + i % 7, 0.1)]
        });
        SparseRows::new(27, rows).unwrap()
    }

    #[test]
    fn rows_of_a_theme_come_together() {
        let rows = themes();
        let reduction = Reduction::fit(&rows, 2, 1).unwrap();
        let out = reduction.project_all(&rows);
        let of = |row: usize| &out[row * 2..row * 2 + 2];
        // Rows 0 and 4 share no word of their theme with each other, only the company of those.
        assert!(0.9 < crate::vector::cosine(of(0), of(4)), "{:?} {:?}", of(0), of(4));
        assert!(crate::vector::cosine(of(0), of(1)).abs() < 0.3);
    }

    #[test]
    fn the_basis_is_orthonormal_and_the_projection_keeps_what_it_can() {
        let rows = themes();
        let all = Reduction::fit(&rows, 512, 1).unwrap();
        assert!((2..=27).contains(&all.dims()), "{}", all.dims());
        for (a, b) in [(0, 0), (0, 1), (1, 1), (all.dims() - 1, all.dims() - 1)] {
            let sum: f32 = all.basis.chunks_exact(all.dims()).map(|row| row[a] * row[b]).sum();
            assert!((sum - f32::from(u8::from(a == b))).abs() < 1e-4, "{a} {b} {sum}");
        }
        let out = all.project_all(&rows);
        for row in 0..rows.n_rows() {
            let length: f64 =
                out[row * all.dims()..][..all.dims()].iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((length - rows.square(row)).abs() < 0.05 * rows.square(row));
        }
    }

    #[test]
    fn odd_shapes_reduce_to_what_there_is() {
        for rows in [vec![], vec![vec![]], vec![vec![(0u32, 1.0f32)]], vec![vec![(1, 2.0)]; 9]] {
            let n = rows.len();
            let rows = SparseRows::new(3, rows).unwrap();
            let reduction = Reduction::fit(&rows, 4, 1).unwrap();
            assert!(reduction.dims() <= 1);
            assert_eq!(reduction.project_all(&rows).len(), n * reduction.dims());
        }
        assert_eq!(
            Reduction::fit(&themes(), 0, 1).unwrap_err().to_string(),
            "reduction.dims is 0, expected 1 to 512"
        );
        assert_eq!(Reduction::fit(&SparseRows::new(0, [vec![]]).unwrap(), 3, 1).unwrap().dims(), 0);
    }

    #[test]
    fn threads_do_not_show() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Reduction::fit(&themes(), 5, 3).unwrap())
        };
        assert_eq!(run(1), run(3));
    }
}
