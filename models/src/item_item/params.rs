//! What shapes the neighbours of items.

use crate::collab::Similarity;
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`Neighbours::fit`](super::Neighbours::fit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemItemParams {
    pub(super) k: usize,
    pub(super) shrinkage: f64,
    pub(super) user_exponent: f64,
    pub(super) target_exponent: f64,
    pub(super) user_items_max: usize,
    pub(super) near_places: f64,
    pub(super) far_weight: f64,
    pub(super) similarity: Similarity,
}

impl ItemItemParams {
    /// - `k`: neighbours kept per item, 1 to 1000
    /// - `shrinkage`: users; a similarity seen in `n` users counts `n / (n + shrinkage)`, 0 to 1e6
    /// - `user_exponent`: a user with `n` items counts `n^-exponent`, 0 (all alike) to 2
    /// - `target_exponent`: share of the normalisation borne by the recommended item; 0.5 is the cosine, less favours
    ///   popular neighbours, 0 to 1
    /// - `user_items_max`: only that many of a user's strongest items are paired, 2 to 100000: bounds the cost, which
    ///   grows with the square of it
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        k: usize,
        shrinkage: f64,
        user_exponent: f64,
        target_exponent: f64,
        user_items_max: usize,
    ) -> Result<Self, BadParam> {
        let within = |x: f64, max: f64| (0.0..=max).contains(&x);
        Ok(Self {
            k: check("item_item.k", k, (1..=1000).contains(&k), "1 to 1000")?,
            shrinkage: check("item_item.shrinkage", shrinkage, within(shrinkage, 1e6), "0 to 1e6")?,
            user_exponent: check(
                "item_item.user_exponent",
                user_exponent,
                within(user_exponent, 2.0),
                "0 to 2",
            )?,
            target_exponent: check(
                "item_item.target_exponent",
                target_exponent,
                within(target_exponent, 1.0),
                "0 to 1",
            )?,
            user_items_max: check(
                "item_item.user_items_max",
                user_items_max,
                (2..=100_000).contains(&user_items_max),
                "2 to 100000",
            )?,
            near_places: 1.0,
            far_weight: 1.0,
            similarity: Similarity::Cosine,
        })
    }

    /// Lets what a user turned to at about the same time count more: a pair that lies `d` places apart in the user's
    /// history counts `far_weight + (1 - far_weight) 2^(-d / near_places)`. The rows of the training data must be in
    /// the order of time. Without this call, places do not count.
    /// - `near_places`: 0.1 to 100; `far_weight`: 0 to 1, 1 is as without
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn with_proximity(self, near_places: f64, far_weight: f64) -> Result<Self, BadParam> {
        let (near, far) = ((0.1..=100.0).contains(&near_places), (0.0..=1.0).contains(&far_weight));
        Ok(Self {
            near_places: check("item_item.near_places", near_places, near, "0.1 to 100")?,
            far_weight: check("item_item.far_weight", far_weight, far, "0 to 1")?,
            ..self
        })
    }

    /// Takes another formula than the (damped) cosine. Jaccard and Pearson are the textbook's, over all or the shared users;
    /// of the dampers only `shrinkage` and `user_items_max` apply to them.
    pub fn with_similarity(self, similarity: Similarity) -> Self {
        Self { similarity, ..self }
    }

    /// Neighbours kept per item.
    pub fn k(&self) -> usize {
        self.k
    }
}

impl Default for ItemItemParams {
    fn default() -> Self {
        Self {
            k: 200,
            shrinkage: 0.0,
            user_exponent: 0.5,
            target_exponent: 0.5,
            user_items_max: 1000,
            near_places: 1.0,
            far_weight: 1.0,
            similarity: Similarity::Cosine,
        }
    }
}

impl Tunable for ItemItemParams {
    /// The places only matter where rows are in the order of time. Not searched, but taken from a point: `user_items_max`, and
    /// `similarity` (0 cosine, 1 Jaccard, 2 Pearson; Pearson has no value where all strengths are alike).
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "k", range: Range::Choice(&[50.0, 100.0, 200.0, 500.0]) },
        Dimension { name: "shrinkage", range: Range::Choice(&[0.0, 1.0, 3.0, 10.0, 30.0]) },
        Dimension { name: "user_exponent", range: Range::Linear(0.0, 1.2) },
        Dimension { name: "target_exponent", range: Range::Linear(0.1, 0.9) },
        Dimension { name: "near_places", range: Range::Log(1.0, 100.0) },
        Dimension { name: "far_weight", range: Range::Linear(0.0, 1.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let similarity = get("similarity", 0.0);
        let made = Self::new(
            get("k", d.k as f64) as usize,
            get("shrinkage", d.shrinkage),
            get("user_exponent", d.user_exponent),
            get("target_exponent", d.target_exponent),
            get("user_items_max", d.user_items_max as f64) as usize,
        )?;
        let made = made.with_proximity(get("near_places", d.near_places), get("far_weight", d.far_weight))?;
        Ok(made.with_similarity(match similarity {
            0.0 => Similarity::Cosine,
            1.0 => Similarity::Jaccard,
            2.0 => Similarity::Pearson,
            _ => {
                check("item_item.similarity", similarity, false, "0 (cosine), 1 (Jaccard) or 2 (Pearson)")?;
                Similarity::Cosine
            }
        }))
    }
}
