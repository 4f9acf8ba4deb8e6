//! One tree, grown level by level. Sums are made in fixed blocks of rows and added up in their order, so the tree is the
//! same at any number of threads.

use rayon::prelude::*;

use super::bins::{BINS, Binned};
use super::{LEAF, Node, TreeParams};

/// Rows that are added up at a time in f32, before their sums go on in f64.
const BLOCK: usize = 4096;
/// A leaf with less curvature than this says nothing that can be trusted.
const CURVATURE_MIN: f64 = 1.0;
/// A cut must gain this much.
const GAIN_MIN: f64 = 1e-6;

/// Slope and curvature added up.
#[derive(Clone, Copy, Default)]
struct Sum {
    slope: f64,
    curvature: f64,
}

impl Sum {
    fn gain(self, ridge: f64) -> f64 {
        self.slope * self.slope / (self.curvature + ridge).max(f64::MIN_POSITIVE)
    }

    fn less(self, part: Self) -> Self {
        Self { slope: self.slope - part.slope, curvature: self.curvature - part.curvature }
    }
}

/// A node that may be cut: its rows in the order, and the sums of each feature's bins.
struct Open {
    node: usize,
    rows: std::ops::Range<usize>,
    sums: Vec<Sum>,
}

/// Grows one tree; returns its nodes and the leaf of each row.
pub fn grow(data: &Binned, slopes: &[(f32, f32)], params: &TreeParams) -> (Vec<Node>, Vec<u16>) {
    let mut nodes = vec![Node { feature: LEAF, value: 0.0 }; (1 << (params.depth + 1)) - 1];
    let mut order: Vec<u32> = (0..slopes.len() as u32).collect();
    let mut leaf_of = vec![0u16; slopes.len()];
    let root = Open { node: 0, rows: 0..slopes.len(), sums: sums(data, slopes, &order) };
    let mut open = vec![root];
    for level in 0..=params.depth {
        let mut next = vec![];
        for Open { node, rows, sums: of_node } in open {
            let cut = if level < params.depth { best_cut(data, &of_node, params.ridge) } else { None };
            let Some((feature, bin)) = cut else {
                nodes[node].value = answer(&of_node[..BINS], params);
                for &row in &order[rows] {
                    leaf_of[row as usize] = node as u16;
                }
                continue;
            };
            nodes[node] = Node { feature: feature as u16, value: data.upto[feature][bin] };
            let left = |row: u32| usize::from(data.bins[row as usize * data.width + feature]) <= bin;
            let middle = rows.start + part(&mut order[rows.clone()], left);
            let (left, right) = (rows.start..middle, middle..rows.end);
            // the sums of the larger are what those of the smaller leave of the parent's
            let small = if left.len() < right.len() { left.clone() } else { right.clone() };
            let small_sums = sums(data, slopes, &order[small.clone()]);
            let large_sums = of_node.iter().zip(&small_sums).map(|(all, part)| all.less(*part)).collect();
            let (left_sums, right_sums) =
                if small == left { (small_sums, large_sums) } else { (large_sums, small_sums) };
            next.push(Open { node: 2 * node + 1, rows: left, sums: left_sums });
            next.push(Open { node: 2 * node + 2, rows: right, sums: right_sums });
        }
        open = next;
    }
    (nodes, leaf_of)
}

/// Adds up slopes and curvatures by feature and bin; `BINS` sums a feature.
fn sums(data: &Binned, slopes: &[(f32, f32)], rows: &[u32]) -> Vec<Sum> {
    let width = data.width;
    let blocks: Vec<Vec<(f32, f32)>> = rows
        .par_chunks(BLOCK)
        .map(|rows| {
            let mut sums = vec![(0f32, 0f32); width * BINS];
            for &row in rows {
                let (slope, curvature) = slopes[row as usize];
                let bins = &data.bins[row as usize * width..][..width];
                for (&bin, sums) in bins.iter().zip(sums.chunks_exact_mut(BINS)) {
                    let sum = &mut sums[usize::from(bin) % BINS];
                    sum.0 += slope;
                    sum.1 += curvature;
                }
            }
            sums
        })
        .collect();
    let mut all = vec![Sum::default(); width * BINS];
    for block in blocks {
        for (sum, (slope, curvature)) in all.iter_mut().zip(block) {
            sum.slope += f64::from(slope);
            sum.curvature += f64::from(curvature);
        }
    }
    all
}

/// Puts the rows that go left in front, both sides in their old order; returns how many go left.
fn part(rows: &mut [u32], left: impl Fn(u32) -> bool) -> usize {
    let mut right = vec![];
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        if left(row) {
            rows[kept] = row;
            kept += 1;
        } else {
            right.push(row);
        }
    }
    rows[kept..].copy_from_slice(&right);
    kept
}

/// A leaf's answer: a Newton step. `bins` are the sums of any one feature.
fn answer(bins: &[Sum], params: &TreeParams) -> f32 {
    let (slope, curvature) = bins.iter().fold((0.0, 0.0), |a, b| (a.0 + b.slope, a.1 + b.curvature));
    let step = params.rate * slope / (curvature + params.ridge).max(f64::MIN_POSITIVE);
    if step.is_finite() { -step as f32 } else { 0.0 }
}

/// The feature and the last bin on the left of the cut that gains most; the first of equals.
fn best_cut(data: &Binned, sums: &[Sum], ridge: f64) -> Option<(usize, usize)> {
    let (mut most, mut best) = (GAIN_MIN, None);
    for (feature, (bins, upto)) in sums.chunks_exact(BINS).zip(&data.upto).enumerate() {
        let all = bins.iter().fold(Sum::default(), |a, b| Sum {
            slope: a.slope + b.slope,
            curvature: a.curvature + b.curvature,
        });
        let mut left = Sum::default();
        for (bin, sum) in bins.iter().enumerate().take(upto.len()) {
            left.slope += sum.slope;
            left.curvature += sum.curvature;
            let right = all.less(left);
            if left.curvature < CURVATURE_MIN || right.curvature < CURVATURE_MIN {
                continue;
            }
            let gain = left.gain(ridge) + right.gain(ridge) - all.gain(ridge);
            if most < gain {
                (most, best) = (gain, Some((feature, bin)));
            }
        }
    }
    best
}
