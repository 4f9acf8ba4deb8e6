//! The catalogue: every item's traits are a hash of seed and number; only the shelves (which items share a style, and
//! how popular each is) are held in memory.

use std::collections::BTreeMap;

use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::wire::WireTime;

use super::dice::{Dice, at, mix};
use super::words::{Category, GROUPS, Vocabulary, Word};

pub(crate) const GROUP_COUNT: u64 = 3;
pub(crate) const STYLE_COUNT: u64 = 6;
/// Keeps the hashes of items apart from those of users and sessions.
const ITEM_STREAM: u64 = 0x1_7e35;
/// Added to a popularity rank: the head is popular, not the only thing anybody sees.
const RANK_FLATTENING: u64 = 8;
const WEIGHT_SCALE: u64 = 100_000_000;
const SOLD_OUT_PER_MILLE: u64 = 25;
const HIDDEN_PER_MILLE: u64 = 15;
pub(crate) const CURRENCY: &str = "CNY";

/// What is true of one item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub number: u64,
    pub group: u64,
    pub style: u64,
    pub category: u64,
    pub brand: u64,
    /// 0 cheap to 3 dear, within the category.
    pub price_level: u64,
    pub price_cents: u64,
    weight: u64,
}

/// Items of one style of one group (or of the whole group), to draw from by popularity.
#[derive(Debug, Default)]
struct Shelf {
    items: Vec<u32>,
    cumulative: Vec<u64>,
}

impl Shelf {
    fn push(&mut self, item: &Item) {
        let before = self.cumulative.last().copied().unwrap_or(0);
        self.items.push(item.number as u32);
        self.cumulative.push(before + item.weight);
    }

    fn draw(&self, dice: &mut Dice) -> Option<u64> {
        let total = self.cumulative.last().copied()?;
        let point = dice.below(total);
        let place = self.cumulative.partition_point(|c| *c <= point);
        self.items.get(place).map(|i| u64::from(*i))
    }
}

/// All items of a shop.
#[derive(Debug)]
pub(crate) struct Items {
    seed: u64,
    count: u64,
    by_style: Vec<Shelf>,
    by_group: Vec<Shelf>,
    /// Place of each item on its style's shelf, for neighbours.
    places: Vec<u32>,
}

