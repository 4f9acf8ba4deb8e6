//! The parts of the score: each a number 0 to 1 with the evidence for it, or nothing where it does not apply.

use std::collections::BTreeSet;

use shoptide_schemas::{Currency, Micros};

use super::params::ScoreParams;
use super::wishes::{Feature, PreparedWishes, PriceWish, TasteProfile, plain};
use super::{Budget, FoundIn, Rating, Reason};
use crate::catalogue::CatalogueItem;
use crate::content::{levels, tokeniser};

/// How far, as a logarithm, a price above what was wished is still near: a tenth dearer counts 0.4.
const ABOVE: f64 = 0.1;
/// The same below a minimum or about a wished price: less is forgiven more easily.
const BELOW: f64 = 0.4;
const ABOUT: f64 = 0.25;
/// The same from a user's usual price: 1.6 times as dear or as cheap counts 0.6.
const USUAL: f64 = 0.65;
/// Score of a price that takes all of the budget that is left.
const ALL_OF_BUDGET: f32 = 0.5;
/// A word found only in the description is weaker evidence than one in title, tags, brand or category.
const IN_DESCRIPTION: f32 = 0.8;

type Part = Option<(f32, Reason)>;

/// `exp(-(distance / width)²)`.
fn bell(distance: f64, width: f64) -> f32 {
    (-(distance / width).powi(2)).exp() as f32
}

fn log_ratio(price: Micros, to: Micros) -> f64 {
    (price.0.max(1) as f64).ln() - (to.0.max(1) as f64).ln()
}

/// 1 inside what was wished; outside a bell over the logarithm of the ratio to the bound. 0 without a price, and in
/// another currency, as nothing says that it fits.
pub(super) fn price(item: &CatalogueItem, wishes: &PreparedWishes) -> Part {
    let wish = wishes.price?;
    let (PriceWish::Between { currency: wished, .. } | PriceWish::About { currency: wished, .. }) = wish;
    let Some((price, currency)) = item.price else { return Some((0.0, Reason::NoPrice)) };
    if currency != wished {
        return Some((0.0, Reason::OtherCurrency { price, currency, wished }));
    }
    Some(match wish {
        PriceWish::About { price: about, .. } => {
            (bell(log_ratio(price, about), ABOUT), Reason::PriceNear { price, about })
        }
        PriceWish::Between { min, max, .. } => {
            let (min, max) = match (min, max) {
                (Some(min), Some(max)) if max < min => (Some(max), Some(min)),
                other => other,
            };
            match (min.filter(|m| price < *m), max.filter(|m| *m < price)) {
                (_, Some(max)) => (bell(log_ratio(price, max), ABOVE), Reason::PriceAbove { price, max }),
                (Some(min), _) => (bell(log_ratio(price, min), BELOW), Reason::PriceBelow { price, min }),
                _ => (1.0, Reason::PriceWithin { price, min, max }),
            }
        }
    })
}

/// 1 for a wanted brand, 0 for another; does not apply if none was wanted.
pub(super) fn brand(item: &CatalogueItem, wishes: &PreparedWishes) -> Part {
    if wishes.brands_wanted.is_empty() {
        return None;
    }
    let brand = item.brand.clone();
    Some(match wishes.brands_wanted.contains(&plain(&brand)) {
        true => (1.0, Reason::BrandWanted { brand }),
        false => (0.0, Reason::BrandNotWanted { brand }),
    })
}

/// The words of a product, by where they stand.
pub(super) struct ProductTerms {
    named: BTreeSet<String>,
    described: BTreeSet<String>,
}

impl ProductTerms {
    pub fn of(item: &CatalogueItem) -> Self {
        let mut named = BTreeSet::new();
        let fields = [item.title.as_str(), &item.brand, &item.category].into_iter();
        let fields = fields
            .chain(item.titles.values().map(String::as_str))
            .chain(item.tags.iter().map(String::as_str));
        for text in fields {
            tokeniser().each_term(text, &mut |term| {
                named.insert(term.to_owned());
            });
        }
        Self { named, described: tokeniser().terms(&item.description).into_iter().collect() }
    }

    /// Share of a feature's words that the product says, those of the description counting less; and where they stand.
    fn says(&self, feature: &Feature) -> (f32, FoundIn) {
        let named = feature.terms.iter().filter(|t| self.named.contains(*t)).count();
        let only_described =
            feature.terms.iter().filter(|t| !self.named.contains(*t) && self.described.contains(*t)).count();
        let share =
            (named as f32 + IN_DESCRIPTION * only_described as f32) / feature.terms.len().max(1) as f32;
        (share, if 0 < only_described { FoundIn::Description } else { FoundIn::Name })
    }

    /// Whether the product says every word.
    fn says_all(&self, feature: &Feature) -> bool {
        feature.terms.iter().all(|t| self.named.contains(t) || self.described.contains(t))
    }
}

