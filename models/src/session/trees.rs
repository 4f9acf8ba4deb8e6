//! Boosted trees that put the one right candidate of a query first.
//!
//! Gradient boosting (Friedman 2001) on binned features (Ke et al., *LightGBM*, NeurIPS 2017) with the softmax loss over
//! the candidates of a query (ListNet, Cao et al., ICML 2007): no pairs are sampled, so nothing hangs on a seed.

use rayon::prelude::*;

use crate::params::{BadParam, check};

/// Steps of a binned feature.
const BINS: usize = 64;
/// Values of a feature that its bins are cut from.
const BIN_SAMPLE: usize = 20_000;
/// A leaf with less curvature than this says nothing that can be trusted.
const CURVATURE_MIN: f64 = 1.0;

/// Checked parameters of [`Trees::fit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeParams {
    trees: usize,
    depth: usize,
    rate: f64,
    ridge: f64,
}

impl TreeParams {
    /// - `trees`: 1 to 2000
    /// - `depth`: questions asked by one tree, 1 to 8
    /// - `rate`: share of each tree's answer that is taken, 0.001 to 1
    /// - `ridge`: curvature added to each leaf, 0 to 1e6
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(trees: usize, depth: usize, rate: f64, ridge: f64) -> Result<Self, BadParam> {
        Ok(Self {
            trees: check("trees.trees", trees, (1..=2000).contains(&trees), "1 to 2000")?,
            depth: check("trees.depth", depth, (1..=8).contains(&depth), "1 to 8")?,
            rate: check("trees.rate", rate, (0.001..=1.0).contains(&rate), "0.001 to 1")?,
            ridge: check("trees.ridge", ridge, (0.0..=1e6).contains(&ridge), "0 to 1e6")?,
        })
    }
}

/// Candidates of queries with their features, one row a candidate.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// Row-major, `width` values a row.
    pub features: Vec<f32>,
    pub width: usize,
    /// For each query: its number of rows, and which of them is the right one.
    pub queries: Vec<(usize, usize)>,
}

impl Candidates {
    fn rows(&self) -> usize {
        self.queries.iter().map(|q| q.0).sum()
    }

    fn holds_together(&self) -> bool {
        0 < self.width
            && self.features.len() == self.rows() * self.width
            && self.queries.iter().all(|&(rows, right)| right < rows)
            && self.features.iter().all(|x| x.is_finite())
    }

    /// Adds the queries of another set of the same width.
    pub fn append(&mut self, other: Self) {
        if other.width == self.width {
            self.features.extend(other.features);
            self.queries.extend(other.queries);
        }
    }
}

/// One question of a tree, or the answer if `feature` is [`LEAF`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    feature: u16,
    /// Left if the value is at most this; the answer in a leaf.
    value: f32,
}

const LEAF: u16 = u16::MAX;

/// A sum of trees, each complete: the children of node `n` are `2n + 1` and `2n + 2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    trees: Vec<Vec<Node>>,
}

impl Trees {
    /// Trains on `data`, before each tree asking `go_on(trees so far, mean loss)`, the loss being that of `check` if it is
    /// given. Data that does not hold together gives no trees. Cost: `trees · depth · rows · width`.
    pub fn fit(
        data: &Candidates,
        params: &TreeParams,
        check: Option<&Candidates>,
        go_on: &mut dyn FnMut(usize, f64) -> bool,
    ) -> Self {
        let mut made = Self { trees: vec![] };
        let rows = data.rows();
        if rows == 0
            || !data.holds_together()
            || check.is_some_and(|c| c.width != data.width || !c.holds_together())
        {
            return made;
        }
        let columns: Vec<Column> =
            (0..data.width).into_par_iter().map(|f| Column::of(&data.features, data.width, f)).collect();
        let mut scores = vec![0f32; rows];
        let mut slopes = vec![(0f32, 0f32); rows];
        let (mut check_scores, mut check_slopes) =
            check.map_or((vec![], vec![]), |c| (vec![0f32; c.rows()], vec![(0f32, 0f32); c.rows()]));
        for tree in 0..params.trees {
            let mut loss = slope(data, &scores, &mut slopes);
            if let Some(check) = check {
                loss = slope(check, &check_scores, &mut check_slopes);
            }
            if !go_on(tree, loss) {
                break;
            }
            let (nodes, leaf_of) = grow(&columns, &slopes, params);
            scores
                .par_iter_mut()
                .zip(&leaf_of)
                .for_each(|(score, &leaf)| *score += nodes[leaf as usize].value);
            if let Some(check) = check {
                let rows = check.features.par_chunks_exact(check.width);
                check_scores.par_iter_mut().zip(rows).for_each(|(score, row)| *score += answer(&nodes, row));
            }
            made.trees.push(nodes);
        }
        made
    }

