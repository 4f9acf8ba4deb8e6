//! How well a product answers a query, for one user: price, brand, features, words, rating, popularity, profile, liking and budget, each a
//! number with its evidence, and one score over them. Pure arithmetic: the reasons are values, whoever shows them finds the words.
//!
//! `score = Σ weight · part / Σ weight` over the parts that apply: a part that nobody asked for, or of which nothing is
//! known, neither helps nor harms. What breaks an exclusion scores 0 and says which.

mod params;
mod parts;
#[cfg(test)]
mod tests;
mod wishes;

pub use params::{PartWeights, ScoreParams};
pub use wishes::{PreparedWishes, PriceWish, TasteProfile, WISHES_MAX, Wishes};

use std::collections::BTreeSet;

use shoptide_schemas::{Currency, Micros};

use crate::catalogue::CatalogueItem;

/// What others gave a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// 0 to 5.
    pub mean: f32,
    pub count: u32,
}

/// What is left to spend this month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Below 0 counts as 0.
    pub left: Micros,
    pub currency: Currency,
}

/// What is known of a product beside its row. Whatever is not there does not count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    pub rating: Option<Rating>,
    /// 0 to 1, the shop's most popular.
    pub popularity: Option<f32>,
    /// 0 to 1, what the user likes most of those that are scored.
    pub liking: Option<f32>,
    /// 0 to 1, the best found by the words of the query.
    pub text: Option<f32>,
    /// What the row says that it is and has, as keys. With them wished features are keys too, looked up instead of read.
    pub traits: Option<&'a BTreeSet<String>>,
}

/// What a score is made for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shopper<'a> {
    pub profile: Option<&'a TasteProfile>,
    pub budget: Option<Budget>,
}

/// The parts, in the order of [`ProductScore::parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Price,
    Brand,
    Features,
    /// The words of the query.
    Text,
    Rating,
    Popularity,
    Profile,
    /// What the user's own acts say, by the model.
    Liking,
    Budget,
}

impl PartKind {
    pub fn name(self) -> &'static str {
        match self {
            PartKind::Price => "price",
            PartKind::Brand => "brand",
            PartKind::Features => "features",
            PartKind::Text => "text",
            PartKind::Rating => "rating",
            PartKind::Popularity => "popularity",
            PartKind::Profile => "profile",
            PartKind::Liking => "liking",
            PartKind::Budget => "budget",
        }
    }
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorePart {
    pub kind: PartKind,
    /// 0 to 1.
    pub score: f32,
    /// Its share of the whole: those of all parts sum to 1.
    pub share: f32,
    pub reason: Reason,
}

/// Where a feature's words stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundIn {
    /// Title, tags, brand or category.
    Name,
    /// At least one of them only in the description.
    Description,
}

/// The evidence for a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    PriceWithin {
        price: Micros,
        min: Option<Micros>,
        max: Option<Micros>,
    },
    PriceAbove {
        price: Micros,
        max: Micros,
    },
    PriceBelow {
        price: Micros,
        min: Micros,
    },
    PriceNear {
        price: Micros,
        about: Micros,
    },
    NoPrice,
    OtherCurrency {
        price: Micros,
        currency: Currency,
        wished: Currency,
    },
    BrandWanted {
        brand: String,
    },
    BrandNotWanted {
        brand: String,
    },
    Features {
        found: Vec<(String, FoundIn)>,
        missing: Vec<String>,
    },
    /// Of the query's words.
    Said,
    Rated {
        mean: f32,
        count: u32,
    },
    Popular,
    Liked,
    /// Tastes are -1 to 1.
    Profile {
        brand: Option<(String, f32)>,
        category: Option<(String, f32)>,
        usual_price: Option<Micros>,
    },
    WithinBudget {
        left: Micros,
    },
    OverBudget {
        by: Micros,
    },
}

/// Why a product is no answer at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    Brand {
        brand: String,
    },
    Feature {
        feature: String,
    },
    /// It is of another category than the one asked for.
    Category {
        category: String,
    },
}