/// What a product says: its words, or what was read of them before.
pub(super) enum ProductTexts<'a> {
    Terms(ProductTerms),
    Traits(&'a BTreeSet<String>),
}

impl ProductTexts<'_> {
    fn says(&self, feature: &Feature) -> (f32, FoundIn) {
        match self {
            Self::Terms(terms) => terms.says(feature),
            Self::Traits(traits) => (f32::from(u8::from(traits.contains(&feature.text))), FoundIn::Name),
        }
    }

    /// The first feature that the product has whole.
    pub fn says_all(&self, features: &[Feature]) -> Option<String> {
        let all = |f: &&Feature| match self {
            Self::Terms(terms) => terms.says_all(f),
            Self::Traits(traits) => traits.contains(&f.text),
        };
        features.iter().find(all).map(|f| f.text.clone())
    }
}

/// What somebody else has measured.
pub(super) fn given(score: Option<f32>, reason: Reason) -> Part {
    score.filter(|s| s.is_finite()).map(|s| (s.clamp(0.0, 1.0), reason))
}

/// The mean over the wanted features of the share of their words that the product says.
pub(super) fn features(texts: &ProductTexts<'_>, wishes: &PreparedWishes) -> Part {
    if wishes.features_wanted.is_empty() {
        return None;
    }
    let (mut sum, mut found, mut missing) = (0.0, Vec::new(), Vec::new());
    for feature in &wishes.features_wanted {
        let (share, at) = texts.says(feature);
        sum += share;
        match 0.5 <= share {
            true => found.push((feature.text.clone(), at)),
            false => missing.push(feature.text.clone()),
        }
    }
    Some((sum / wishes.features_wanted.len() as f32, Reason::Features { found, missing }))
}

/// `(count · mean + prior_count · prior) / (count + prior_count) / 5`: few ratings say little.
pub(super) fn rating(rating: Option<Rating>, params: &ScoreParams) -> Part {
    let Rating { mean, count } = rating.filter(|r| r.mean.is_finite() && 0 < r.count)?;
    let (n, prior) = (count as f32, params.rating_prior_count);
    let mean = mean.clamp(0.0, 5.0);
    let damped = (n * mean + prior * params.rating_prior) / (n + prior);
    Some((damped / 5.0, Reason::Rated { mean, count }))
}

/// The mean of what is known: taste for the brand and for the narrowest known category, each `(1 + taste) / 2`, and how
/// near the price is to the usual one, a bell over the logarithm of their ratio.
pub(super) fn profile(item: &CatalogueItem, profile: &TasteProfile) -> Part {
    let half = |taste: f32| if taste.is_finite() { (1.0 + taste.clamp(-1.0, 1.0)) / 2.0 } else { 0.5 };
    let brand_taste = profile.brands.get(&plain(&item.brand)).copied();
    let category = plain(&item.category);
    let known =
        levels(&category).filter_map(|l| profile.categories.get(l).map(|t| (l.to_owned(), *t))).last();
    let usual = item.price.and_then(|(price, currency)| {
        let widest = levels(&category).next().unwrap_or("").to_owned();
        profile.prices.get(&(widest, currency)).map(|usual| (price, *usual))
    });
    let parts = [
        brand_taste.map(half),
        known.as_ref().map(|(_, taste)| half(*taste)),
        usual.map(|(price, usual)| bell(log_ratio(price, usual), USUAL)),
    ];
    let n = parts.iter().flatten().count();
    if n == 0 {
        return None;
    }
    let reason = Reason::Profile {
        brand: brand_taste.map(|taste| (item.brand.clone(), taste)),
        category: known,
        usual_price: usual.map(|(_, usual)| usual),
    };
    Some((parts.iter().flatten().sum::<f32>() / n as f32, reason))
}

/// 1 up to the comfortable share of what is left this month, then down in a line to 0.5 at all of it, 0 beyond.
pub(super) fn budget(item: &CatalogueItem, budget: Option<Budget>, params: &ScoreParams) -> Part {
    let Budget { left, currency } = budget?;
    let (price, of): (Micros, Currency) = item.price?;
    if of != currency {
        return None;
    }
    let left = Micros(left.0.max(0));
    if left < price {
        return Some((0.0, Reason::OverBudget { by: Micros(price.0.saturating_sub(left.0)) }));
    }
    let share = price.0.max(0) as f32 / left.0.max(1) as f32;
    let comfortable = params.comfortable_share;
    let score = if share <= comfortable {
        1.0
    } else {
        1.0 - (1.0 - ALL_OF_BUDGET) * ((share - comfortable) / (1.0 - comfortable)).min(1.0)
    };
    Some((score, Reason::WithinBudget { left }))
}
