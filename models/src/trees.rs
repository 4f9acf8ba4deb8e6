//! Boosted trees that put the right candidates of a query first.
//!
//! Gradient boosting (Friedman 2001) on binned features (Ke et al., *LightGBM*, NeurIPS 2017) with the softmax loss over
//! the candidates of a query (ListNet, Cao et al., ICML 2007): no pairs are sampled, so nothing hangs on a seed.

mod bins;
mod grow;

use rayon::prelude::*;

use bins::Binned;
use grow::grow;

use crate::params::{BadParam, check};

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
    pub queries: Vec<Asked>,
}

/// One query of [`Candidates`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub rows: usize,
    /// Which of the rows are right: at least one.
    pub right: Vec<usize>,
}

impl Candidates {
    fn rows(&self) -> usize {
        self.queries.iter().map(|q| q.rows).sum()
    }

    fn holds_together(&self) -> bool {
        0 < self.width
            && self.features.len() == self.rows() * self.width
            && self.queries.iter().all(|q| !q.right.is_empty() && q.right.iter().all(|&right| right < q.rows))
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
        let binned = Binned::of(&data.features, data.width);
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
            let (nodes, leaf_of) = grow(&binned, &slopes, params);
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

    /// The score of a row of features; scores compare within a query. What a row lacks counts as more than any value.
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
        at =
            2 * at + if row.get(usize::from(node.feature)).is_some_and(|x| *x <= node.value) { 1 } else { 2 };
    }
}

/// Slope and curvature of the loss at each row; returns the mean loss.
fn slope(data: &Candidates, scores: &[f32], slopes: &mut [(f32, f32)]) -> f64 {
    let (mut start, mut loss) = (0, 0.0);
    for Asked { rows, right } in &data.queries {
        let scores = &scores[start..start + rows];
        let slopes = &mut slopes[start..start + rows];
        let max = scores.iter().fold(f32::MIN, |a, &b| a.max(b));
        let sum: f32 = scores.iter().map(|s| (s - max).exp()).sum();
        for (slope, score) in slopes.iter_mut().zip(scores) {
            let p = (score - max).exp() / sum;
            *slope = (p, (p * (1.0 - p)).max(1e-6));
        }
        let share = 1.0 / right.len() as f32;
        for &right in right {
            loss -= f64::from(share * ((scores[right] - max).exp() / sum).max(1e-30).ln());
            slopes[right].0 -= share;
        }
        start += rows;
    }
    loss / data.queries.len().max(1) as f64
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
            data.queries.push(Asked { rows: 8, right: vec![right] });
        }
        data
    }

    fn first(trees: &Trees, data: &Candidates) -> f64 {
        let hits = data.queries.iter().enumerate().filter(|(query, asked)| {
            let right = asked.right[0];
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
            Candidates { width: 1, features: vec![1.0], queries: vec![Asked { rows: 1, right: vec![0] }] },
            Candidates { width: 1, features: vec![1.0; 4], queries: vec![Asked { rows: 4, right: vec![9] }] },
            Candidates {
                width: 1,
                features: vec![f32::NAN, 1.0],
                queries: vec![Asked { rows: 2, right: vec![0] }],
            },
            Candidates { width: 1, features: vec![1.0], queries: vec![Asked { rows: 5, right: vec![0] }] },
        ] {
            let trees = Trees::fit(&data, &params, None, &mut |_, _| true);
            assert!(trees.score(&[0.5, 0.5]).is_finite());
        }
        for bad in [(0, 2, 0.1, 0.0), (3, 9, 0.1, 0.0), (3, 2, f64::NAN, 0.0), (3, 2, 0.1, -1.0)] {
            assert!(TreeParams::new(bad.0, bad.1, bad.2, bad.3).is_err());
        }
    }
}
