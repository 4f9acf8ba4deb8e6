//! How much each field of an item says.

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`ContentIndex`](super::ContentIndex).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContentParams {
    pub(super) title: f32,
    pub(super) category: f32,
    pub(super) brand: f32,
    pub(super) tags: f32,
    pub(super) description: f32,
    pub(super) price: f32,
    pub(super) strength_exponent: f64,
    pub(super) items_per_term_max: u32,
}

/// Weights of the fields of an item, unitless, 0 (not read) to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldWeights {
    pub title: f64,
    pub category: f64,
    pub brand: f64,
    pub tags: f64,
    pub description: f64,
    pub price: f64,
}

impl ContentParams {
    /// - `weights`: of the fields; at least one above 0
    /// - `strength_exponent`: in a profile an item of strength `s` counts `s^exponent`, 0 (all alike) to 2
    /// - `items_per_term_max`: a term of more items says nothing and is left out, 1 to 2^32 - 1: bounds the cost of a
    ///   query and of an upsert
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    ///
    /// ```
    /// use shoptide_models::content::{ContentParams, FieldWeights};
    /// let bad = FieldWeights { tags: -1.0, ..FieldWeights::default() };
    /// let error = ContentParams::new(bad, 1.0, 1000).unwrap_err();
    /// assert_eq!(error.to_string(), "content.tags is -1, expected 0 to 100");
    /// ```
    pub fn new(
        weights: FieldWeights,
        strength_exponent: f64,
        items_per_term_max: u32,
    ) -> Result<Self, BadParam> {
        let FieldWeights { title, category, brand, tags, description, price } = weights;
        let weight = |key, x: f64| check(key, x, (0.0..=100.0).contains(&x), "0 to 100").map(|x| x as f32);
        let sum = title + category + brand + tags + description + price;
        let made = Self {
            title: weight("content.title", title)?,
            category: weight("content.category", category)?,
            brand: weight("content.brand", brand)?,
            tags: weight("content.tags", tags)?,
            description: weight("content.description", description)?,
            price: weight("content.price", price)?,
            strength_exponent: check(
                "content.strength_exponent",
                strength_exponent,
                (0.0..=2.0).contains(&strength_exponent),
                "0 to 2",
            )?,
            items_per_term_max: check(
                "content.items_per_term_max",
                items_per_term_max,
                1 <= items_per_term_max,
                "1 to 4294967295",
            )?,
        };
        check("content.weights", sum, 0.0 < sum, "one above 0")?;
        Ok(made)
    }
}

impl Default for FieldWeights {
    fn default() -> Self {
        Self { title: 1.0, category: 1.0, brand: 1.0, tags: 1.0, description: 0.3, price: 0.3 }
    }
}

impl Default for ContentParams {
    fn default() -> Self {
        Self {
            title: 1.0,
            category: 1.0,
            brand: 1.0,
            tags: 1.0,
            description: 0.3,
            price: 0.3,
            strength_exponent: 0.5,
            items_per_term_max: 100_000,
        }
    }
}

impl Tunable for ContentParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "title", range: Range::Linear(0.0, 3.0) },
        Dimension { name: "category", range: Range::Linear(0.0, 3.0) },
        Dimension { name: "brand", range: Range::Linear(0.0, 3.0) },
        Dimension { name: "tags", range: Range::Linear(0.0, 3.0) },
        Dimension { name: "description", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "price", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "strength_exponent", range: Range::Linear(0.0, 2.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let of = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let d = FieldWeights::default();
        let weights = FieldWeights {
            title: of("title", d.title),
            category: of("category", d.category),
            brand: of("brand", d.brand),
            tags: of("tags", d.tags),
            description: of("description", d.description),
            price: of("price", d.price),
        };
        let max = of("items_per_term_max", 100_000.0);
        let max = check("content.items_per_term_max", max, (1.0..=4e9).contains(&max), "1 to 4294967295")?;
        Self::new(weights, of("strength_exponent", 0.5), max as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_named() {
        let message = |r: Result<ContentParams, BadParam>| r.unwrap_err().to_string();
        let d = FieldWeights::default();
        for (weights, exponent, max, text) in [
            (FieldWeights { title: f64::NAN, ..d }, 1.0, 1, "content.title is NaN, expected 0 to 100"),
            (FieldWeights { price: 101.0, ..d }, 1.0, 1, "content.price is 101, expected 0 to 100"),
            (d, 2.5, 1, "content.strength_exponent is 2.5, expected 0 to 2"),
            (d, 1.0, 0, "content.items_per_term_max is 0, expected 1 to 4294967295"),
        ] {
            assert_eq!(message(ContentParams::new(weights, exponent, max)), text);
        }
        let none =
            FieldWeights { title: 0.0, category: 0.0, brand: 0.0, tags: 0.0, description: 0.0, price: 0.0 };
        assert_eq!(message(ContentParams::new(none, 1.0, 1)), "content.weights is 0, expected one above 0");
    }

    #[test]
    fn an_empty_point_is_the_default() {
        assert_eq!(ContentParams::at(&Point::new()).unwrap(), ContentParams::default());
        assert!(ContentParams::at(&Point::from([("title".to_owned(), -1.0)])).is_err());
    }
}
