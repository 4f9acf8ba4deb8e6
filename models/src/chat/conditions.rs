//! The conditions of a search: which products meet them all, and which to give up when none does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shoptide_schemas::{Currency, Micros};

use super::lexicon::Lexicon;
use super::slots::{PriceRange, Slots, Sort};
use super::state::DialogueState;
use super::understand::opposite;
use crate::catalogue::CatalogueItem;
use crate::content::levels;
use crate::product_score::{PriceWish, Wishes};

/// "About 2,000" is within this much of it.
pub const ABOUT_PERCENT: i64 = 20;
/// Conditions that are tried without, one at a time: each costs a count.
pub const RELAXATIONS_MAX: usize = 12;

/// What products are looked for by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    pub price: Option<PriceRange>,
    pub below: Option<Micros>,
    pub above: Option<Micros>,
    /// Of `below` and `above`; nothing is the shop's own.
    pub relative_currency: Option<Currency>,
    pub category: Option<String>,
    pub brands: Vec<String>,
    pub brands_excluded: Vec<String>,
    pub features: Vec<String>,
    pub features_excluded: Vec<String>,
    /// These two are wishes, not conditions: they order, they do not exclude.
    pub whom: Vec<String>,
    pub occasions: Vec<String>,
    pub sort: Option<Sort>,
    pub quantity: Option<u32>,
    /// For the full-text search.
    pub text: String,
    /// Catalogue numbers that are not to be shown: disliked, bought, or the example of what is looked for.
    pub unwanted: BTreeSet<u32>,
    /// Catalogue numbers that were shown before, where others are asked for.
    pub seen: BTreeSet<u32>,
}

/// A condition that can be given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Price,
    /// "Cheaper" or "better" than what was shown.
    Relative,
    Category,
    Brands,
    BrandExcluded(String),
    Feature(String),
    FeatureExcluded(String),
    /// What was seen.
    Seen,
}

impl Condition {
    /// How hard it is to give up: a wish, then a no, then the very thing that is looked for.
    fn reluctance(&self) -> u8 {
        match self {
            Self::Relative | Self::Price | Self::Brands | Self::Feature(_) | Self::Seen => 0,
            Self::BrandExcluded(_) | Self::FeatureExcluded(_) => 1,
            Self::Category => 2,
        }
    }
}

/// What giving up one condition would give.
#[derive(Debug, Clone, PartialEq)]
pub struct Relaxation {
    pub without: Condition,
    /// Those in force once the shopper has given it up.
    pub conditions: Conditions,
    /// Products that meet them.
    pub count: usize,
}

/// A product as the conditions read it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub number: u32,
    pub item: &'a CatalogueItem,
    /// [`Lexicon::traits_of`] the item.
    pub traits: &'a BTreeSet<String>,
}

impl Conditions {
    /// The conditions in force in a dialogue; `more` leaves out what was seen.
    pub fn of(state: &DialogueState, more: bool) -> Self {
        let Slots { price, category, brands, brands_excluded, features, features_excluded, .. } =
            state.wanted.clone();
        let Slots { whom, occasions, sort, quantity, text, .. } = state.wanted.clone();
        let seen = if more { state.seen.iter().copied().collect() } else { BTreeSet::new() };
        Self {
            price,
            below: state.below,
            above: state.above,
            relative_currency: state.relative_currency,
            category,
            brands,
            brands_excluded,
            features,
            features_excluded,
            whom,
            occasions,
            sort,
            quantity,
            text,
            unwanted: state.unwanted.iter().copied().collect(),
            seen,
        }
    }

    /// The conditions made ready to be held against many products. `currency` is the shop's, of prices said without one.
    pub fn filter<'a>(&'a self, lexicon: &'a Lexicon, currency: Currency) -> Filter<'a> {
        let paths = self.category.as_deref().map(|c| lexicon.category_paths(c));
        Filter { conditions: self, lexicon, currency, paths }
    }

