//! What a shopper asked for, and what is known of them, as the score reads it.

use std::collections::{BTreeMap, BTreeSet};

use shoptide_schemas::{Currency, Micros};

use crate::catalogue::Catalogue;
use crate::content::{levels, tokeniser};
use crate::state::Tastes;

/// What the query says of the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceWish {
    /// Between the two, either may be open. If they are the wrong way round they are swapped.
    Between {
        min: Option<Micros>,
        max: Option<Micros>,
        currency: Currency,
    },
    About {
        price: Micros,
        currency: Currency,
    },
}

/// A query, as intent analysis understood it. Everything is optional; texts are compared without case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wishes {
    pub price: Option<PriceWish>,
    /// A category of the catalogue, `technology/phone`.
    pub category: Option<String>,
    pub brands_wanted: Vec<String>,
    pub brands_excluded: Vec<String>,
    /// Each a word or a few: `降噪`, `long battery life`.
    pub features_wanted: Vec<String>,
    pub features_excluded: Vec<String>,
}

/// Wishes made ready to be compared with many products.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PreparedWishes {
    pub(super) price: Option<PriceWish>,
    pub(super) category: Option<String>,
    pub(super) brands_wanted: BTreeSet<String>,
    pub(super) brands_excluded: BTreeSet<String>,
    pub(super) features_wanted: Vec<Feature>,
    pub(super) features_excluded: Vec<Feature>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Feature {
    pub text: String,
    pub terms: BTreeSet<String>,
}

/// Wishes of one kind beyond this many are passed over: nobody types more, and each is compared with every product.
pub const WISHES_MAX: usize = 32;

pub(super) fn plain(text: &str) -> String {
    text.trim().to_lowercase()
}

impl From<&Wishes> for PreparedWishes {
    fn from(wishes: &Wishes) -> Self {
        let names = |texts: &[String]| {
            texts.iter().take(WISHES_MAX).map(|t| plain(t)).filter(|t| !t.is_empty()).collect()
        };
        let features = |texts: &[String]| {
            let made = texts.iter().take(WISHES_MAX).map(|text| Feature {
                text: text.clone(),
                terms: tokeniser().terms(text).into_iter().collect(),
            });
            made.filter(|f| !f.terms.is_empty()).collect()
        };
        Self {
            price: wishes.price,
            category: wishes
                .category
                .as_deref()
                .map(|c| plain(c.trim_matches('/')))
                .filter(|c| !c.is_empty()),
            brands_wanted: names(&wishes.brands_wanted),
            brands_excluded: names(&wishes.brands_excluded),
            features_wanted: features(&wishes.features_wanted),
            features_excluded: features(&wishes.features_excluded),
        }
    }
}

/// What is known of a user, for scoring products.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TasteProfile {
    /// By brand, without case: -1 (refuses) to 1 (the favourite).
    pub brands: BTreeMap<String, f32>,
    /// By category and every category it lies in, without case: -1 to 1.
    pub categories: BTreeMap<String, f32>,
    /// By widest category and currency: the usual price.
    pub prices: BTreeMap<(String, Currency), Micros>,
}

impl TasteProfile {
    /// Sums a user's strengths by brand and category, each over the greatest of its kind; the usual price is the mean
    /// logarithm over the items liked, by strength.
    pub fn of(tastes: &Tastes<'_>, catalogue: &Catalogue) -> Self {
        let (mut brands, mut categories) = (BTreeMap::<String, f32>::new(), BTreeMap::<String, f32>::new());
        let mut logs = BTreeMap::<(String, Currency), (f64, f64)>::new();
        for taste in tastes.items.iter().filter(|t| t.strength.is_finite()) {
            let Some((_, item)) = catalogue.number(taste.item).and_then(|n| catalogue.row(n)) else {
                continue;
            };
            let brand = plain(&item.brand);
            if !brand.is_empty() {
                *brands.entry(brand).or_default() += taste.strength;
            }
            let category = plain(&item.category);
            for level in levels(&category) {
                *categories.entry(level.to_owned()).or_default() += taste.strength;
            }
            if let (Some((price, currency)), true) =
                (item.price.filter(|(p, _)| 0 < p.0), 0.0 < taste.strength)
            {
                let widest = levels(&category).next().unwrap_or("").to_owned();
                let sum = logs.entry((widest, currency)).or_default();
                sum.0 += f64::from(taste.strength) * (price.0 as f64).ln();
                sum.1 += f64::from(taste.strength);
            }
        }
        let usual = |(sum, weight): (f64, f64)| Micros((sum / weight).exp().round() as i64);
        Self {
            brands: scaled(brands),
            categories: scaled(categories),
            prices: logs.into_iter().map(|(key, sums)| (key, usual(sums))).collect(),
        }
    }
}

/// Each value over the greatest magnitude.
fn scaled(mut values: BTreeMap<String, f32>) -> BTreeMap<String, f32> {
    let greatest = values.values().fold(0f32, |m, v| m.max(v.abs()));
    if 0.0 < greatest && greatest.is_finite() {
        values.values_mut().for_each(|v| *v /= greatest);
    } else {
        values.clear();
    }
    values
}
