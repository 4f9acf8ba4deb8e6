//! Factors for items that nobody has touched: a ridge regression from what an item says to the factors that training
//! gave to the items that were touched.
//!
//! Gantner et al., *Learning attribute-to-feature mappings for cold-start recommendations*, ICDM 2010. The regression is
//! linfa's multi-task elastic net without its L1 part; it is dense, so the terms are reduced first ([`Reduction`]).

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_elasticnet::MultiTaskElasticNet;
use ndarray::ArrayView2;

use super::index::ContentIndex;
use super::reduce::Reduction;
use crate::params::{BadParam, check};
use crate::sparse::SparseRows;
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`ColdItems::fit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColdParams {
    dims: usize,
    regularization: f64,
    seed: u64,
}

impl ColdParams {
    /// - `dims`: numbers that an item's terms are reduced to, 1 to 512
    /// - `regularization` of the regression, relative to the number of items, 1e-9 to 1e3
    /// - `seed` of the reduction
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(dims: usize, regularization: f64, seed: u64) -> Result<Self, BadParam> {
        let ok = (1e-9..=1e3).contains(&regularization);
        Ok(Self {
            dims: check("cold.dims", dims, (1..=Reduction::DIMS_MAX).contains(&dims), "1 to 512")?,
            regularization: check("cold.regularization", regularization, ok, "1e-9 to 1e3")?,
            seed,
        })
    }
}

impl Tunable for ColdParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "dims", range: Range::Whole(8, 256) },
        Dimension { name: "regularization", range: Range::Log(1e-7, 1e-1) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let of = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(of("dims", 64.0) as usize, of("regularization", 1e-3), of("seed", 1.0) as u64)
    }
}

/// Why there is no regression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColdError {
    #[error("{factors} rows of factors and {weights} weights, expected {trained}, one for each trained item")]
    Shape { factors: usize, weights: usize, trained: usize },
    #[error("the factors of item {item} are not finite, or its weight is not 0 to 1e9")]
    NotFinite { item: u32 },
    #[error("no trained item says anything")]
    Nothing,
    #[error("the regression failed: {reason}")]
    Regression { reason: String },
}

/// Passes of the coordinate descent at most; it needs a few.
const PASSES_MAX: u32 = 100;
/// Weight of an item at most: far from where sums lose their precision.
const WEIGHT_MAX: f32 = 1e9;
/// Change of the weights and duality gap at which the descent is at rest.
const TOLERANCE: f64 = 1e-6;

/// A learned way from terms to factors.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdItems {
    reduction: Reduction,
    rank: usize,
    /// `(dims, rank)` row-major.
    weights: Vec<f32>,
    /// `(rank,)`: the factors of an item of which nothing is known.
    mean: Vec<f32>,
}

impl ColdItems {
    /// Learns from the items that have factors.
    /// - `trained`: items of `index`; `factors`: `(trained.len(), rank)`, a row for each of them
    /// - `weights`: `(trained.len(),)`, what each row is worth, such as the root of its number of users: the factors of an
    ///   item that one user touched are mostly noise, and most items are such
    /// - cost: the reduction, then `O(items·dims·rank)` for each of a few passes, on one thread
    ///
    /// # Errors
    /// [`ColdError`] if the two do not fit, if a factor is not finite, or if none of the items says anything.
    pub fn fit(
        index: &ContentIndex,
        trained: &[u32],
        factors: ArrayView2<'_, f32>,
        weights: &[f32],
        params: &ColdParams,
    ) -> Result<Self, ColdError> {
        let (rows, rank) = factors.dim();
        if rows != trained.len() || weights.len() != trained.len() {
            return Err(ColdError::Shape { factors: rows, weights: weights.len(), trained: trained.len() });
        }
        for ((&item, row), weight) in trained.iter().zip(factors.outer_iter()).zip(weights) {
            if !(row.iter().all(|x| x.is_finite()) && (0.0..=WEIGHT_MAX).contains(weight)) {
                return Err(ColdError::NotFinite { item });
            }
        }
        let mut terms = SparseRows::empty(index.vocabulary().len());
        let mut kept = Vec::new();
        for (at, &item) in trained.iter().enumerate() {
            if !index.item(item).is_empty() && 0.0 < weights[at] {
                terms.push(index.item(item).iter().copied());
                kept.push(at);
            }
        }
        let bad = |error: &dyn std::fmt::Display| ColdError::Regression { reason: error.to_string() };
        let reduction = Reduction::fit(&terms, params.dims, params.seed).map_err(|e| bad(&e))?;
        let (n, dims) = (kept.len(), reduction.dims());
        if n == 0 || dims == 0 || rank == 0 {
            return Err(ColdError::Nothing);
        }

        // linfa stands on an older ndarray than ours, so the numbers are copied over. The columns of `x` are almost
        // orthogonal, being projections on singular vectors: its coordinate descent comes to rest after a few passes.
        if kept.windows(2).all(|pair| factors.row(pair[0]) == factors.row(pair[1])) {
            // Nothing to explain; linfa's block threshold would divide 0 by 0.
            return Ok(Self {
                reduction,
                rank,
                weights: vec![0.0; dims * rank],
                mean: factors.row(kept[0]).to_vec(),
            });
        }
        // linfa knows no weights: rows are scaled by their roots (mean 1), and the weighted mean is taken out before.
        let sum: f64 = kept.iter().map(|&at| f64::from(weights[at])).sum();
        let roots: Vec<f64> =
            kept.iter().map(|&at| (f64::from(weights[at]) * n as f64 / sum).sqrt()).collect();
        let mut mean = vec![0f64; rank];
        for (&at, root) in kept.iter().zip(&roots) {
            let row = factors.row(at);
            mean.iter_mut().zip(row).for_each(|(mean, &y)| *mean += root * root / n as f64 * f64::from(y));
        }
        let mut x: Vec<f64> = reduction.project_all(&terms).into_iter().map(f64::from).collect();
        x.chunks_exact_mut(dims).zip(&roots).for_each(|(row, root)| row.iter_mut().for_each(|x| *x *= root));
        let mut y: Vec<f64> = Vec::with_capacity(n * rank);
        for (&at, root) in kept.iter().zip(&roots) {
            y.extend(factors.row(at).iter().zip(&mean).map(|(&y, mean)| root * (f64::from(y) - mean)));
        }
        let x = ndarray_of_linfa::Array2::from_shape_vec((n, dims), x).map_err(|e| bad(&e))?;
        let y = ndarray_of_linfa::Array2::from_shape_vec((n, rank), y).map_err(|e| bad(&e))?;
        let ridge = MultiTaskElasticNet::ridge().penalty(params.regularization).with_intercept(false);
        let ridge = ridge.tolerance(TOLERANCE).max_iterations(PASSES_MAX);
        let found = ridge.fit(&Dataset::new(x, y)).map_err(|e| bad(&e))?;
        let single = |values: &mut dyn Iterator<Item = &f64>| values.map(|&v| v as f32).collect::<Vec<f32>>();
        let weights = single(&mut found.hyperplane().iter());
        let mean = single(&mut mean.iter());
        if !weights.iter().chain(&mean).all(|v| v.is_finite()) {
            return Err(ColdError::Regression { reason: "its weights are not finite".to_owned() });
        }
        Ok(Self { reduction, rank, weights, mean })
    }

    /// Length of a factor vector.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The factors to expect of what has the terms `vector` (of [`ContentIndex::item`] or [`ContentIndex::vector`]); the mean
    /// if it says nothing. Cost `O((terms + rank)·dims)`.
    pub fn factors(&self, vector: &[(u32, f32)]) -> Vec<f32> {
        let mut reduced = vec![0f32; self.reduction.dims()];
        self.reduction.project(vector.iter().copied(), &mut reduced);
        let mut out = self.mean.clone();
        for (x, weights) in reduced.iter().zip(self.weights.chunks_exact(self.rank)) {
            out.iter_mut().zip(weights).for_each(|(out, w)| *out += x * w);
        }
        out
    }

    /// Puts expected factors in place of those of the given items: `(n_items, rank)` row-major, items beyond it are passed
    /// over.
    pub fn fill(&self, index: &ContentIndex, items: &[u32], factors: &mut [f32]) {
        for &item in items {
            let from = (item as usize).saturating_mul(self.rank);
            if let Some(row) = factors.get_mut(from..from.saturating_add(self.rank)) {
                row.copy_from_slice(&self.factors(index.item(item)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::{ContentParams, ItemText};
    use super::*;

    const THEMES: [&str; 3] = ["phone screen battery", "shoe sole lace", "novel page author"];

    fn index() -> (Vec<String>, ContentIndex) {
        let titles: Vec<String> = (0..60).map(|i| format!("{} no{}", THEMES[i % 3], i / 3)).collect();
        let items: Vec<ItemText<'_>> =
            titles.iter().map(|title| ItemText { title, ..ItemText::default() }).collect();
        let index = ContentIndex::fit(&items, &ContentParams::default());
        (titles, index)
    }

    /// Factors that say the theme.
    fn factors(trained: &[u32]) -> Array2<f32> {
        Array2::from_shape_fn((trained.len(), 3), |(row, k)| {
            f32::from(u8::from(trained[row] as usize % 3 == k))
        })
    }

    #[test]
    fn unseen_items_get_the_factors_of_their_kind() {
        let (_, index) = index();
        let trained: Vec<u32> = (0..45).collect();
        let params = ColdParams::new(8, 1e-4, 1).unwrap();
        let cold = ColdItems::fit(&index, &trained, factors(&trained).view(), &[1.0; 45], &params).unwrap();
        for item in 45..60u32 {
            let found = cold.factors(index.item(item));
            let expected = factors(&[item]);
            assert!(found.iter().zip(expected.iter()).all(|(f, e)| (f - e).abs() < 0.1), "{item}: {found:?}");
        }
        let mut all = vec![9.0; 60 * 3];
        cold.fill(&index, &[59, 60, u32::MAX], &mut all);
        assert!((all[59 * 3 + 2] - 1.0).abs() < 0.1 && all[58 * 3] == 9.0);
        let nothing = cold.factors(&[]);
        assert!(nothing.iter().all(|x| x.is_finite()) && cold.factors(&[(u32::MAX, 1.0)]) == nothing);
    }

    #[test]
    fn what_cannot_be_learned_from_is_an_error() {
        let (_, index) = index();
        let params = ColdParams::new(8, 1e-4, 1).unwrap();
        let fit = |trained: &[u32], factors: Array2<f32>| {
            ColdItems::fit(&index, trained, factors.view(), &vec![1.0; trained.len()], &params)
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(fit(&[0, 1], factors(&[0])), ColdError::Shape { factors: 1, weights: 2, trained: 2 });
        assert_eq!(fit(&[7], Array2::from_elem((1, 3), f32::NAN)), ColdError::NotFinite { item: 7 });
        assert_eq!(fit(&[], Array2::zeros((0, 3))), ColdError::Nothing);
        assert_eq!(fit(&[999], factors(&[999])), ColdError::Nothing);
        assert_eq!(fit(&[1], Array2::zeros((1, 0))), ColdError::Nothing);
        for weight in [f32::NAN, -1.0, f32::INFINITY] {
            let error = ColdItems::fit(&index, &[1], factors(&[1]).view(), &[weight], &params).unwrap_err();
            assert_eq!(error, ColdError::NotFinite { item: 1 });
        }
        let one = ColdItems::fit(&index, &[1], factors(&[1]).view(), &[1.0], &params).unwrap();
        assert!(one.factors(index.item(1)).iter().all(|x| x.is_finite()));
        let message = |r: Result<ColdParams, BadParam>| r.unwrap_err().to_string();
        assert_eq!(message(ColdParams::new(0, 1.0, 0)), "cold.dims is 0, expected 1 to 512");
        assert_eq!(
            message(ColdParams::new(1, f64::NAN, 0)),
            "cold.regularization is NaN, expected 1e-9 to 1e3"
        );
    }
}
