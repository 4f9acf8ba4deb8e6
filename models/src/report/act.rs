//! One event as a report needs it: fixed in size, ids as hashes of 128 bits.

use std::sync::Arc;

use shoptide_schemas::wire::OWN_ID_PREFIX;
use shoptide_schemas::{Currency, EventKind, EventMs, EventType, Feedback, ItemId, ShopEvent, TimeVerdict};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use super::tally::OTHER_GROUPS;
use crate::blend::Source;
use crate::catalogue::Catalogue;
use crate::list::{ListKind, ListName};

/// Not in the catalogue.
pub const NO_NUMBER: u32 = u32::MAX;
/// Categories told apart by their first level; the others share one name.
const CATEGORIES_MAX: usize = 1_000;
const UNKNOWN_CATEGORY: &str = "unknown";

/// An event as any reader of it has it: from the log or from a file.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub event_type: EventType,
    pub id: &'a [u8],
    pub user: &'a [u8],
    pub at: EventMs,
    pub appended: EventMs,
    pub historical: bool,
    pub item: Option<&'a [u8]>,
    pub quantity: u32,
    /// Of one piece.
    pub paid: Option<(i64, Currency)>,
    pub order: Option<(&'a str, &'a str)>,
    pub list: Option<&'a str>,
    pub feedback: Option<Feedback>,
}

impl<'a> Seen<'a> {
    pub fn of(event: &'a ShopEvent, appended: EventMs) -> Self {
        let (quantity, paid) = match &event.kind {
            EventKind::Purchase { quantity, paid, .. } | EventKind::Refund { quantity, paid, .. } => {
                (*quantity, paid.map(|(price, currency)| (price.0, currency)))
            }
            EventKind::CartAdd { quantity, .. } => (*quantity, None),
            _ => (1, None),
        };
        let feedback = match &event.kind {
            EventKind::Feedback { feedback, .. } => Some(*feedback),
            _ => None,
        };
        Self {
            event_type: event.event_type,
            id: event.id.as_bytes(),
            user: event.user.as_bytes(),
            at: event.at,
            appended,
            historical: event.historical,
            item: event.item().map(ItemId::as_bytes),
            quantity,
            paid,
            order: event.order_line().map(|line| (line.order.as_str(), line.line.as_str())),
            list: event.list.as_deref(),
            feedback,
        }
    }

    /// Written by the stream: what an anonymous user did, told again of the known one.
    pub fn is_copy(&self) -> bool {
        self.id.starts_with(OWN_ID_PREFIX.as_bytes())
    }

    /// What the stream says of its time.
    pub fn verdict(&self) -> TimeVerdict {
        self.at.verdict(self.appended, self.historical)
    }
}

/// What was done, in the order in which it can follow from each other within one millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Deed {
    Shown,
    Clicked,
    Opinion(u8),
    Cart,
    Bought,
    Refunded,
}

/// What a list's name says of one item of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// None if the event names no list.
    pub kind: Option<ListKind>,
    pub source: Option<Source>,
    pub model: Option<u64>,
}

impl Tag {
    pub const NONE: Tag = Tag { kind: None, source: None, model: None };

    fn of(list: Option<&str>, item: Option<&[u8]>) -> Self {
        let Some(list) = list else { return Self::NONE };
        let name = ListName::read(list);
        let source = item.and_then(|item| name.source_of(item));
        Self { kind: Some(name.kind), source, model: name.model }
    }

    /// The list's kind as a name of a group.
    pub fn list(self) -> &'static str {
        self.kind.map_or("no list named", ListKind::as_str)
    }

    /// Who put the item there: a source of the model, the search, the chat, or nobody that is known.
    pub fn source(self) -> &'static str {
        match (self.source, self.kind) {
            (Some(source), _) => source.as_str(),
            (None, Some(ListKind::Search)) => "search",
            (None, Some(ListKind::Chat)) => "chat",
            (None, _) => "unknown",
        }
    }
}