/// A product's score with all that went into it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductScore {
    /// 0 to 1; 0 if excluded, and if nothing is known and nothing was asked.
    pub score: f32,
    /// Those that apply, in the order of [`PartKind`].
    pub parts: Vec<ScorePart>,
    pub excluded: Option<Exclusion>,
}

/// Scores one product. Cost: tokenising its texts, if features are wished for and its traits are not known.
///
/// ```
/// use shoptide_models::catalogue::CatalogueItem;
/// use shoptide_models::product_score::*;
/// use shoptide_schemas::{Currency, Micros};
/// let cny = Currency(*b"CNY");
/// let phone = CatalogueItem {
///     title: "小米手机 快充".into(), brand: "小米".into(), category: "technology/phone".into(),
///     price: Some((Micros(1_999_000_000), cny)), ..CatalogueItem::default()
/// };
/// let wishes = Wishes {
///     price: Some(PriceWish::Between { min: None, max: Some(Micros(2_000_000_000)), currency: cny }),
///     features_wanted: vec!["快充".into()],
///     ..Wishes::default()
/// };
/// let found = score(&phone, Known::default(), &(&wishes).into(), Shopper::default(), &ScoreParams::default());
/// assert_eq!((found.score, found.parts.len()), (1.0, 2));
/// ```
pub fn score(
    item: &CatalogueItem,
    known: Known<'_>,
    wishes: &PreparedWishes,
    shopper: Shopper<'_>,
    params: &ScoreParams,
) -> ProductScore {
    let asked = !wishes.features_wanted.is_empty() || !wishes.features_excluded.is_empty();
    let texts = asked.then(|| match known.traits {
        Some(traits) => parts::ProductTexts::Traits(traits),
        None => parts::ProductTexts::Terms(parts::ProductTerms::of(item)),
    });
    if let Some(excluded) = exclusion(item, texts.as_ref(), wishes) {
        return ProductScore { score: 0.0, parts: Vec::new(), excluded: Some(excluded) };
    }
    let found = [
        (PartKind::Price, parts::price(item, wishes)),
        (PartKind::Brand, parts::brand(item, wishes)),
        (PartKind::Features, texts.as_ref().and_then(|t| parts::features(t, wishes))),
        (PartKind::Text, parts::given(known.text, Reason::Said)),
        (PartKind::Rating, parts::rating(known.rating, params)),
        (PartKind::Popularity, parts::given(known.popularity, Reason::Popular)),
        (PartKind::Profile, shopper.profile.and_then(|p| parts::profile(item, p))),
        (PartKind::Liking, parts::given(known.liking, Reason::Liked)),
        (PartKind::Budget, parts::budget(item, shopper.budget, params)),
    ];
    let weighed =
        || found.iter().zip(params.weights).filter(|((_, part), weight)| part.is_some() && 0.0 < *weight);
    let sum: f32 = weighed().map(|(_, weight)| weight).sum();
    let parts: Vec<ScorePart> = weighed()
        .filter_map(|((kind, part), weight)| {
            let (score, reason) = part.clone()?;
            Some(ScorePart { kind: *kind, score: score.clamp(0.0, 1.0), share: weight / sum, reason })
        })
        .collect();
    let score = parts.iter().map(|p| p.share * p.score).sum::<f32>().clamp(0.0, 1.0);
    ProductScore { score, parts, excluded: None }
}

fn exclusion(
    item: &CatalogueItem,
    texts: Option<&parts::ProductTexts<'_>>,
    wishes: &PreparedWishes,
) -> Option<Exclusion> {
    if wishes.brands_excluded.contains(&wishes::plain(&item.brand)) {
        return Some(Exclusion::Brand { brand: item.brand.clone() });
    }
    if let Some(wanted) = &wishes.category {
        let category = wishes::plain(&item.category);
        if !crate::content::levels(&category).any(|level| level == wanted) {
            return Some(Exclusion::Category { category: item.category.clone() });
        }
    }
    texts?.says_all(&wishes.features_excluded).map(|feature| Exclusion::Feature { feature })
}
