//! How much each part of the score counts.

use crate::params::{BadParam, check};
use crate::rated::{PRIOR_COUNT, PRIOR_MEAN};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`score`](super::score).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreParams {
    pub(super) weights: [f32; 9],
    pub(super) rating_prior: f32,
    pub(super) rating_prior_count: f32,
    pub(super) comfortable_share: f32,
}

/// Weights of the parts, 0 (does not count) to 100; only their ratios matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartWeights {
    pub price: f64,
    pub brand: f64,
    pub features: f64,
    pub text: f64,
    pub rating: f64,
    pub popularity: f64,
    pub profile: f64,
    pub liking: f64,
    pub budget: f64,
}

impl Default for PartWeights {
    fn default() -> Self {
        Self {
            price: 2.0,
            brand: 1.5,
            features: 3.0,
            text: 2.0,
            rating: 1.0,
            popularity: 0.5,
            profile: 1.0,
            liking: 1.0,
            budget: 1.0,
        }
    }
}

impl ScoreParams {
    /// - `weights` of the parts, at least one above 0
    /// - `rating_prior`: what an unrated product is taken for, 0 to 5
    /// - `rating_prior_count`: so many ratings that is worth, above 0 to 1e6
    /// - `comfortable_share`: of the month's budget left, which a product may cost without counting against it, 0 to 1
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        weights: PartWeights,
        rating_prior: f64,
        rating_prior_count: f64,
        comfortable_share: f64,
    ) -> Result<Self, BadParam> {
        let PartWeights { price, brand, features, text, rating, popularity, profile, liking, budget } =
            weights;
        let weight = |key, x: f64| check(key, x, (0.0..=100.0).contains(&x), "0 to 100").map(|x| x as f32);
        let weights = [
            weight("score.price", price)?,
            weight("score.brand", brand)?,
            weight("score.features", features)?,
            weight("score.text", text)?,
            weight("score.rating", rating)?,
            weight("score.popularity", popularity)?,
            weight("score.profile", profile)?,
            weight("score.liking", liking)?,
            weight("score.budget", budget)?,
        ];
        let sum: f32 = weights.iter().sum();
        check("score.weights", sum, 0.0 < sum, "one above 0")?;
        let (prior, count, share) = (rating_prior, rating_prior_count, comfortable_share);
        Ok(Self {
            weights,
            rating_prior: check("score.rating_prior", prior, (0.0..=5.0).contains(&prior), "0 to 5")? as f32,
            rating_prior_count: check(
                "score.rating_prior_count",
                count,
                (1e-3..=1e6).contains(&count),
                "above 0, 0.001 to 1000000",
            )? as f32,
            comfortable_share: check(
                "score.comfortable_share",
                share,
                (0.0..=1.0).contains(&share),
                "0 to 1",
            )? as f32,
        })
    }
}

impl Default for ScoreParams {
    fn default() -> Self {
        Self {
            weights: [2.0, 1.5, 3.0, 2.0, 1.0, 0.5, 1.0, 1.0, 1.0],
            rating_prior: PRIOR_MEAN,
            rating_prior_count: PRIOR_COUNT as f32,
            comfortable_share: 0.5,
        }
    }
}

impl Tunable for ScoreParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "price", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "brand", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "features", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "text", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "rating", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "popularity", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "profile", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "liking", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "budget", range: Range::Linear(0.0, 5.0) },
        Dimension { name: "rating_prior_count", range: Range::Log(1.0, 1000.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let of = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let d = PartWeights::default();
        let weights = PartWeights {
            price: of("price", d.price),
            brand: of("brand", d.brand),
            features: of("features", d.features),
            text: of("text", d.text),
            rating: of("rating", d.rating),
            popularity: of("popularity", d.popularity),
            profile: of("profile", d.profile),
            liking: of("liking", d.liking),
            budget: of("budget", d.budget),
        };
        Self::new(
            weights,
            of("rating_prior", f64::from(PRIOR_MEAN)),
            of("rating_prior_count", f64::from(PRIOR_COUNT)),
            of("comfortable_share", 0.5),
        )
    }
}