    /// The currency in which prices are bounded, if they are: the one that was named, else the shop's.
    pub fn bound_in(&self, currency: Currency) -> Option<Currency> {
        let relative = self.is_relative().then(|| self.relative_currency.unwrap_or(currency));
        self.range().map(|range| range.currency.unwrap_or(currency)).or(relative)
    }

    /// Without any bound of prices, as when a shopper says that any price will do.
    pub fn at_any_price(&self) -> Self {
        Self { price: None, below: None, above: None, relative_currency: None, ..self.clone() }
    }

    fn is_relative(&self) -> bool {
        self.below.is_some() || self.above.is_some()
    }

    /// The range, if it bounds anything.
    fn range(&self) -> Option<PriceRange> {
        self.price.filter(|range| PriceRange { currency: None, ..*range } != PriceRange::default())
    }

    /// Whether a product of this number may be shown, as far as the number tells.
    pub(super) fn may_show(&self, number: u32) -> bool {
        !self.unwanted.contains(&number) && !self.seen.contains(&number)
    }

    /// Whether it matters what a product costs.
    pub(super) fn bounds_price(&self) -> bool {
        self.range().is_some() || self.is_relative()
    }

    pub(super) fn price_fits(&self, price: Option<(Micros, Currency)>, shops: Currency) -> bool {
        let within = |range: PriceRange| {
            price.is_some_and(|(price, currency)| {
                range.currency.unwrap_or(shops) == currency
                    && range.min.is_none_or(|min| min <= price)
                    && range.max.is_none_or(|max| price <= max)
                    && range.about.is_none_or(|about| near(price, about))
            })
        };
        let beside = || {
            price.is_some_and(|(price, currency)| {
                self.relative_currency.unwrap_or(shops) == currency
                    && self.below.is_none_or(|below| price < below)
                    && self.above.is_none_or(|above| above < price)
            })
        };
        self.range().is_none_or(within) && (!self.is_relative() || beside())
    }

    /// The same as the product score reads it. `currency` is the shop's, for prices said without one.
    pub fn wishes(&self, lexicon: &Lexicon, currency: Currency) -> Wishes {
        let price = self.price.map(|range| {
            let currency = range.currency.unwrap_or(currency);
            match range.about {
                Some(price) => PriceWish::About { price, currency },
                None => PriceWish::Between { min: range.min, max: range.max, currency },
            }
        });
        let spelled = |keys: &[String]| -> Vec<String> {
            let spellings = |key: &String| {
                let all: Vec<String> = lexicon.brand_spellings(key).map(str::to_owned).collect();
                if all.is_empty() { vec![key.clone()] } else { all }
            };
            keys.iter().flat_map(spellings).collect()
        };
        let paths = self.category.as_deref().map(|c| lexicon.category_paths(c)).unwrap_or_default();
        Wishes {
            price,
            // With several paths the candidates are of the right ones already.
            category: paths.iter().next().filter(|_| paths.len() == 1).map(|p| (*p).to_owned()),
            brands_wanted: spelled(&self.brands),
            brands_excluded: spelled(&self.brands_excluded),
            features_wanted: self.features.clone(),
            features_excluded: self.features_excluded.clone(),
        }
    }

    /// How many of the wishes beside the conditions a product meets: for whom, when, and the opposite of what is excluded.
    pub fn wishes_met(&self, traits: &BTreeSet<String>) -> usize {
        let wanted = self.whom.iter().chain(&self.occasions).filter(|w| traits.contains(*w)).count();
        wanted
            + self
                .features_excluded
                .iter()
                .filter_map(|f| opposite(f))
                .filter(|o| traits.contains(*o))
                .count()
    }

