//! Where the centres start: rows far from each other, by greedy k-means++.

use rayon::prelude::*;

use super::KMeansParams;
use super::lanes::{Centres, ROWS_PER_TASK, each_row};
use crate::sparse::SparseRows;

/// Candidates tried for each further centre: as many as scikit-learn tries up to k = 400, and what one vector of lanes holds.
const CANDIDATES_MAX: usize = 8;

/// `k` different rows: the first by chance, each further one the best of a few drawn with a chance in proportion to the
/// squared distance to the nearest start so far.
pub(super) fn plus_plus(rows: &SparseRows, squares: &[f32], params: &KMeansParams) -> Vec<usize> {
    let n = rows.n_rows();
    let chance = |draw: u64| {
        let mut key = [0u8; 16];
        key[..8].copy_from_slice(&params.seed().to_le_bytes());
        key[8..].copy_from_slice(&draw.to_le_bytes());
        (xxhash_rust::xxh3::xxh3_64(&key) >> 11) as f64 / (1u64 << 53) as f64
    };
    let candidates = (2 + (params.k() as f64).ln() as usize).min(CANDIDATES_MAX);
    let mut centres = Centres::empty(candidates, rows.n_cols());
    let mut held = vec![None; candidates];
    let mut draws = 0u64;
    let mut near = vec![f32::INFINITY; n];
    let mut starts: Vec<usize> = Vec::with_capacity(params.k());
    let mut taken = vec![false; n];
    for _ in 0..params.k() {
        let drawn: Vec<usize> = (0..candidates)
            .map(|_| {
                draws += 1;
                if starts.is_empty() {
                    (chance(draws) * n as f64) as usize
                } else {
                    draw(&near, chance(draws))
                }
            })
            .collect();
        let drawn = if starts.is_empty() { &drawn[..1] } else { &drawn[..] };
        for (lane, &row) in drawn.iter().enumerate() {
            let before = held[lane].map_or((&[][..], &[][..]), |row| rows.row(row));
            centres.swap(lane, before, rows.row(row), squares[row]);
            held[lane] = Some(row);
        }
        let best = best_of(rows, squares, &centres, &near, drawn.len());
        // All rows left may lie on a start already: then any row that is not yet one will do.
        let row = drawn[best];
        let row = if taken[row] { taken.iter().position(|t| !t).unwrap_or(row) } else { row };
        taken[row] = true;
        starts.push(row);
        closer(rows, squares, &centres, best, &mut near);
    }
    starts
}

/// The row at which the running sum of `near` passes `chance` of its total. Sums run in fixed blocks.
fn draw(near: &[f32], chance: f64) -> usize {
    let sum = |block: &[f32]| block.iter().map(|&d| f64::from(d)).sum::<f64>();
    let sums: Vec<f64> = near.par_chunks(ROWS_PER_TASK).map(sum).collect();
    let mut left = chance * sums.iter().sum::<f64>();
    let mut last = 0;
    for (block, of_block) in sums.iter().enumerate() {
        if *of_block <= left {
            left -= of_block;
            continue;
        }
        let from = block * ROWS_PER_TASK;
        for (i, &d) in near[from..].iter().take(ROWS_PER_TASK).enumerate() {
            if 0.0 < d {
                last = from + i;
                left -= f64::from(d);
                if left < 0.0 {
                    return last;
                }
            }
        }
    }
    last
}

/// Which of the first `n` lanes leaves the smallest sum of squared distances, the lowest if several.
fn best_of(rows: &SparseRows, squares: &[f32], centres: &Centres, near: &[f32], n: usize) -> usize {
    let sums: Vec<[f64; CANDIDATES_MAX]> = near
        .par_chunks(ROWS_PER_TASK)
        .enumerate()
        .map(|(task, near)| {
            let from = task * ROWS_PER_TASK;
            let mut sums = [0f64; CANDIDATES_MAX];
            each_row(rows, centres, from, near.len(), |i, halves| {
                for (sum, half) in sums.iter_mut().zip(halves) {
                    *sum += f64::from((squares[from + i] + 2.0 * half).max(0.0).min(near[i]));
                }
            });
            sums
        })
        .collect();
    let total = |lane: usize| sums.iter().map(|s| s[lane]).sum::<f64>();
    (0..n.min(CANDIDATES_MAX)).min_by(|&a, &b| total(a).total_cmp(&total(b)).then(a.cmp(&b))).unwrap_or(0)
}

/// Lowers `near` to the distance to the centre in `lane` where that is nearer.
fn closer(rows: &SparseRows, squares: &[f32], centres: &Centres, lane: usize, near: &mut [f32]) {
    near.par_chunks_mut(ROWS_PER_TASK).enumerate().for_each(|(task, near)| {
        let from = task * ROWS_PER_TASK;
        each_row(rows, centres, from, near.len(), |i, halves| {
            near[i] = near[i].min((squares[from + i] + 2.0 * halves[lane]).max(0.0));
        });
    });
}