    /// The score of a row of features; scores compare within a query.
    pub fn score(&self, row: &[f32]) -> f32 {
        self.trees.iter().map(|nodes| answer(nodes, row)).sum()
    }

    /// Keeps only the first trees.
    pub fn truncate(&mut self, trees: usize) {
        self.trees.truncate(trees);
    }

    pub fn len(&self) -> usize {
        self.trees.len()
    }

    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }
}

fn answer(nodes: &[Node], row: &[f32]) -> f32 {
    let mut at = 0;
    loop {
        let node = nodes[at];
        if node.feature == LEAF {
            return node.value;
        }
        at = 2 * at + if row[node.feature as usize] <= node.value { 1 } else { 2 };
    }
}

/// A feature as bins: bin `b` holds values up to `upto[b]`.
struct Column {
    upto: Vec<f32>,
    bins: Vec<u8>,
}

impl Column {
    fn of(features: &[f32], width: usize, feature: usize) -> Self {
        let value = |row: usize| features[row * width + feature];
        let rows = features.len() / width;
        let mut sample: Vec<f32> = (0..rows).step_by(rows.div_ceil(BIN_SAMPLE)).map(value).collect();
        sample.sort_unstable_by(f32::total_cmp);
        let mut upto: Vec<f32> = (1..BINS).map(|b| sample[b * (sample.len() - 1) / BINS]).collect();
        upto.dedup();
        let bins = (0..rows).map(|row| upto.partition_point(|&x| x < value(row)) as u8).collect();
        Self { upto, bins }
    }
}

/// Slope and curvature of the loss at each row; returns the mean loss.
fn slope(data: &Candidates, scores: &[f32], slopes: &mut [(f32, f32)]) -> f64 {
    let (mut start, mut loss) = (0, 0.0);
    for &(rows, right) in &data.queries {
        let scores = &scores[start..start + rows];
        let slopes = &mut slopes[start..start + rows];
        let max = scores.iter().fold(f32::MIN, |a, &b| a.max(b));
        let sum: f32 = scores.iter().map(|s| (s - max).exp()).sum();
        for (at, (slope, score)) in slopes.iter_mut().zip(scores).enumerate() {
            let p = (score - max).exp() / sum;
            *slope = (p - if at == right { 1.0 } else { 0.0 }, (p * (1.0 - p)).max(1e-6));
            if at == right {
                loss -= f64::from(p.max(1e-30).ln());
            }
        }
        start += rows;
    }
    loss / data.queries.len().max(1) as f64
}

/// Slope and curvature added up.
#[derive(Clone, Copy, Default)]
struct Sum {
    slope: f64,
    curvature: f64,
}

impl Sum {
    fn gain(self, ridge: f64) -> f64 {
        self.slope * self.slope / (self.curvature + ridge)
    }
}

/// Grows one tree level by level; returns its nodes and the leaf of each row. Each feature's sums are made by one thread in
/// the order of the rows, so the tree is the same at any number of threads.
fn grow(columns: &[Column], slopes: &[(f32, f32)], params: &TreeParams) -> (Vec<Node>, Vec<u16>) {
    let leaf = Node { feature: LEAF, value: 0.0 };
    let mut nodes = vec![leaf; (1 << (params.depth + 1)) - 1];
    let mut node_of = vec![0u16; slopes.len()];
    for level in 0..params.depth {
        let (first, width) = ((1usize << level) - 1, 1usize << level);
        let found: Vec<Vec<(f64, u8)>> = columns
            .par_iter()
            .map(|column| {
                let mut sums = vec![[Sum::default(); BINS]; width];
                for ((&bin, &node), &(slope, curvature)) in column.bins.iter().zip(&node_of).zip(slopes) {
                    if let Some(sums) = (node as usize).checked_sub(first).and_then(|n| sums.get_mut(n)) {
                        let sum = &mut sums[bin as usize % BINS];
                        sum.slope += f64::from(slope);
                        sum.curvature += f64::from(curvature);
                    }
                }
                sums.iter().map(|bins| best_cut(bins, column.upto.len(), params.ridge)).collect()
            })
            .collect();
        let mut cuts: Vec<Option<(usize, u8)>> = vec![None; width];
        for (node, cut) in cuts.iter_mut().enumerate() {
            let mut most = 1e-6;
            for (feature, found) in found.iter().enumerate() {
                if most < found[node].0 {
                    most = found[node].0;
                    *cut = Some((feature, found[node].1));
                }
            }
            if let Some((feature, bin)) = *cut {
                let value = columns[feature].upto[bin as usize];
                nodes[first + node] = Node { feature: feature as u16, value };
            }
        }
        node_of.par_iter_mut().enumerate().for_each(|(row, node)| {
            let cut = (*node as usize).checked_sub(first).and_then(|n| cuts.get(n).copied().flatten());
            if let Some((feature, bin)) = cut {
                *node = 2 * *node + if columns[feature].bins[row] <= bin { 1 } else { 2 };
            }
        });
    }
    let mut sums = vec![Sum::default(); nodes.len()];
    for (&node, &(slope, curvature)) in node_of.iter().zip(slopes) {
        sums[node as usize].slope += f64::from(slope);
        sums[node as usize].curvature += f64::from(curvature);
    }
    for (node, sum) in nodes.iter_mut().zip(sums) {
        if node.feature == LEAF && 0.0 < sum.curvature {
            node.value = (-params.rate * sum.slope / (sum.curvature + params.ridge)) as f32;
        }
    }
    (nodes, node_of)
}

