//! What a message asks for. All texts are keys: of the built-in dictionary (`phone`, `noise_cancelling`, `girlfriend`) or names of the shop's
//! catalogue, folded; so the same wish has the same words whatever language it came in.

use serde::{Deserialize, Serialize};
use shoptide_schemas::{Currency, Micros};

/// Values of one slot beyond this many are passed over: nobody says more, and each is compared with every candidate.
pub const VALUES_MAX: usize = 16;
/// Characters of one value.
pub const VALUE_CHARS_MAX: usize = 64;
/// Pieces that may be asked for.
pub const QUANTITY_MAX: u32 = 1_000;

/// What the shopper wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Products for conditions.
    Find,
    /// The conditions of before, changed.
    Refine,
    /// Two or more products, brands or properties weighed.
    Compare,
    /// Something like a product.
    Similar,
    /// What a product is like.
    AskProduct,
    AskPriceHistory,
    /// Delivery, returns, payment, membership: what the FAQ answers.
    OrderOrService,
    /// The month's budget: what is left of it, or setting it.
    Budget,
    /// What the shopper thinks of a product.
    Feedback,
    SmallTalk,
    OutOfScope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Chinese,
    English,
}

/// An order of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    PriceAsc,
    PriceDesc,
    Rating,
    Popularity,
    Newest,
    Value,
    Discount,
    /// Cheaper than what was shown, or than the product referred to.
    Cheaper,
    /// Dearer, "something better".
    Dearer,
}

/// Something shown before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The nth of the list, from 1.
    Nth(u8),
    /// The first n.
    FirstN(u8),
    Last,
    /// The one spoken of.
    It,
    /// All of them.
    These,
    Cheapest,
    Dearest,
    BestRated,
    /// Not the one spoken of.
    Other,
}

/// Money as it was said. Bounds are inclusive; `min <= max` always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceRange {
    #[serde(default, with = "serde_micros", skip_serializing_if = "Option::is_none")]
    pub min: Option<Micros>,
    #[serde(default, with = "serde_micros", skip_serializing_if = "Option::is_none")]
    pub max: Option<Micros>,
    #[serde(default, with = "serde_micros", skip_serializing_if = "Option::is_none")]
    pub about: Option<Micros>,
    /// Nothing if none was named: the shop's own.
    #[serde(default, with = "serde_currency", skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

/// A price that was said and cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceProblem {
    /// `0元`: nothing costs that.
    Zero,
    /// `预算-5`.
    Negative,
    /// Ten digits or more.
    TooLarge,
    /// The lower bound was above the upper one; they were swapped.
    Swapped,
}

/// The slots that can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    Budget,
    Brands,
    Category,
    Features,
    Whom,
    Occasion,
    Sort,
    /// All of them.
    All,
}

/// What a message says, slot by slot. Lists are bounded by [`VALUES_MAX`], in order of appearance, without repeats.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slots {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_problem: Option<PriceProblem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brands: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brands_excluded: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features_excluded: Vec<String>,
    /// Two or more; one is not said, it is grammar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub whom: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub occasions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Numbers of catalogue items that were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<SlotKind>,
    /// More of the same was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// What goes with a product was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// Words that no slot holds, for the full-text search.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// How a product was liked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    Like,
    Dislike,
    Bought,
}

/// A message, understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understood {
    pub intent: Intent,
    pub slots: Slots,
    /// Nothing if the message has no word of either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// With [`Intent::Feedback`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opinion: Option<Opinion>,
}

impl Slots {
    /// Whether it says anything that narrows a search.
    pub fn narrows(&self) -> bool {
        self.price.is_some()
            || self.category.is_some()
            || !self.brands.is_empty()
            || !self.brands_excluded.is_empty()
            || !self.features.is_empty()
            || !self.features_excluded.is_empty()
            || !self.whom.is_empty()
            || !self.occasions.is_empty()
            || self.sort.is_some()
            || self.quantity.is_some()
    }
}

/// Adds a value to a list of a slot, within the bounds.
pub(crate) fn push<T: PartialEq>(to: &mut Vec<T>, value: T) {
    if to.len() < VALUES_MAX && !to.contains(&value) {
        to.push(value);
    }
}

pub(crate) mod serde_micros {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use shoptide_schemas::Micros;

    pub fn serialize<S: Serializer>(value: &Option<Micros>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|m| m.0).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Micros>, D::Error> {
        Ok(Option::<i64>::deserialize(from)?.map(Micros))
    }
}

pub(crate) mod serde_currency {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use shoptide_schemas::Currency;

    pub fn serialize<S: Serializer>(value: &Option<Currency>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|c| c.to_string()).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Currency>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|t| Currency::parse(&t).map_err(|e| D::Error::custom(e.message))).transpose()
    }
}
