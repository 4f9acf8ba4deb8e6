//! The item graph RP3beta: random walks of three steps, user - item - user - item, with popular ends held back.
//!
//! Cooper et al., *Random walks in recommender systems*, WWW 2014 (the exponent α on each step), and Paudel et al.,
//! *Updatable, accurate, diverse and scalable recommendations for interactive applications*, TiiS 2017 (the exponent β on
//! the end). Ferrari Dacrema et al. 2019 found it ahead of most neural models when tuned.

use std::borrow::Cow;

use crate::item_item::Neighbours;
use crate::matrix::Interactions;
use crate::params::{BadParam, check};
use crate::paths::{Paths, power};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`fit_rp3beta`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rp3BetaParams {
    alpha: f64,
    beta: f64,
    user_exponent: f64,
    k: usize,
}

impl Rp3BetaParams {
    /// - `alpha`: exponent of the step from an item to its users, 0 to 2; 1 is the plain walk
    /// - `beta`: the end of the walk is divided by (number of its users)^β, 0 to 2; 0 is P3alpha
    /// - `user_exponent`: exponent of the step from a user to their items, 0 to 2; the paper has α here too
    /// - `k`: neighbours kept per item, 1 to 10000
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(alpha: f64, beta: f64, user_exponent: f64, k: usize) -> Result<Self, BadParam> {
        let within = |x: f64| (0.0..=2.0).contains(&x);
        Ok(Self {
            alpha: check("rp3beta.alpha", alpha, within(alpha), "0 to 2")?,
            beta: check("rp3beta.beta", beta, within(beta), "0 to 2")?,
            user_exponent: check("rp3beta.user_exponent", user_exponent, within(user_exponent), "0 to 2")?,
            k: check("rp3beta.k", k, (1..=10_000).contains(&k), "1 to 10000")?,
        })
    }
}

impl Default for Rp3BetaParams {
    /// What is near the best on most sets.
    fn default() -> Self {
        Self { alpha: 0.5, beta: 0.4, user_exponent: 0.6, k: 500 }
    }
}

impl Tunable for Rp3BetaParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "alpha", range: Range::Linear(0.1, 1.1) },
        Dimension { name: "beta", range: Range::Linear(0.1, 0.8) },
        Dimension { name: "user_exponent", range: Range::Linear(0.1, 1.2) },
        Dimension { name: "k", range: Range::Choice(&[100.0, 300.0, 1000.0]) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let (alpha, beta) = (get("alpha", d.alpha), get("beta", d.beta));
        Self::new(alpha, beta, get("user_exponent", d.user_exponent), get("k", d.k as f64) as usize)
    }
}

/// Walks from every item and keeps where it most likely ends:
/// `W_ij = (s_i.)^-α (Σ_u s_ui s_uj (n_u)^-γ) (s_.j)^-β`, with `s_i.` the sum of an item's strengths and `n_u` the number of
/// a user's items. Strengths of 1 and `γ = α` give the published RP3beta.
///
/// Cost `O(Σ_u n_u²)` on all threads of the current rayon pool; the same bytes whatever their number.
pub fn fit_rp3beta(data: &Interactions, params: &Rp3BetaParams) -> Neighbours {
    let paths = Paths::new(Cow::Borrowed(data), params.user_exponent);
    let degree = |item: usize| paths.by_item.row(item).1.iter().map(|&s| f64::from(s)).sum::<f64>();
    let degrees: Vec<f64> = (0..paths.n_items()).map(degree).collect();
    let source: Vec<f32> = degrees.iter().map(|&d| power(d, -params.alpha) as f32).collect();
    let target: Vec<f32> = degrees.iter().map(|&d| power(d, -params.beta) as f32).collect();
    let rows = paths.best_rows(params.k, &source, &target);
    Neighbours::of_rows(params.k, &rows)
}
