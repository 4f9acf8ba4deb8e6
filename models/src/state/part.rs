//! One user's part of one topic: bounded, integers only, nothing decayed at rest (decay is computed when read, so that
//! half-lives can change without a replay).

use std::collections::VecDeque;

use shoptide_schemas::{Currency, ItemId, UserId};

use super::act::Act;

/// Event ids remembered per user and topic; a repeat within the window has no second effect.
pub const DEDUPE_WINDOW: usize = 256;
/// Items of one part. A person's taste is in the last few hundred; a bot's millions must not grow a row.
pub const ITEMS_PER_PART_MAX: usize = 256;
/// (act, day) counts of one item: a dozen days of a few acts.
pub const ACTS_PER_ITEM_MAX: usize = 24;
/// Search queries kept, newest.
pub const QUERIES_MAX: usize = 16;
/// Bytes of a query kept.
pub const QUERY_KEPT_BYTES_MAX: usize = 96;
/// (month, currency) sums kept, newest: budgets ask for this month, reports for a few years.
pub const SPEND_MONTHS_MAX: usize = 48;

/// How often an act happened on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActCount {
    pub act: Act,
    /// Days since 1970, UTC, of the event's own time.
    pub day: u32,
    pub n: u32,
}

/// What a user did with one item, as one topic tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemEntry {
    pub item: ItemId,
    /// Greatest event time, and the act that had it: the evidence of reasons.
    pub last_ms: i64,
    pub last_act: Act,
    /// Offset of the last record folded in: what changed since a trainer's cut.
    pub last_off: i64,
    /// The last rating in hundredths, if the item was rated.
    pub rating: Option<u16>,
    /// The thread of the last forum act.
    pub thread: Option<String>,
    /// Sorted by (act, day).
    pub acts: Vec<ActCount>,
}

/// Money spent (or got back) in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// `YYYYMM` in UTC.
    pub month: u32,
    pub currency: Currency,
    /// Millionths; negative after refunds of older orders.
    pub micros: i64,
}

/// A search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub at_ms: i64,
    pub text: String,
}

/// One user's part of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Greatest event time folded in; 0 before the first.
    pub last_ms: i64,
    /// Dedupe keys, oldest first.
    pub recent: VecDeque<u64>,
    /// Sorted by item id.
    pub items: Vec<ItemEntry>,
    /// Sorted by (month, currency).
    pub spend: Vec<Spend>,
    /// Oldest first.
    pub queries: Vec<Query>,
    /// The known user that took this part over.
    pub forward: Option<UserId>,
}

impl Part {
    pub fn is_empty(&self) -> bool {
        *self == Part::default()
    }

    pub fn entry(&self, item: &ItemId) -> Option<&ItemEntry> {
        let at = self.items.binary_search_by(|e| e.item.cmp(item)).ok()?;
        self.items.get(at)
    }

    /// Whether the window remembers an event id.
    pub(super) fn remembers(&self, key: u64) -> bool {
        self.recent.contains(&key)
    }

    pub(super) fn remember(&mut self, key: u64) {
        if DEDUPE_WINDOW <= self.recent.len() {
            self.recent.pop_front();
        }
        self.recent.push_back(key);
    }

    /// Adds an act; the item that was acted on least recently makes room.
    pub(super) fn act(
        &mut self,
        item: &ItemId,
        act: Act,
        at_ms: i64,
        day: u32,
        off: i64,
    ) -> Option<&mut ItemEntry> {
        let place = match self.items.binary_search_by(|e| e.item.cmp(item)) {
            Ok(place) => place,
            Err(mut place) => {
                if ITEMS_PER_PART_MAX <= self.items.len() {
                    let forgotten = self.forget_oldest_item();
                    place -= usize::from(forgotten.is_some_and(|forgotten| forgotten < place));
                }
                let entry = ItemEntry {
                    item: item.clone(),
                    last_ms: at_ms,
                    last_act: act,
                    last_off: off,
                    rating: None,
                    thread: None,
                    acts: Vec::with_capacity(1),
                };
                self.items.insert(place, entry);
                place
            }
        };
        let entry = self.items.get_mut(place)?;
        if entry.last_ms <= at_ms {
            (entry.last_ms, entry.last_act) = (at_ms, act);
        }
        entry.last_off = off;
        entry.add(ActCount { act, day, n: 1 });
        Some(entry)
    }

    /// Returns where it was.
    fn forget_oldest_item(&mut self) -> Option<usize> {
        let oldest = self.items.iter().enumerate().min_by_key(|(_, e)| e.last_off).map(|(place, _)| place)?;
        self.items.remove(oldest);
        Some(oldest)
    }

    pub(super) fn spend(&mut self, month: u32, currency: Currency, micros: i64) {
        match self.spend.binary_search_by_key(&(month, currency), |s| (s.month, s.currency)) {
            Ok(place) => {
                if let Some(spend) = self.spend.get_mut(place) {
                    spend.micros = spend.micros.saturating_add(micros);
                }
            }
            Err(place) => {
                self.spend.insert(place, Spend { month, currency, micros });
                if SPEND_MONTHS_MAX < self.spend.len() {
                    self.spend.remove(0);
                }
            }
        }
    }

    pub(super) fn query(&mut self, at_ms: i64, text: &str) {
        let mut end = text.len().min(QUERY_KEPT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.queries.push(Query { at_ms, text: text.get(..end).unwrap_or_default().to_owned() });
        if QUERIES_MAX < self.queries.len() {
            self.queries.remove(0);
        }
    }

    /// Takes over what an anonymous user did, as of the record at `off`.
    pub(super) fn absorb(&mut self, other: Part, off: i64) {
        self.last_ms = self.last_ms.max(other.last_ms);
        for theirs in other.items {
            let Some(entry) = self.act(&theirs.item, theirs.last_act, theirs.last_ms, 0, off) else {
                continue;
            };
            // `act` made room and counted a day-0 act that did not happen; the real counts follow.
            entry.acts.retain(|a| a.day != 0);
            theirs.acts.iter().for_each(|a| entry.add(*a));
            entry.rating = theirs.rating.or(entry.rating);
            entry.thread = theirs.thread.or(entry.thread.take());
        }
        for s in other.spend {
            self.spend(s.month, s.currency, s.micros);
        }
        self.queries.extend(other.queries);
        self.queries.sort_by_key(|q| q.at_ms);
        let surplus = self.queries.len().saturating_sub(QUERIES_MAX);
        self.queries.drain(..surplus);
    }
}

impl ItemEntry {
    fn add(&mut self, count: ActCount) {
        match self.acts.binary_search_by_key(&(count.act, count.day), |a| (a.act, a.day)) {
            Ok(place) => {
                if let Some(known) = self.acts.get_mut(place) {
                    known.n = known.n.saturating_add(count.n);
                }
            }
            Err(place) => {
                self.acts.insert(place, count);
                if ACTS_PER_ITEM_MAX < self.acts.len() {
                    let oldest =
                        self.acts.iter().enumerate().min_by_key(|(_, a)| (a.day, a.act)).map(|(i, _)| i);
                    oldest.map(|i| self.acts.remove(i));
                }
            }
        }
    }

    /// Sum of an act over all days kept.
    pub fn count(&self, act: Act) -> u64 {
        self.acts.iter().filter(|a| a.act == act).map(|a| u64::from(a.n)).sum()
    }
}