/// One deed of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    pub at: i64,
    pub deed: Deed,
    pub id: u128,
    /// 0 for none.
    pub item: u128,
    /// The catalogue's number of the item, [`NO_NUMBER`] for none.
    pub number: u32,
    /// 0 for none.
    pub list: u128,
    pub tag: Tag,
    pub quantity: u32,
    pub paid: Option<(i64, Currency)>,
    /// The order's line and the order; 0 for none.
    pub line: u128,
    pub order: u64,
}

impl Act {
    /// None for an event that says nothing of lists or members.
    pub fn of(seen: &Seen<'_>, shelf: &Shelf) -> Option<Act> {
        let deed = match seen.event_type {
            EventType::RecommendationShown => Deed::Shown,
            EventType::RecommendationClicked => Deed::Clicked,
            EventType::RecommendationFeedback => {
                let place = Feedback::ALL.iter().position(|known| Some(*known) == seen.feedback)?;
                Deed::Opinion(u8::try_from(place).ok()?)
            }
            EventType::AddToCart => Deed::Cart,
            EventType::Purchase => Deed::Bought,
            EventType::Refund => Deed::Refunded,
            _ => return None,
        };
        let pair = |(order, line): (&str, &str)| {
            let length = (order.len() as u64).to_le_bytes();
            xxh3_128(&[&length, order.as_bytes(), line.as_bytes()].concat()).max(1)
        };
        let of_list = matches!(deed, Deed::Shown | Deed::Clicked | Deed::Opinion(_));
        Some(Act {
            at: seen.at.0,
            deed,
            // An id is its producer's within a topic.
            id: xxh3_128_with_seed(seen.id, u64::from(seen.event_type.topic().code())),
            item: seen.item.map_or(0, |item| xxh3_128(item).max(1)),
            number: seen.item.and_then(|item| shelf.number(item)).unwrap_or(NO_NUMBER),
            list: seen.list.map_or(0, |list| xxh3_128(list.as_bytes()).max(1)),
            tag: if of_list { Tag::of(seen.list, seen.item) } else { Tag::NONE },
            quantity: seen.quantity,
            paid: seen.paid,
            line: seen.order.map_or(0, pair),
            order: seen.order.map_or(0, |(order, _)| xxh3_64(order.as_bytes()).max(1)),
        })
    }
}

/// The catalogue as a report needs it.
#[derive(Debug)]
pub struct Shelf {
    catalogue: Arc<Catalogue>,
    categories: Vec<String>,
    /// By item number.
    of: Vec<u16>,
}

impl Shelf {
    pub fn of(catalogue: Arc<Catalogue>) -> Self {
        let mut categories = vec![UNKNOWN_CATEGORY.to_owned(), OTHER_GROUPS.to_owned()];
        let mut known = std::collections::HashMap::<String, u16>::new();
        let mut of = Vec::with_capacity(catalogue.len() as usize);
        for (_, _, item) in catalogue.rows() {
            let first = item.category.split('/').next().unwrap_or_default();
            let place = match (first, known.get(first)) {
                ("", _) => 0,
                (_, Some(place)) => *place,
                _ if CATEGORIES_MAX <= known.len() => 1,
                _ => {
                    let place = u16::try_from(categories.len()).unwrap_or(1);
                    categories.push(first.to_owned());
                    known.insert(first.to_owned(), place);
                    place
                }
            };
            of.push(place);
        }
        Self { catalogue, categories, of }
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub fn number(&self, item: &[u8]) -> Option<u32> {
        self.catalogue.number(&ItemId::from_trusted(item))
    }

    /// The category's place in [`Shelf::categories`]; 0 is unknown.
    pub fn category(&self, number: u32) -> u16 {
        self.of.get(number as usize).copied().unwrap_or(0)
    }

    pub fn categories(&self) -> &[String] {
        &self.categories
    }
}