/// What the best cut of one node by one feature gains, and the last bin on its left.
fn best_cut(bins: &[Sum; BINS], cuts: usize, ridge: f64) -> (f64, u8) {
    let all = bins
        .iter()
        .fold(Sum::default(), |a, b| Sum { slope: a.slope + b.slope, curvature: a.curvature + b.curvature });
    let (mut left, mut best) = (Sum::default(), (0.0, 0));
    for (bin, sum) in bins.iter().enumerate().take(cuts) {
        left.slope += sum.slope;
        left.curvature += sum.curvature;
        let right = Sum { slope: all.slope - left.slope, curvature: all.curvature - left.curvature };
        if left.curvature < CURVATURE_MIN || right.curvature < CURVATURE_MIN {
            continue;
        }
        let gain = left.gain(ridge) + right.gain(ridge) - all.gain(ridge);
        if best.0 < gain {
            best = (gain, bin as u8);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right candidate is the one whose two features agree best; a third feature is noise.
    fn agree(queries: usize) -> Candidates {
        let mut data = Candidates { width: 3, ..Candidates::default() };
        let mut state = 7u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        for _ in 0..queries {
            let rows: Vec<[f32; 3]> = (0..8).map(|_| [draw(), draw(), draw()]).collect();
            let far = |r: &[f32; 3]| (r[0] - r[1]).abs();
            let right = (0..8).min_by(|&a, &b| far(&rows[a]).total_cmp(&far(&rows[b]))).unwrap();
            data.features.extend(rows.iter().flatten());
            data.queries.push((8, right));
        }
        data
    }

    fn first(trees: &Trees, data: &Candidates) -> f64 {
        let hits = data.queries.iter().enumerate().filter(|&(query, &(_, right))| {
            let score = |row: usize| trees.score(&data.features[(query * 8 + row) * 3..][..3]);
            (0..8).all(|row| row == right || score(row) < score(right))
        });
        hits.count() as f64 / data.queries.len() as f64
    }

    #[test]
    fn a_rule_of_two_features_is_learned_and_holds_for_new_queries() {
        let mut losses = vec![];
        let params = TreeParams::new(60, 5, 0.2, 1.0).unwrap();
        let trees = Trees::fit(&agree(2000), &params, None, &mut |_, loss| {
            losses.push(loss);
            true
        });
        assert!((losses[0] - 8f64.ln()).abs() < 1e-3 && losses.windows(2).all(|w| w[1] < w[0]));
        let new = first(&trees, &agree(2500));
        assert!(0.6 < new, "{new}");
    }

    #[test]
    fn nothing_to_learn_from_gives_no_opinion() {
        let params = TreeParams::new(3, 2, 0.1, 0.0).unwrap();
        for data in [
            Candidates::default(),
            Candidates { width: 2, ..Candidates::default() },
            Candidates { width: 1, features: vec![1.0], queries: vec![(1, 0)] },
            Candidates { width: 1, features: vec![1.0; 4], queries: vec![(4, 9)] },
            Candidates { width: 1, features: vec![f32::NAN, 1.0], queries: vec![(2, 0)] },
            Candidates { width: 1, features: vec![1.0], queries: vec![(5, 0)] },
        ] {
            let trees = Trees::fit(&data, &params, None, &mut |_, _| true);
            assert!(trees.score(&[0.5, 0.5]).is_finite());
        }
        for bad in [(0, 2, 0.1, 0.0), (3, 9, 0.1, 0.0), (3, 2, f64::NAN, 0.0), (3, 2, 0.1, -1.0)] {
            assert!(TreeParams::new(bad.0, bad.1, bad.2, bad.3).is_err());
        }
    }
}
