//! How a user shops, as ten numbers: when, how often, for how much, doing what.

use std::collections::BTreeMap;

use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{Currency, ItemId};

use crate::catalogue::Catalogue;
use crate::content::levels;
use crate::state::{Act, UserState};

/// Numbers of [`Habits::scaled`].
pub const HABITS: usize = 10;

/// Their names, for reports.
pub const HABIT_NAMES: [&str; HABITS] = [
    "recency",
    "frequency",
    "active_days",
    "value",
    "looks",
    "carts",
    "purchases",
    "opinions",
    "forum",
    "price_level",
];

/// What the habits of all users are measured in.
#[derive(Debug, Clone)]
pub struct Shop {
    currency: Option<Currency>,
    /// By item number: 0 the cheapest of its top category, 1 the dearest.
    price_level: Vec<Option<f32>>,
}

/// One user's habits, as people read them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Habits {
    /// Since his last event.
    pub recency_days: f32,
    /// Acts that are remembered.
    pub acts: f32,
    pub active_days: f32,
    /// Spent, in units of the shop's main currency; 0 at least.
    pub value: f32,
    /// Shares of his acts: looks, carts and wishes, purchases, ratings and feedback, forum.
    pub shares: [f32; 5],
    /// 0 to 1: among the items of their category, how dear those are that he turns to.
    pub price_level: f32,
}

impl Shop {
    /// Money is that of the currency in which most items are priced: sums of several would be sums of nothing.
    pub fn of(catalogue: &Catalogue) -> Self {
        let mut priced: BTreeMap<Currency, usize> = BTreeMap::new();
        catalogue
            .rows()
            .filter_map(|(.., row)| row.price)
            .for_each(|(_, c)| *priced.entry(c).or_default() += 1);
        let currency = priced.iter().max_by_key(|(c, n)| (**n, std::cmp::Reverse(**c))).map(|(c, _)| *c);
        let mut shelves: BTreeMap<&str, Vec<(i64, u32)>> = BTreeMap::new();
        for (number, _, row) in catalogue.rows() {
            if let Some((price, _)) = row.price.filter(|(_, c)| Some(*c) == currency) {
                let top = levels(&row.category).next().unwrap_or("");
                shelves.entry(top).or_default().push((price.0, number));
            }
        }
        let mut price_level = vec![None; catalogue.len() as usize];
        for shelf in shelves.values_mut() {
            shelf.sort_unstable();
            let last = shelf.len().saturating_sub(1).max(1) as f32;
            for (place, (_, number)) in shelf.iter().enumerate() {
                if let Some(level) = price_level.get_mut(*number as usize) {
                    *level = Some(place as f32 / last);
                }
            }
        }
        Self { currency, price_level }
    }

    /// Three letters; none if nothing is priced.
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_ref().and_then(|c| std::str::from_utf8(&c.0).ok())
    }

    /// Reads a user's parts. Recency is counted to `now_ms`.
    pub fn habits(&self, user: &UserState, catalogue: &Catalogue, now_ms: i64) -> Habits {
        let mut counts = [0u64; 5];
        let mut days: Vec<u32> = Vec::new();
        let (mut levels, mut level) = (0f64, 0f64);
        for entry in user.parts.iter().flat_map(|part| &part.items) {
            let mut here = 0u64;
            for act in &entry.acts {
                let n = u64::from(act.n);
                if let Some(count) = counts.get_mut(kind(act.act)) {
                    *count = count.saturating_add(n);
                }
                here = here.saturating_add(n);
                days.push(act.day);
            }
            if let Some(of_item) = self.level_of(&entry.item, catalogue) {
                let weight = (here as f64).sqrt();
                level += weight * f64::from(of_item);
                levels += weight;
            }
        }
        days.sort_unstable();
        days.dedup();
        let acts = counts.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
        let spends = user.parts.iter().flat_map(|part| &part.spend);
        let spent = spends
            .filter(|s| Some(s.currency) == self.currency)
            .fold(0i64, |sum, s| sum.saturating_add(s.micros));
        Habits {
            recency_days: user.last_ms().map_or(0.0, |last_ms| Habits::recency_days(last_ms, now_ms)),
            acts: acts as f32,
            active_days: days.len() as f32,
            value: (spent.max(0) as f64 / 1e6) as f32,
            shares: counts.map(|n| n as f32 / acts.max(1) as f32),
            price_level: if 0.0 < levels { (level / levels) as f32 } else { 0.5 },
        }
    }

    fn level_of(&self, item: &ItemId, catalogue: &Catalogue) -> Option<f32> {
        self.price_level.get(catalogue.number(item)? as usize).copied().flatten()
    }
}

/// Which share an act counts in.
fn kind(act: Act) -> usize {
    match act.name() {
        "add_to_cart" | "remove_from_cart" | "add_to_wishlist" | "begin_checkout" => 1,
        "purchase" | "refund" => 2,
        "forum_post" | "forum_reply" | "forum_like" => 4,
        name if name == "rate_item" || name.starts_with("feedback") => 3,
        _ => 0,
    }
}

impl Habits {
    /// Days from a last event to `now_ms`, 0 for one after it.
    pub fn recency_days(last_ms: i64, now_ms: i64) -> f32 {
        (now_ms.saturating_sub(last_ms).max(0) as f64 / DAY_MS as f64) as f32
    }

    /// As numbers of one size: what may be a thousand times more of one user than of another by its logarithm, so that ten days
    /// against one count as much as a hundred against ten; shares as they are.
    pub fn scaled(&self) -> [f32; HABITS] {
        let [looks, carts, purchases, opinions, forum] = self.shares;
        [
            self.recency_days.ln_1p(),
            self.acts.ln_1p(),
            self.active_days.ln_1p(),
            self.value.ln_1p(),
            looks,
            carts,
            purchases,
            opinions,
            forum,
            self.price_level,
        ]
    }
}
