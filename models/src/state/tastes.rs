//! A user's parts read together: one strength an item, decayed to the user's "now", and what must not be shown.

use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{ItemId, Topic};

use super::UserState;
use super::act::Act;
use super::part::{ActCount, ItemEntry};

/// Weight and half-life of each act, checked once.
#[derive(Debug, Clone, PartialEq)]
pub struct TasteParams {
    /// By act code; unlisted acts weigh 0.
    weights: [f32; 128],
    /// By user topic, in days.
    half_life_days: [f32; PARTS],
    rating_neutral: f32,
    bought_hidden_days: f32,
}

/// A parameter out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}, expected {expected}")]
pub struct TasteParamsError {
    pub key: String,
    pub value: String,
    pub expected: &'static str,
}

/// What a user feels for one item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemTaste<'a> {
    pub item: &'a ItemId,
    /// Sum of decayed weights; negative means: do not show.
    pub strength: f32,
    pub last_ms: i64,
    /// Not to be recommended: bought lately, in the cart, or refused.
    pub hidden: bool,
}

/// A user's tastes, in order of item id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tastes<'a> {
    pub items: Vec<ItemTaste<'a>>,
    pub now_ms: i64,
}

impl TasteParams {
    /// - `weights`: (act, weight), unitless, |w| at most 1000
    /// - `half_life_days`: by user topic, above 0
    /// - `rating_neutral`: the rating (0 to 5) that says nothing; a rating's weight is scaled from -1 at 0 to 1 at 5
    /// - `bought_hidden_days`: how long a bought item stays out of lists
    ///
    /// # Errors
    /// [`TasteParamsError`] naming the key and its bound.
    pub fn new(
        weights: &[(Act, f64)],
        half_life_days: [f64; PARTS],
        rating_neutral: f64,
        bought_hidden_days: f64,
    ) -> Result<Self, TasteParamsError> {
        let bad =
            |key: String, value: f64, expected| TasteParamsError { key, value: value.to_string(), expected };
        let mut table = [0.0_f32; 128];
        for (act, weight) in weights {
            if !(-1000.0..=1000.0).contains(weight) {
                return Err(bad(format!("weights.{}", act.name()), *weight, "-1000 to 1000"));
            }
            if let Some(slot) = table.get_mut(usize::from(act.0)) {
                *slot = *weight as f32;
            }
        }
        for (topic, days) in shoptide_schemas::USER_TOPICS.iter().zip(half_life_days) {
            if !(0.01..=36_500.0).contains(&days) {
                let key = format!("half_lives_days.{}", topic.name().trim_start_matches("shop."));
                return Err(bad(key, days, "0.01 to 36500"));
            }
        }
        if !(0.0..5.0).contains(&rating_neutral) {
            return Err(bad("weights.rating_neutral".to_owned(), rating_neutral, "0 to below 5"));
        }
        if !(0.0..=36_500.0).contains(&bought_hidden_days) {
            return Err(bad("list.bought_hidden_days".to_owned(), bought_hidden_days, "0 to 36500"));
        }
        Ok(Self {
            weights: table,
            half_life_days: half_life_days.map(|d| d as f32),
            rating_neutral: rating_neutral as f32,
            bought_hidden_days: bought_hidden_days as f32,
        })
    }

    pub fn weight(&self, act: Act) -> f32 {
        self.weights.get(usize::from(act.0)).copied().unwrap_or(0.0)
    }

    /// The rating (0 to 5) that says nothing.
    pub fn rating_neutral(&self) -> f32 {
        self.rating_neutral
    }

    pub fn half_life_days(&self, topic: Topic) -> f32 {
        self.half_life_days.get(usize::from(topic.code())).copied().unwrap_or(1.0)
    }

