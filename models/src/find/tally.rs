//! One pass over what was found: how many there are, how the facets count, and which come next.

use super::facts::Facts;
use super::filter::{Filter, Order};
use super::key::{Greatest, Key};
use super::prices::{PriceRange, Prices};

/// Names of one facet that are told: more than a page shows.
const NAMES_MAX: usize = 20;

/// A name and how many items have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub name: String,
    pub count: u64,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Items that pass every filter.
    pub total: u64,
    /// The same behind the cursor: what can still be shown.
    pub beyond: u64,
    /// Most first, ties by name. Each facet counts as if its own filter were not there.
    pub brands: Vec<Count>,
    pub categories: Vec<Count>,
    pub prices: Vec<PriceRange>,
    /// The next places, first first.
    pub keys: Vec<Key>,
}

/// Counts as items are offered.
pub struct Tally<'a> {
    facts: &'a Facts,
    filter: &'a Filter,
    order: Order,
    after: Option<Key>,
    total: u64,
    beyond: u64,
    brands: Vec<u32>,
    categories: Vec<u32>,
    prices: Prices,
    greatest: Greatest,
}

impl<'a> Tally<'a> {
    /// - `after`: only what comes behind it is kept
    /// - `keep`: how many
    pub fn new(facts: &'a Facts, filter: &'a Filter, order: Order, after: Option<Key>, keep: usize) -> Self {
        Self {
            facts,
            filter,
            order,
            after,
            total: 0,
            beyond: 0,
            brands: vec![0; facts.n_brands()],
            categories: vec![0; facts.n_categories()],
            prices: Prices::default(),
            greatest: Greatest::new(keep),
        }
    }

    /// Offers an item, each at most once; one that the facts do not know (yet) is passed over.
    pub fn offer(&mut self, number: u32, points: u32) {
        let Some(fact) = self.facts.get(number) else { return };
        let Some(meets) = self.filter.meets(fact) else { return };
        if meets.category && meets.price {
            count(&mut self.brands, fact.brand);
        }
        if meets.brand && meets.price {
            count(&mut self.categories, fact.category);
        }
        if let (true, true, Some(price)) = (meets.brand, meets.category, fact.price) {
            self.prices.count(price);
        }
        if !(meets.brand && meets.category && meets.price) {
            return;
        }
        self.total += 1;
        let key = self.order.key(self.facts, number, points, fact);
        if self.after.is_none_or(|after| key < after) {
            self.beyond += 1;
            self.greatest.offer(key);
        }
    }

    /// Offers every item there is.
    pub fn offer_all(&mut self) {
        (0..self.facts.len()).for_each(|number| self.offer(number, 0));
    }

    pub fn finish(self) -> Counts {
        let facts = self.facts;
        Counts {
            total: self.total,
            beyond: self.beyond,
            brands: named(&self.brands, |number| facts.brand_name(number)),
            categories: named(&self.categories, |number| facts.category_name(number)),
            prices: self.prices.ranges(),
            keys: self.greatest.finish(),
        }
    }
}

fn count(counts: &mut [u32], number: u32) {
    if let Some(count) = counts.get_mut(number as usize) {
        *count += 1;
    }
}

fn named<'f>(counts: &[u32], name: impl Fn(usize) -> &'f str) -> Vec<Count> {
    let counted = counts.iter().enumerate().filter(|(_, count)| 0 < **count);
    let mut named: Vec<(u32, &str)> = counted.map(|(number, count)| (*count, name(number))).collect();
    named.retain(|(_, name)| !name.is_empty());
    named.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    named.truncate(NAMES_MAX);
    named.into_iter().map(|(count, name)| Count { name: name.to_owned(), count: count.into() }).collect()
}
