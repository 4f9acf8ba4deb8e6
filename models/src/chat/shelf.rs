//! Where products stand by what the conditions ask: for each brand, each level of a category, each feature the items that have it. So all that
//! meet a dialogue's conditions are found, and counted, without going through the catalogue.
//!
//! A shelf is as fresh as its last [`Shelf::put`]. Whoever shows a product holds it against its row of the moment once more.

use std::collections::{BTreeSet, HashMap};

use shoptide_schemas::{Currency, Micros};

use super::conditions::{Conditions, can_be_had};
use super::lexicon::Lexicon;
use crate::catalogue::CatalogueItem;
use crate::content::levels;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Brand,
    Category,
    Trait,
}

/// Products by brand, category and traits. Cost: some 4 bytes for each trait of an item, and 40 an item.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    ids: HashMap<(Kind, Box<str>), u32>,
    names: Vec<(Kind, Box<str>)>,
    /// Items by the key's id, in order of number.
    postings: Vec<Vec<u32>>,
    /// By number.
    items: Vec<Item>,
    /// Items that can be had, in order of number.
    had: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
struct Item {
    /// In order.
    keys: Box<[u32]>,
    price: Option<(Micros, Currency)>,
}

impl Shelf {
    /// Puts an item where it belongs, as its row is now. Cost: reading its texts, and moving it within the lists that it comes into or leaves.
    pub fn put(&mut self, number: u32, item: &CatalogueItem, lexicon: &Lexicon) {
        let traits = lexicon.traits_of(item);
        self.put_read(number, item, lexicon, &traits);
    }

    /// As [`Shelf::put`], for traits that were read before.
    pub fn put_read(
        &mut self,
        number: u32,
        item: &CatalogueItem,
        lexicon: &Lexicon,
        traits: &BTreeSet<String>,
    ) {
        let mut keys = Vec::new();
        let had = can_be_had(item);
        if had {
            let brand = lexicon.brand_of(item);
            if !brand.is_empty() {
                keys.push(self.id(Kind::Brand, &brand));
            }
            let path = item.category.trim().trim_matches('/').to_lowercase();
            keys.extend(levels(&path).map(|level| self.id(Kind::Category, level)).collect::<Vec<_>>());
            keys.extend(traits.iter().map(|key| self.id(Kind::Trait, key)).collect::<Vec<_>>());
            keys.sort_unstable();
            keys.dedup();
        }
        let place = number as usize;
        if self.items.len() <= place {
            self.items.resize_with(place + 1, Item::default);
        }
        let Some(slot) = self.items.get_mut(place) else { return };
        let before = std::mem::replace(slot, Item { keys: keys.clone().into(), price: item.price });
        for gone in before.keys.iter().filter(|key| keys.binary_search(key).is_err()) {
            if let Some(list) = self.postings.get_mut(*gone as usize) {
                remove(list, number);
            }
        }
        for come in keys.iter().filter(|key| before.keys.binary_search(key).is_err()) {
            if let Some(list) = self.postings.get_mut(*come as usize) {
                insert(list, number);
            }
        }
        if had { insert(&mut self.had, number) } else { remove(&mut self.had, number) }
    }

    fn id(&mut self, kind: Kind, name: &str) -> u32 {
        let key = (kind, Box::from(name));
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(key.clone());
        self.ids.insert(key, id);
        self.postings.push(Vec::new());
        id
    }

    fn listed(&self, kind: Kind, name: &str) -> &[u32] {
        let id = self.ids.get(&(kind, Box::from(name)));
        id.and_then(|id| self.postings.get(*id as usize)).map_or(&[], Vec::as_slice)
    }

    /// Products that can be had.
    pub fn len(&self) -> usize {
        self.had.len()
    }

    pub fn is_empty(&self) -> bool {
        self.had.is_empty()
    }

    /// How many of an item's traits are among these keys.
    pub fn traits_among(&self, number: u32, keys: &[&str]) -> usize {
        let Some(item) = self.items.get(number as usize) else { return 0 };
        let has = |key: &&&str| {
            let id = self.ids.get(&(Kind::Trait, Box::from(**key)));
            id.is_some_and(|id| item.keys.binary_search(id).is_ok())
        };
        keys.iter().filter(has).count()
    }

    /// The traits that an item was put with; `None` if it cannot be had.
    pub fn traits(&self, number: u32) -> Option<BTreeSet<String>> {
        self.had.binary_search(&number).ok()?;
        let names =
            self.items.get(number as usize)?.keys.iter().filter_map(|id| self.names.get(*id as usize));
        Some(names.filter(|(kind, _)| *kind == Kind::Trait).map(|(_, name)| name.to_string()).collect())
    }

    /// The price that the item was put with.
    pub fn price(&self, number: u32) -> Option<(Micros, Currency)> {
        self.items.get(number as usize).and_then(|item| item.price)
    }

