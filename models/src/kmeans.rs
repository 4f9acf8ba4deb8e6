//! K-Means over sparse rows: greedy k-means++ starts, then Lloyd's iterations, on all threads, the same bytes at any
//! number of them.
//!
//! Lloyd, *Least squares quantization in PCM*, 1982; Arthur & Vassilvitskii, *k-means++*, SODA 2007, with the few
//! candidates a step that scikit-learn tries too. Centres lie transposed, a term's values for many centres side by side,
//! so that one stored entry of a row serves all centres with a few vector instructions.

mod lanes;
mod params;
mod start;
#[cfg(test)]
mod tests;

pub use params::KMeansParams;

use lanes::{Centres, nearest_all};
use rayon::prelude::*;

use crate::model::Progress;
use crate::sparse::SparseRows;

/// Rows of one cluster that one task sums: fixes the order of the sums.
const ROWS_PER_SUM: usize = 4096;

/// What K-Means found.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// `(k, n_cols)` row-major: the mean of each cluster's rows.
    pub centres: Vec<f32>,
    /// `(n_rows,)`: the nearest centre of each row; equal distances go to the lower one.
    pub of: Vec<u32>,
    /// Sum of the squared distances of the rows to their centres.
    pub inertia: f64,
    /// Iterations done; fewer than allowed if the centres came to rest.
    pub iterations: usize,
}

impl Clusters {
    /// Rows in each of `k` clusters.
    pub fn sizes(&self, k: usize) -> Vec<usize> {
        let mut sizes = vec![0; k];
        for &of in &self.of {
            if let Some(size) = sizes.get_mut(of as usize) {
                *size += 1;
            }
        }
        sizes
    }
}

/// Why there are no clusters. Comes from the arguments: the same call fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KMeansError {
    #[error("{rows} rows cannot make {k} clusters")]
    TooFewRows { rows: usize, k: usize },
    #[error("{cells} numbers in the centres, expected at most {max}")]
    TooLarge { cells: usize, max: usize },
    #[error("the squares of row {row} do not sum to a finite number")]
    TooFar { row: usize },
    #[error("start {index} is row {row}, expected below {rows}")]
    Start { index: usize, row: usize, rows: usize },
}

/// Numbers in the centres at most: 1 GiB of f32.
const CELLS_MAX: usize = 1 << 28;

/// Finds `params.k()` centres that keep `Σ |x - centre(x)|²` small.
///
/// - `observe` hears of each iteration, with the inertia before it as the loss
/// - cost per iteration `O(nnz·k)`, of the start `O(nnz·k)` too; memory `O((k + n_rows / 4096)·n_cols)`
///
/// # Errors
/// [`KMeansError`] if there are fewer rows than clusters, or if rows or centres are too large to compute with.
///
/// ```
/// use shoptide_models::kmeans::{KMeansParams, fit};
/// use shoptide_models::sparse::SparseRows;
/// let rows = SparseRows::new(2, [vec![(0, 1.0)], vec![(0, 1.2)], vec![(1, 5.0)]]).unwrap();
/// let found = fit(&rows, &KMeansParams::new(2, 10, 0.0, 7).unwrap(), &mut |_| ()).unwrap();
/// assert!(found.of[0] == found.of[1] && found.of[1] != found.of[2]);
/// ```
pub fn fit(
    rows: &SparseRows,
    params: &KMeansParams,
    observe: &mut dyn FnMut(Progress),
) -> Result<Clusters, KMeansError> {
    let squares = checked(rows, params.k())?;
    let starts = start::plus_plus(rows, &squares, params);
    Ok(lloyd(rows, &squares, &starts, params, observe))
}

/// As [`fit`], from the rows `starts` as the first centres: for comparing, and for going on from known examples.
///
/// # Errors
/// As [`fit`], and [`KMeansError::Start`] for a start that is no row. The number of starts is the number of clusters.
pub fn fit_from(
    rows: &SparseRows,
    starts: &[usize],
    params: &KMeansParams,
    observe: &mut dyn FnMut(Progress),
) -> Result<Clusters, KMeansError> {
    let squares = checked(rows, starts.len())?;
    if let Some((index, &row)) = starts.iter().enumerate().find(|&(_, &row)| rows.n_rows() <= row) {
        return Err(KMeansError::Start { index, row, rows: rows.n_rows() });
    }
    Ok(lloyd(rows, &squares, starts, params, observe))
}