    /// Strength of one entry of one topic at `now_ms`: the sum over its acts of `n * weight * 2^(-age / half-life)`.
    pub fn strength(&self, topic: usize, entry: &ItemEntry, now_ms: i64) -> f32 {
        entry.acts.iter().map(|a| self.act_strength(topic, *a, entry.rating, now_ms)).sum()
    }

    /// Strength of one act at `now_ms`; `rating` in hundredths, for acts of rating.
    pub fn act_strength(&self, topic: usize, a: ActCount, rating: Option<u16>, now_ms: i64) -> f32 {
        let mut weight = self.weight(a.act);
        if weight == 0.0 {
            return 0.0;
        }
        if a.act == Act::RATE {
            weight *= self.rating_scale(rating);
        }
        let half_life = self.half_life_days.get(topic).copied().unwrap_or(1.0);
        // An event from the future of "now" (out-of-order days) does not grow.
        let age_days = (now_ms.div_euclid(DAY_MS) - i64::from(a.day)).max(0) as f32;
        a.n as f32 * weight * (-age_days / half_life).exp2()
    }

    fn rating_scale(&self, rating: Option<u16>) -> f32 {
        let rating = f32::from(rating.unwrap_or(500)) / 100.0;
        if rating < self.rating_neutral {
            (rating - self.rating_neutral) / self.rating_neutral.max(0.01)
        } else {
            (rating - self.rating_neutral) / (5.0 - self.rating_neutral)
        }
    }
}

impl UserState {
    /// Reads all parts together at the time of the user's last event.
    pub fn tastes(&self, params: &TasteParams) -> Tastes<'_> {
        let Some(now_ms) = self.last_ms() else { return Tastes::default() };
        self.tastes_at(params, now_ms)
    }

    /// The same at another time, for training at a cut.
    pub fn tastes_at(&self, params: &TasteParams, now_ms: i64) -> Tastes<'_> {
        let mut rows: Vec<(&ItemId, usize, &ItemEntry)> = Vec::new();
        for (topic, part) in self.parts.iter().enumerate() {
            rows.extend(part.items.iter().map(|e| (&e.item, topic, e)));
        }
        // Parts are sorted already; a stable sort of a few sorted runs is a merge.
        rows.sort_by(|a, b| a.0.cmp(b.0));
        let mut items: Vec<ItemTaste<'_>> = Vec::with_capacity(rows.len());
        for (item, topic, entry) in rows {
            let strength = params.strength(topic, entry, now_ms);
            let hidden = params.hides(entry, now_ms);
            match items.last_mut() {
                Some(last) if last.item == item => {
                    last.strength += strength;
                    last.last_ms = last.last_ms.max(entry.last_ms);
                    last.hidden |= hidden;
                }
                _ => items.push(ItemTaste { item, strength, last_ms: entry.last_ms, hidden }),
            }
        }
        items.iter_mut().for_each(|t| t.hidden |= t.strength < 0.0);
        Tastes { items, now_ms }
    }
}

impl TasteParams {
    /// Bought within the bound and not given back, still in the cart, or refused.
    fn hides(&self, entry: &ItemEntry, now_ms: i64) -> bool {
        let refused = |a: Act| a == Act::DISLIKE || a == Act::NOT_INTERESTED;
        if entry.acts.iter().any(|a| refused(a.act)) && entry.last_act != Act::LIKE {
            return true;
        }
        let bought = entry.count(Act::PURCHASE) + entry.count(Act::SAYS_BOUGHT);
        let last_bought_day = entry
            .acts
            .iter()
            .filter(|a| a.act == Act::PURCHASE || a.act == Act::SAYS_BOUGHT)
            .map(|a| i64::from(a.day))
            .max();
        if let Some(day) = last_bought_day.filter(|_| entry.count(Act::REFUND) < bought) {
            let age_days = (now_ms.div_euclid(DAY_MS) - day) as f32;
            return age_days <= self.bought_hidden_days;
        }
        entry.count(Act::CART_REMOVE) < entry.count(Act::CART_ADD)
    }
}
