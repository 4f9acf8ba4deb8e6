//! What shapes EASE, dense or sparse.

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`Ease`](super::Ease).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EaseParams {
    pub(super) regularization: f64,
    pub(super) dropout: f64,
    pub(super) user_exponent: f64,
    pub(super) item_exponent: f64,
}

impl EaseParams {
    /// - `regularization` (λ): above 0, 1e-3 to 1e6; larger for larger data
    /// - `dropout` (p): share of the diagonal that regularises too, `Λ = λ + p/(1-p) diag(XᵀX)`, as if that share of each
    ///   user's items were dropped in training (Steck, *Autoencoders that don't overfit towards the identity*, 2020), 0 to 0.95
    /// - `user_exponent`: a user of `n` items counts `n^-exponent` in `XᵀX`, 0 (as published) to 2
    /// - `item_exponent`: columns of `X` are scaled by `(their sum)^-exponent` for the solution and back for the scores,
    ///   0 (as published) to 1
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        regularization: f64,
        dropout: f64,
        user_exponent: f64,
        item_exponent: f64,
    ) -> Result<Self, BadParam> {
        let regularization_ok = (1e-3..=1e6).contains(&regularization);
        let (dropout_ok, user_ok) = ((0.0..=0.95).contains(&dropout), (0.0..=2.0).contains(&user_exponent));
        let item_ok = (0.0..=1.0).contains(&item_exponent);
        Ok(Self {
            regularization: check("ease.regularization", regularization, regularization_ok, "1e-3 to 1e6")?,
            dropout: check("ease.dropout", dropout, dropout_ok, "0 to 0.95")?,
            user_exponent: check("ease.user_exponent", user_exponent, user_ok, "0 to 2")?,
            item_exponent: check("ease.item_exponent", item_exponent, item_ok, "0 to 1")?,
        })
    }

    /// What is added to a diagonal entry `g` of `XᵀX`.
    pub(super) fn ridge(&self, g: f64) -> f64 {
        self.regularization + self.dropout / (1.0 - self.dropout) * g
    }
}

impl Default for EaseParams {
    fn default() -> Self {
        Self { regularization: 200.0, dropout: 0.0, user_exponent: 0.0, item_exponent: 0.0 }
    }
}

impl Tunable for EaseParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "regularization", range: Range::Log(1.0, 2000.0) },
        Dimension { name: "dropout", range: Range::Choice(&[0.0, 0.2, 0.4, 0.6]) },
        Dimension { name: "user_exponent", range: Range::Linear(0.0, 1.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(
            get("regularization", d.regularization),
            get("dropout", d.dropout),
            get("user_exponent", d.user_exponent),
            get("item_exponent", d.item_exponent),
        )
    }
}

/// Checked parameters of [`fit_sparse_ease`](super::fit_sparse_ease).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparseEaseParams {
    pub(super) ease: EaseParams,
    pub(super) neighbours: usize,
}

impl SparseEaseParams {
    /// - `ease`: the model that is approximated
    /// - `neighbours`: items among which each item is solved for, 1 to 1000: bounds memory and, with its cube, time
    ///
    /// # Errors
    /// [`BadParam`] naming what is out of bounds.
    pub fn new(ease: EaseParams, neighbours: usize) -> Result<Self, BadParam> {
        let ok = (1..=1000).contains(&neighbours);
        Ok(Self { ease, neighbours: check("sparse_ease.neighbours", neighbours, ok, "1 to 1000")? })
    }
}

impl Default for SparseEaseParams {
    fn default() -> Self {
        Self { ease: EaseParams { regularization: 20.0, ..EaseParams::default() }, neighbours: 100 }
    }
}

impl Tunable for SparseEaseParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "regularization", range: Range::Log(0.3, 300.0) },
        Dimension { name: "user_exponent", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "item_exponent", range: Range::Linear(0.0, 0.5) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let ease = EaseParams::new(
            get("regularization", d.ease.regularization),
            get("dropout", d.ease.dropout),
            get("user_exponent", d.ease.user_exponent),
            get("item_exponent", d.ease.item_exponent),
        )?;
        Self::new(ease, get("neighbours", d.neighbours as f64) as usize)
    }
}