    /// The products that meet every condition, in order of number. Cost: the shortest of the lists that the conditions name, which is everything
    /// if they name none.
    /// - `currency`: the shop's, of prices said without one
    pub fn meeting(&self, conditions: &Conditions, lexicon: &Lexicon, currency: Currency) -> Vec<u32> {
        let mut lists: Vec<Vec<&[u32]>> =
            conditions.features.iter().map(|key| vec![self.listed(Kind::Trait, key)]).collect();
        if !conditions.brands.is_empty() {
            lists.push(conditions.brands.iter().map(|key| self.listed(Kind::Brand, key)).collect());
        }
        if let Some(category) = &conditions.category {
            let paths = lexicon.category_paths(category);
            lists.push(paths.into_iter().map(|path| self.listed(Kind::Category, path)).collect());
        }
        lists.sort_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>());
        let traits = conditions.features_excluded.iter().map(|key| self.listed(Kind::Trait, key));
        let out: Vec<&[u32]> = traits
            .chain(conditions.brands_excluded.iter().map(|key| self.listed(Kind::Brand, key)))
            .filter(|list| !list.is_empty())
            .collect();
        let (mut found, rest) = match lists.split_first() {
            Some((first, rest)) => (union(first), rest),
            None => (self.had.clone(), &[][..]),
        };
        // Most often nothing is said of the price: then it need not be looked up for each.
        let bound = conditions.bounds_price();
        found.retain(|number| {
            rest.iter().all(|lists| lists.iter().any(|list| list.binary_search(number).is_ok()))
                && out.iter().all(|list| list.binary_search(number).is_err())
                && conditions.may_show(*number)
                && (!bound || conditions.price_fits(self.price(*number), currency))
        });
        found
    }
}

fn insert(list: &mut Vec<u32>, number: u32) {
    if let Err(place) = list.binary_search(&number) {
        list.insert(place, number);
    }
}

fn remove(list: &mut Vec<u32>, number: u32) {
    if let Ok(place) = list.binary_search(&number) {
        list.remove(place);
    }
}

fn union(lists: &[&[u32]]) -> Vec<u32> {
    let mut all = lists.concat();
    if 1 < lists.len() {
        all.sort_unstable();
        all.dedup();
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::super::conditions::Candidate;
    use super::super::slots::PriceRange;
    use super::*;

    const CNY: Currency = Currency(*b"CNY");
    const USD: Currency = Currency(*b"USD");
    const BRANDS: [&str; 4] = ["Apple", "小米", "Aurora", ""];
    const CATEGORIES: [&str; 4] = ["technology/phone", "technology/audio", "sports/shoes", ""];
    const TAGS: [&str; 3] = ["防水", "nfc", "大屏"];

    fn row() -> impl Strategy<Value = CatalogueItem> {
        let texts = (0..BRANDS.len(), 0..CATEGORIES.len(), subsequence(TAGS.to_vec(), 0..=TAGS.len()));
        (texts, prop::option::of((0i64..9, any::<bool>())), -1i64..3, any::<bool>()).prop_map(
            |((brand, category, tags), price, stock, hidden)| CatalogueItem {
                title: "thing".to_owned(),
                brand: BRANDS[brand].to_owned(),
                category: CATEGORIES[category].to_owned(),
                tags: tags.into_iter().map(str::to_owned).collect(),
                price: price.map(|(price, own)| (Micros(price), if own { CNY } else { USD })),
                stock: Some(stock).filter(|s| 0 <= *s),
                hidden: hidden && stock == 2,
                ..CatalogueItem::default()
            },
        )
    }

    fn conditions() -> impl Strategy<Value = Conditions> {
        let keys = |of: &[&'static str]| subsequence(of.to_vec(), 0..=1);
        (
            (keys(&["apple", "xiaomi", "aurora"]), keys(&["apple", "xiaomi", "aurora"])),
            (keys(&["waterproof", "nfc", "large_screen"]), keys(&["waterproof", "nfc"])),
            prop::option::of(prop::sample::select(vec!["phone", "electronics", "shoes", "nonsense"])),
            prop::option::of((0i64..9, 0i64..9)),
            prop::collection::btree_set(0u32..30, 0..4),
        )
            .prop_map(|((brands, out), (features, without), category, price, unwanted)| {
                let texts = |of: Vec<&str>| of.into_iter().map(str::to_owned).collect::<Vec<_>>();
                let range = |(a, b): (i64, i64)| PriceRange {
                    min: Some(Micros(a.min(b))),
                    max: Some(Micros(a.max(b))),
                    ..PriceRange::default()
                };
                Conditions {
                    brands: texts(brands),
                    brands_excluded: texts(out),
                    features: texts(features),
                    features_excluded: texts(without),
                    category: category.map(str::to_owned),
                    price: price.map(range),
                    unwanted,
                    ..Conditions::default()
                }
            })
    }

    proptest! {
        #[test]
        fn what_meets_the_conditions_is_what_a_walk_finds(
            puts in prop::collection::vec((0u32..30, row()), 1..60),
            asked in prop::collection::vec(conditions(), 1..6),
        ) {
            let (mut lexicon, mut shelf) = (Lexicon::default(), Shelf::default());
            let mut now = std::collections::BTreeMap::new();
            for (number, item) in puts {
                lexicon.learn(number, &number.to_string(), &item);
                now.insert(number, item);
            }
            // Twice: of before, and as it is.
            for (number, item) in &now {
                shelf.put(*number, &CatalogueItem { stock: Some(1), ..item.clone() }, &lexicon);
            }
            for (number, item) in &now {
                shelf.put(*number, item, &lexicon);
            }
            for (number, item) in &now {
                let traits = super::can_be_had(item).then(|| lexicon.traits_of(item));
                prop_assert_eq!(shelf.traits(*number), traits);
            }
            for conditions in asked {
                let filter = conditions.filter(&lexicon, CNY);
                let walked: Vec<u32> = now
                    .iter()
                    .filter(|(number, item)| {
                        let traits = lexicon.traits_of(item);
                        filter.admits(Candidate { number: **number, item, traits: &traits })
                    })
                    .map(|(number, _)| *number)
                    .collect();
                prop_assert_eq!(shelf.meeting(&conditions, &lexicon, CNY), walked);
            }
        }
    }
}
