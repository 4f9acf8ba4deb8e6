//! What filters, orders and facets ask of an item, as small numbers by catalogue number. A million items are gone through in
//! milliseconds, which rows of strings would not allow.

use std::collections::HashMap;
use std::sync::Arc;

use shoptide_schemas::Currency;

use crate::catalogue::{Catalogue, CatalogueItem};
use crate::content::plain;
use crate::rated::{RatingSum, Ratings};

/// Facts of one chunk: a change copies this many.
const CHUNK: usize = 256;
/// Classes of popularity, 0 for what nobody has turned to. Few, so that an item seldom moves from one to another.
pub const POPULARITY_CLASSES: u8 = 8;

/// What is known of one item. 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Micro-units, if it is priced in the shop's currency; a price in another is never compared.
    pub price: Option<Price>,
    /// Place among the names.
    pub brand: u32,
    pub category: u32,
    /// Characters of the title, at most 255.
    pub title_chars: u8,
    /// Not hidden, not removed, and known to the catalogue: of what only events have named there is nothing to show.
    pub listable: bool,
    pub in_stock: bool,
}

/// Micro-units, 0 or more. Kept as the price plus one, so that no price costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(std::num::NonZeroU64);

impl Price {
    pub(super) fn new(micros: i64) -> Option<Self> {
        std::num::NonZeroU64::new(u64::try_from(micros).ok()?.saturating_add(1)).map(Self)
    }

    pub fn micros(self) -> i64 {
        i64::try_from(self.0.get() - 1).unwrap_or(i64::MAX)
    }
}

/// Names and their numbers. A name that no item has any more keeps its number.
#[derive(Debug, Clone, Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    /// As first written.
    shown: Vec<Box<str>>,
}

impl Names {
    fn number(names: &mut Arc<Self>, key: &str, shown: &str) -> u32 {
        if let Some(number) = names.numbers.get(key) {
            return *number;
        }
        let names = Arc::make_mut(names);
        let number = names.shown.len() as u32;
        names.shown.push(shown.into());
        names.numbers.insert(key.into(), number);
        number
    }
}

/// Immutable; the next one shares all chunks that did not change.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    len: u32,
    chunks: Vec<Arc<Vec<Fact>>>,
    brands: Arc<Names>,
    categories: Arc<Names>,
    /// By number; what is beyond its end is of class 0.
    popularity: Arc<Vec<u8>>,
    ratings: Arc<Ratings>,
}

impl Facts {
    /// Takes over the rows of these numbers. New numbers come in order, without gaps.
    /// - `currency`: the shop's
    pub fn update(&mut self, catalogue: &Catalogue, changed: impl Iterator<Item = u32>, currency: Currency) {
        for number in changed {
            let Some((_, item)) = catalogue.row(number) else { continue };
            let fact = self.fact_of(item, currency);
            let (chunk, place) = (number as usize / CHUNK, number as usize % CHUNK);
            if self.chunks.len() <= chunk {
                self.chunks.push(Arc::default());
            }
            let Some(chunk) = self.chunks.get_mut(chunk) else { continue };
            let chunk = Arc::make_mut(chunk);
            match chunk.get_mut(place) {
                Some(slot) => *slot = fact,
                None => chunk.push(fact),
            }
            self.len = self.len.max(number + 1);
        }
    }

    fn fact_of(&mut self, item: &CatalogueItem, currency: Currency) -> Fact {
        let price = item.price.filter(|(_, of)| *of == currency);
        Fact {
            price: price.and_then(|(price, _)| Price::new(price.0)),
            brand: Names::number(&mut self.brands, &brand_key(&item.brand), item.brand.trim()),
            category: Names::number(&mut self.categories, &item.category, &item.category),
            title_chars: u8::try_from(item.title.chars().take(usize::from(u8::MAX)).count())
                .unwrap_or(u8::MAX),
            listable: item.listable() && !item.unlisted,
            in_stock: item.in_stock(),
        }
    }

    /// Takes over classes of popularity, by number.
    pub fn set_popularity(&mut self, classes: Vec<u8>) {
        self.popularity = Arc::new(classes);
    }

    /// Takes over what shoppers gave, by the same numbers.
    pub fn set_ratings(&mut self, ratings: Arc<Ratings>) {
        self.ratings = ratings;
    }

    pub fn rating(&self, number: u32) -> RatingSum {
        self.ratings.get(number)
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, number: u32) -> Option<&Fact> {
        self.chunks.get(number as usize / CHUNK)?.get(number as usize % CHUNK)
    }

    /// 0 to below [`POPULARITY_CLASSES`].
    pub fn popularity(&self, number: u32) -> u8 {
        self.popularity.get(number as usize).copied().unwrap_or(0)
    }

    pub(super) fn n_brands(&self) -> usize {
        self.brands.shown.len()
    }

    pub(super) fn n_categories(&self) -> usize {
        self.categories.shown.len()
    }

    /// The number of a brand, however it is capitalised.
    pub(super) fn brand(&self, name: &str) -> Option<u32> {
        self.brands.numbers.get(brand_key(name).as_str()).copied()
    }

    pub(super) fn brand_name(&self, number: usize) -> &str {
        self.brands.shown.get(number).map_or("", |name| name)
    }

    pub(super) fn category_name(&self, number: usize) -> &str {
        self.categories.shown.get(number).map_or("", |name| name)
    }
}

fn brand_key(brand: &str) -> String {
    plain(brand.trim())
}

/// Parts items into classes by their place in the order of popularity: the best thousandth, hundredth, 3, 10, 30, 60 percent of
/// those that anybody has turned to, the others of those, and 0 for the rest. Places and not scores, as scores fade together.
/// - `scores`: 0 or more, by catalogue number
pub fn popularity_classes(scores: &[f32]) -> Vec<u8> {
    const SHARES: [f64; 6] = [0.001, 0.01, 0.03, 0.1, 0.3, 0.6];
    let mut positive: Vec<f32> = scores.iter().copied().filter(|score| 0.0 < *score).collect();
    positive.sort_unstable_by(|a, b| b.total_cmp(a));
    let floors = SHARES.map(|share| {
        let place = (positive.len() as f64 * share).ceil() as usize;
        positive.get(place.saturating_sub(1)).copied().unwrap_or(f32::MAX)
    });
    let class = |score: &f32| match floors.iter().position(|floor| floor <= score) {
        Some(place) => POPULARITY_CLASSES - 1 - place as u8,
        None => u8::from(0.0 < *score),
    };
    scores.iter().map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_small() {
        assert_eq!(size_of::<Fact>(), 24);
        assert_eq!(Price::new(0).unwrap().micros(), 0);
        assert_eq!(Price::new(i64::MAX).unwrap().micros(), i64::MAX);
        assert_eq!(Price::new(-1), None);
    }

    #[test]
    fn classes_follow_places_and_not_scores() {
        let scores: Vec<f32> = (0..1_000).map(|n| if n < 500 { 0.0 } else { n as f32 }).collect();
        let classes = popularity_classes(&scores);
        let of = |class: u8| classes.iter().filter(|c| **c == class).count();
        assert_eq!((0..POPULARITY_CLASSES).map(of).collect::<Vec<_>>(), [500, 200, 150, 100, 35, 10, 4, 1]);
        let faded: Vec<f32> = scores.iter().map(|s| s * 1e-6).collect();
        assert_eq!(popularity_classes(&faded), classes);
        assert_eq!(popularity_classes(&[0.0, f32::NAN, 3.0]), [0, 0, 7]);
        assert!(popularity_classes(&[]).is_empty());
    }
}
