//! What a dialogue remembers between two messages. Everything is bounded, so a session's row is a few kilobytes at most.

use serde::{Deserialize, Serialize};
use shoptide_schemas::{Currency, Micros};

use super::slots::{Language, Slots, VALUE_CHARS_MAX, VALUES_MAX};
use super::slots::{serde_currency, serde_micros};

/// Products of the last list that are remembered: what people count to.
pub const SHOWN_MAX: usize = 50;
/// Bytes of a state as JSON that [`DialogueState::bound`] keeps to, by the bounds of its parts.
pub const STATE_BYTES_MAX: usize = 64 * 1024;

/// A product of the last list, as much of it as a reference needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Of the catalogue.
    pub number: u32,
    /// Key of its brand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub brand: String,
    #[serde(default, with = "serde_micros", skip_serializing_if = "Option::is_none")]
    pub price: Option<Micros>,
    #[serde(default, with = "serde_currency", skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
}

/// What the shopper may be asked; one question at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// What are you looking for?
    Category,
    /// How much may it cost? Also after a price that cannot be meant.
    Budget,
    /// Which of those shown?
    Which,
}

/// A dialogue so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialogueState {
    /// Of the last message that had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// The conditions in force. References, items, dropped slots and problems are of one message and never kept.
    pub wanted: Slots,
    /// Only what costs less, or more: "cheaper" than what was shown.
    #[serde(with = "serde_micros", skip_serializing_if = "Option::is_none")]
    pub below: Option<Micros>,
    #[serde(with = "serde_micros", skip_serializing_if = "Option::is_none")]
    pub above: Option<Micros>,
    /// Of `below` and `above`: that of what was shown.
    #[serde(with = "serde_currency", skip_serializing_if = "Option::is_none")]
    pub relative_currency: Option<Currency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// The product last spoken of alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<u32>,
    /// Products disliked or bought in this dialogue: not shown again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unwanted: Vec<u32>,
    /// Products that were shown for the conditions in force: `more` shows others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<u32>,
    /// Open since the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Question>,
    pub turns: u32,
}

/// Products remembered as seen or unwanted; the oldest are forgotten.
pub const SEEN_MAX: usize = 500;

impl DialogueState {
    /// Any price will do, beside the range: neither "cheaper" nor "better" than what was shown.
    pub(super) fn forget_relative(&mut self) {
        (self.below, self.above, self.relative_currency) = (None, None, None);
    }

    /// Takes over the list that an answer shows: what references count on from now.
    pub fn show(&mut self, shown: Vec<Shown>) {
        for product in &shown {
            if !self.seen.contains(&product.number) {
                self.seen.push(product.number);
            }
        }
        self.shown = shown;
        self.focus = match self.shown.as_slice() {
            [only] => Some(only.number),
            _ => None,
        };
        self.bound();
    }

    /// Whether all of these stand on the last list, so that they have their places there.
    pub fn lists_all(&self, items: &[u32]) -> bool {
        items.iter().all(|item| self.shown.iter().any(|shown| shown.number == *item))
    }

    /// Cuts whatever is over its bound: for a state that was read from outside.
    pub fn bound(&mut self) {
        self.shown.truncate(SHOWN_MAX);
        for product in &mut self.shown {
            cut(&mut product.brand);
        }
        for list in [&mut self.seen, &mut self.unwanted] {
            let over = list.len().saturating_sub(SEEN_MAX);
            list.drain(..over);
        }
        let wanted = &mut self.wanted;
        let lists = [
            &mut wanted.brands,
            &mut wanted.brands_excluded,
            &mut wanted.features,
            &mut wanted.features_excluded,
            &mut wanted.whom,
            &mut wanted.occasions,
        ];
        for list in lists {
            list.truncate(VALUES_MAX);
            list.iter_mut().for_each(cut);
        }
        wanted.category.iter_mut().for_each(cut);
        cut(&mut wanted.text);
        wanted.references.clear();
        wanted.items.clear();
        wanted.dropped.clear();
        wanted.together = false;
    }
}

fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(VALUE_CHARS_MAX) {
        text.truncate(at);
    }
}
