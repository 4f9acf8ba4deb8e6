//! Which items are wanted beside what the words say, and in which order.

use super::facts::{Fact, Facts};
use super::key::Key;

/// As asked for, already checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A category, or the beginning of one up to a `/`.
    pub category: Option<String>,
    /// However it is capitalised.
    pub brand: Option<String>,
    /// Micro-units of the shop's currency; an item without a price in it does not pass a bound.
    pub price_min: Option<i64>,
    pub price_max: Option<i64>,
    /// Whether items that are sold out come too.
    pub sold_out_too: bool,
}

/// [`Wanted`] in numbers of one [`Facts`].
#[derive(Debug, Clone)]
pub struct Filter {
    /// By category number; empty if any will do.
    categories: Vec<bool>,
    /// The number, [`NO_BRAND`] if no item has the brand.
    brand: Option<u32>,
    price: Option<(i64, i64)>,
    sold_out_too: bool,
}

/// A brand that no item has.
const NO_BRAND: u32 = u32::MAX;

/// Which of the conditions with a facet of their own an item meets. A facet counts what meets all the others: beside a chosen
/// brand stands how many there are of the brands that were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meets {
    pub category: bool,
    pub brand: bool,
    pub price: bool,
}

impl Filter {
    /// Cost: a comparison for each category.
    pub fn new(wanted: &Wanted, facts: &Facts) -> Self {
        let within = |name: &str, wanted: &str| {
            name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let categories = wanted.category.as_deref().map(|wanted| {
            (0..facts.n_categories()).map(|number| within(facts.category_name(number), wanted)).collect()
        });
        let bounded = wanted.price_min.is_some() || wanted.price_max.is_some();
        Self {
            categories: categories.unwrap_or_default(),
            brand: wanted.brand.as_deref().map(|brand| facts.brand(brand).unwrap_or(NO_BRAND)),
            price: bounded.then(|| (wanted.price_min.unwrap_or(0), wanted.price_max.unwrap_or(i64::MAX))),
            sold_out_too: wanted.sold_out_too,
        }
    }

    /// `None` if the item must not be shown at all.
    pub(super) fn meets(&self, fact: &Fact) -> Option<Meets> {
        if !fact.listable || !(fact.in_stock || self.sold_out_too) {
            return None;
        }
        let priced =
            |(min, max): (i64, i64)| fact.price.is_some_and(|price| (min..=max).contains(&price.micros()));
        Some(Meets {
            category: self.categories.is_empty()
                || self.categories.get(fact.category as usize).copied().unwrap_or(false),
            brand: self.brand.is_none_or(|brand| brand == fact.brand),
            price: self.price.is_none_or(priced),
        })
    }
}

/// In which order items come. A personal order is made from the first of [`Order::Relevance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// What the words say most for; of equals what is popular, then what has the shorter title, then what is new.
    Relevance,
    /// Cheapest first; what has no price in the shop's currency comes last.
    Price,
    /// Best rated first, by [`crate::rated::RatingSum::rank`]; what nobody has rated comes last.
    Rating,
}

impl Order {
    /// - `fact`: that of `number` in `facts`
    /// - `points`: what the words say for the item; 0 without words
    pub(super) fn key(self, facts: &Facts, number: u32, points: u32, fact: &Fact) -> Key {
        let rank = match self {
            Order::Relevance => {
                // Without words there is nothing that a short title would be nearer to.
                let brevity = if points == 0 { 0 } else { u8::MAX - fact.title_chars };
                u64::from(points) << 16 | u64::from(facts.popularity(number)) << 8 | u64::from(brevity)
            }
            Order::Price => fact.price.map_or(0, |price| u64::MAX - price.micros().unsigned_abs()),
            Order::Rating => facts.rating(number).rank(),
        };
        Key { rank, number }
    }
}