/// The squared length of each row, once it is certain that all can be computed with.
fn checked(rows: &SparseRows, k: usize) -> Result<Vec<f32>, KMeansError> {
    if rows.n_rows() < k || k == 0 {
        return Err(KMeansError::TooFewRows { rows: rows.n_rows(), k });
    }
    let cells = rows.n_cols().saturating_mul(lanes::padded_k(k));
    if CELLS_MAX < cells {
        return Err(KMeansError::TooLarge { cells, max: CELLS_MAX });
    }
    let squares: Vec<f32> = (0..rows.n_rows()).map(|row| rows.square(row) as f32).collect();
    // A quarter of the range leaves room for the square of a difference.
    match squares.iter().position(|&s| f32::MAX / 4.0 < s) {
        Some(row) => Err(KMeansError::TooFar { row }),
        None => Ok(squares),
    }
}

fn lloyd(
    rows: &SparseRows,
    squares: &[f32],
    starts: &[usize],
    params: &KMeansParams,
    observe: &mut dyn FnMut(Progress),
) -> Clusters {
    let (k, n_cols) = (starts.len(), rows.n_cols());
    let mut centres = vec![0f32; k * n_cols];
    for (centre, &start) in starts.iter().enumerate() {
        let (cols, vals) = rows.row(start);
        for (&col, &val) in cols.iter().zip(vals) {
            centres[centre * n_cols + col as usize] = val;
        }
    }
    let mut lanes = Centres::new(&centres, k, n_cols);
    let (mut of, mut distances) = (vec![0u32; rows.n_rows()], vec![0f32; rows.n_rows()]);
    let mut inertia = nearest_all(rows, squares, &lanes, &mut of, &mut distances);
    let mut iterations = 0;
    for done in 1..=params.iterations() {
        observe(Progress { done, total: params.iterations(), loss: Some(inertia) });
        take_in_the_empty(&mut of, &mut distances, k);
        means(rows, &of, k, &mut centres);
        lanes.set(&centres);
        let before = std::mem::take(&mut of);
        of.resize(before.len(), 0);
        let after = nearest_all(rows, squares, &lanes, &mut of, &mut distances);
        let gained = inertia - after;
        inertia = after;
        iterations = done;
        if before == of || gained <= params.tolerance() * inertia.abs() {
            break;
        }
    }
    Clusters { centres, of, inertia, iterations }
}

/// A cluster that lost all rows gets the one that lies farthest from its own centre, lowest row first, from a cluster
/// that can spare it: k stays k.
fn take_in_the_empty(of: &mut [u32], distances: &mut [f32], k: usize) {
    let mut sizes = vec![0usize; k];
    of.iter().for_each(|&c| sizes[c as usize] += 1);
    for empty in 0..k {
        if 0 < sizes[empty] {
            continue;
        }
        let spare = of.iter().enumerate().filter(|&(_, &c)| 1 < sizes[c as usize]);
        let farthest = spare.max_by(|(a, _), (b, _)| distances[*a].total_cmp(&distances[*b]).then(b.cmp(a)));
        let Some((row, _)) = farthest else { return };
        sizes[of[row] as usize] -= 1;
        sizes[empty] += 1;
        of[row] = empty as u32;
        distances[row] = 0.0;
    }
}

/// The mean of each cluster's rows, into `centres` `(k, n_cols)`. Sums run over fixed groups of a cluster's rows in
/// order.
fn means(rows: &SparseRows, of: &[u32], k: usize, centres: &mut [f32]) {
    let n_cols = rows.n_cols();
    let mut members = vec![Vec::new(); k];
    of.iter().zip(0u32..).for_each(|(&c, row)| members[c as usize].push(row));
    let groups: Vec<(usize, &[u32])> = members
        .iter()
        .enumerate()
        .flat_map(|(c, rows)| rows.chunks(ROWS_PER_SUM).map(move |group| (c, group)))
        .collect();
    let sums: Vec<Vec<f32>> = groups
        .par_iter()
        .map(|(_, group)| {
            let mut sum = vec![0f32; n_cols];
            for &row in *group {
                let (cols, vals) = rows.row(row as usize);
                for (&col, &val) in cols.iter().zip(vals) {
                    sum[col as usize] += val;
                }
            }
            sum
        })
        .collect();
    let of_cluster =
        |c: usize| groups.iter().zip(&sums).filter(move |((g, _), _)| *g == c).map(|(_, sum)| sum);
    if n_cols == 0 {
        return;
    }
    centres.par_chunks_mut(n_cols).enumerate().for_each(|(c, centre)| {
        let share = 1.0 / members[c].len().max(1) as f64;
        for (col, value) in centre.iter_mut().enumerate() {
            *value = (of_cluster(c).map(|sum| f64::from(sum[col])).sum::<f64>() * share) as f32;
        }
    });
}