    /// What to give up when nothing meets all: each condition alone, with what goes along with it where a shopper says so ("any price" is
    /// neither a range nor "cheaper", "any brand" excludes none, and whoever changes a condition is shown again what he has seen). Wishes
    /// first, an exclusion and the category last, and of each kind those that give most. Empty only if even that gives nothing. `count`
    /// says how many products meet conditions; it is called once for each condition, at most [`RELAXATIONS_MAX`] times.
    pub fn relaxations(&self, mut count: impl FnMut(&Conditions) -> usize) -> Vec<Relaxation> {
        let mut all: Vec<Relaxation> = Vec::new();
        for (without, conditions) in self.relaxed().into_iter().take(RELAXATIONS_MAX) {
            let count = count(&conditions);
            if 0 < count {
                all.push(Relaxation { without, conditions, count });
            }
        }
        // Stable: of equals the one that is easier to give up comes first.
        all.sort_by_key(|r| (r.without.reluctance(), std::cmp::Reverse(r.count)));
        all
    }

    /// Each condition with the others, what is easiest to give up first. An exclusion is a hard no and comes last.
    fn relaxed(&self) -> Vec<(Condition, Conditions)> {
        let mut all = Vec::new();
        let mut without = |condition: Condition, change: &dyn Fn(&mut Conditions)| {
            let mut rest = self.clone();
            change(&mut rest);
            if rest != *self {
                rest.seen.clear();
                all.push((condition, rest));
            }
        };
        without(Condition::Relative, &|c| (c.below, c.above, c.relative_currency) = (None, None, None));
        for feature in &self.features {
            without(Condition::Feature(feature.clone()), &|c| c.features.retain(|f| f != feature));
        }
        if self.price.is_some() {
            without(Condition::Price, &|c| *c = c.at_any_price());
        }
        if !self.brands.is_empty() {
            without(Condition::Brands, &|c| (c.brands, c.brands_excluded) = Default::default());
        }
        without(Condition::Seen, &|c| c.seen.clear());
        for feature in &self.features_excluded {
            without(Condition::FeatureExcluded(feature.clone()), &|c| {
                c.features_excluded.retain(|f| f != feature)
            });
        }
        for brand in &self.brands_excluded {
            without(Condition::BrandExcluded(brand.clone()), &|c| c.brands_excluded.retain(|b| b != brand));
        }
        without(Condition::Category, &|c| c.category = None);
        all
    }
}

/// [`Conditions::filter`].
#[derive(Debug, Clone)]
pub struct Filter<'a> {
    conditions: &'a Conditions,
    lexicon: &'a Lexicon,
    /// The shop's.
    currency: Currency,
    /// Paths of the category, if one is wanted.
    paths: Option<BTreeSet<&'a str>>,
}

impl Filter<'_> {
    /// Whether a product can be had and meets every condition. Prices are compared in the currency that was named, else in the shop's: a
    /// product with a price in another, or with none, meets no bound.
    pub fn admits(&self, candidate: Candidate<'_>) -> bool {
        let Candidate { number, item, traits } = candidate;
        let of = self.conditions;
        let brand = || self.lexicon.brand_of(item);
        can_be_had(item)
            && of.may_show(number)
            && of.price_fits(item.price, self.currency)
            && (of.brands.is_empty() || of.brands.contains(&brand()))
            && (of.brands_excluded.is_empty() || !of.brands_excluded.contains(&brand()))
            && self.paths.as_ref().is_none_or(|paths| in_paths(paths, item))
            && of.features.iter().all(|f| traits.contains(f))
            && !of.features_excluded.iter().any(|f| traits.contains(f))
    }
}

/// Whether a row is of a product that is sold now.
pub(super) fn can_be_had(item: &CatalogueItem) -> bool {
    item.listable() && !item.unlisted && item.in_stock()
}

/// Within [`ABOUT_PERCENT`], in integers.
fn near(price: Micros, about: Micros) -> bool {
    let off = price.0.abs_diff(about.0) as u128;
    off * 100 <= about.0.unsigned_abs() as u128 * ABOUT_PERCENT as u128
}

fn in_paths(paths: &BTreeSet<&str>, item: &CatalogueItem) -> bool {
    let path = item.category.trim().trim_matches('/').to_lowercase();
    levels(&path).any(|level| paths.contains(level))
}