impl Items {
    pub(crate) fn new(seed: u64, count: u64) -> Self {
        let shelves = |n: u64| (0..n).map(|_| Shelf::default()).collect::<Vec<_>>();
        let (by_style, by_group) = (shelves(GROUP_COUNT * STYLE_COUNT), shelves(GROUP_COUNT));
        let mut all = Self { seed, count, by_style, by_group, places: Vec::with_capacity(count as usize) };
        for number in 0..count {
            let item = all.item(number);
            if let Some(shelf) = all.by_style.get_mut((item.group * STYLE_COUNT + item.style) as usize) {
                all.places.push(shelf.items.len() as u32);
                shelf.push(&item);
            }
            if let Some(shelf) = all.by_group.get_mut(item.group as usize) {
                shelf.push(&item);
            }
        }
        all
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn item(&self, number: u64) -> Item {
        let mut dice = Dice::new(mix(self.seed, ITEM_STREAM), number);
        let group = number % GROUP_COUNT;
        let (style, category, brand) = (dice.below(STYLE_COUNT), dice.below(6), dice.below(6));
        let (price_level, rank) = (dice.below(4), dice.below(self.count / GROUP_COUNT + 1));
        let shelf = category_of(group, category);
        let (low, high) = (u64::from(shelf.price_low), u64::from(shelf.price_high));
        // Each level covers a quarter of the way on a quadratic curve: more cheap items than dear ones.
        let step = price_level * 256 + dice.below(256);
        let units = low + (high - low) * step * step / (1024 * 1024);
        let price_cents = units * 100 + *at(&[0, 0, 90, 99], dice.next());
        Item {
            number,
            group,
            style,
            category,
            brand,
            price_level,
            price_cents,
            weight: WEIGHT_SCALE / (RANK_FLATTENING + rank),
        }
    }

    /// An item of a style, the popular ones more often; of the whole group where the style has none.
    pub(crate) fn draw(&self, group: u64, style: u64, dice: &mut Dice) -> Item {
        let shelf = self.by_style.get((group * STYLE_COUNT + style) as usize);
        let number = shelf
            .and_then(|s| s.draw(dice))
            .or_else(|| self.by_group.get(group as usize).and_then(|s| s.draw(dice)))
            .unwrap_or(group);
        self.item(number)
    }

    pub(crate) fn draw_any_style(&self, group: u64, dice: &mut Dice) -> Item {
        let number = self.by_group.get(group as usize).and_then(|s| s.draw(dice)).unwrap_or(group);
        self.item(number)
    }

    /// One of the items that shoppers weigh against this one: up to three places away on its shelf.
    pub(crate) fn neighbour(&self, item: &Item, dice: &mut Dice) -> Item {
        let Some(shelf) = self.by_style.get((item.group * STYLE_COUNT + item.style) as usize) else {
            return *item;
        };
        let place = self.places.get(item.number as usize).copied().unwrap_or(0) as usize;
        let away = (1 + dice.below(3)) as usize;
        let there = if dice.chance(500) { place + away } else { place.saturating_sub(away) };
        shelf.items.get(there % shelf.items.len().max(1)).map_or(*item, |i| self.item(u64::from(*i)))
    }

    /// The catalogue row as a shop would send it.
    pub(crate) fn upsert(&self, number: u64, run: &str, at_ms: i64) -> WireCatalogue {
        let item = self.item(number);
        let mut dice = Dice::new(mix(self.seed, ITEM_STREAM + 1), number);
        let (words, category) = (item.words(), item.category_words());
        let (style, brand) = (item.style_word(), item.brand_word());
        let stock = if dice.chance(SOLD_OUT_PER_MILLE) { 0 } else { dice.between(3, 500) };
        let hidden = dice.chance(HIDDEN_PER_MILLE);
        let tags = [
            words.label.zh,
            style.zh,
            category.noun.zh,
            brand.zh,
            words.label.en,
            style.en,
            category.noun.en,
        ];
        let description = format!(
            "{}{}{}，{}风格，适合日常使用。{} {} by {}, {} style, for every day.",
            brand.zh, style.zh, category.noun.zh, style.zh, style.en, category.noun.en, brand.en, style.en
        );
        WireCatalogue {
            event_id: Some(format!("{run}-c{number:x}")),
            event_type: Some("item_upsert".to_owned()),
            item_id: Some(item.id()),
            occurred_at: Some(WireTime::Ms(at_ms)),
            title: Some(item.title(Language::Chinese)),
            titles: Some(BTreeMap::from([("en".to_owned(), item.title(Language::English))])),
            brand: Some(brand.en.to_owned()),
            category: Some(format!("{}/{}", words.name, category.slug)),
            tags: Some(tags.map(str::to_owned).to_vec()),
            description: Some(description),
            price: Some(item.price()),
            currency: Some(CURRENCY.to_owned()),
            stock: Some(stock),
            hidden: hidden.then_some(true),
        }
    }
}

/// What a user reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Chinese,
    English,
}

impl Language {
    pub(crate) fn of(self, word: &Word) -> &'static str {
        match self {
            Language::Chinese => word.zh,
            Language::English => word.en,
        }
    }
}

impl Item {
    fn words(&self) -> &'static Vocabulary {
        at(&GROUPS, self.group)
    }

    pub(crate) fn category_words(&self) -> &'static Category {
        category_of(self.group, self.category)
    }

    fn style_word(&self) -> &'static Word {
        at(&self.words().styles, self.style)
    }

    pub(crate) fn brand_word(&self) -> &'static Word {
        at(&self.words().brands, self.brand)
    }

    /// The number in the id: sparse, as real catalogues are.
    fn model(&self) -> u64 {
        let words = self.words();
        words.number_base + words.number_step * (self.number / GROUP_COUNT + 1)
    }

    pub(crate) fn id(&self) -> String {
        format!("{}{}", self.words().prefix, self.model())
    }

    pub(crate) fn price(&self) -> String {
        format!("{}.{:02}", self.price_cents / 100, self.price_cents % 100)
    }

    pub(crate) fn title(&self, language: Language) -> String {
        let (brand, style, category) = (self.brand_word(), self.style_word(), self.category_words());
        match language {
            Language::Chinese => format!("{} {}{} {}", brand.zh, style.zh, category.noun.zh, self.model()),
            Language::English => format!("{} {} {} {}", brand.en, style.en, category.noun.en, self.model()),
        }
    }
}

fn category_of(group: u64, category: u64) -> &'static Category {
    at(&at(&GROUPS, group).categories, category)
}
