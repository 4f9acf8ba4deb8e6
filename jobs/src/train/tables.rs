//! The trainer's view of the truth: users in canonical order, each with what his parts say, as small rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shoptide_models::knowledge::{ItemLinks, bought_with, discussed_in};
use shoptide_models::matrix::Interactions;
use shoptide_models::popularity::{Popularity, PopularityParams};
use shoptide_models::state::{Act, ActCount, Part, TasteParams};
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{ItemId, Topic, UserId};
use shoptide_store::{FoldedTable, OffsetRow, PartRow, StoreError, Truth};

use super::TrainError;

/// Where a model was cut: (shard, topic, first offset that is not in it).
pub type Cut = Vec<(u32, Topic, i64)>;

/// One act of one user with one item: 32 bytes, so that ten million fit a laptop.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Deed {
    item: u32,
    act: ActCount,
    /// Event time of the user's last act with the item in this topic.
    last_ms: i64,
    /// In hundredths plus one; 0 is none.
    rating: u16,
    topic: u8,
}

#[derive(Debug, Clone, Default)]
pub(super) struct User {
    last_ms: [i64; PARTS],
    deeds: Vec<Deed>,
    /// Of the forum's part: item, and the thread of the last act there.
    threads: Vec<(u32, Box<str>)>,
}

/// Everything that training reads.
#[derive(Debug, Default)]
pub struct Tables {
    users: BTreeMap<(u32, UserId), User>,
    ids: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u32>,
    pub(super) cut: Cut,
    /// Greatest event time at the cut.
    pub(super) now_ms: i64,
    /// Acts counted, of all users.
    pub(super) deeds: u64,
    /// Items acted on since the last call of `take_touched`.
    touched: BTreeSet<u32>,
    /// Erasures in the truth when the tables were read.
    pub(super) tombstones: u64,
    /// A user was erased: the next version begins a new chain.
    pub(super) lost: bool,
    /// How often the tables were read; the order of new items is that of the reads.
    pub(super) reads: u32,
}

impl Tables {
    /// Starts with the items of a model, so that its index stays.
    /// - `now_ms`: the model's
    /// - `tombstones`: how many erasures it has seen
    pub fn with_items(ids: &[Vec<u8>], cut: Cut, now_ms: i64, tombstones: u64) -> Self {
        let numbers = ids.iter().cloned().zip(0..).collect();
        Self { ids: ids.to_vec(), numbers, cut, now_ms, tombstones, ..Self::default() }
    }

    /// Reads what changed since the cut (everything the first time) and moves the cut.
    ///
    /// # Errors
    /// [`TrainError`] if the store cannot be read or a part is damaged.
    pub async fn advance(&mut self, truth: &dyn Truth) -> Result<(), TrainError> {
        // An erased part is gone, so no walk over parts can tell of it. Counted first: an erasure between the two reads is
        // seen the next time, not never.
        let mut tombstones = 0;
        truth.dump(FoldedTable::Tombstones, &mut |_| tombstones += 1).await?;
        let since = if self.users.is_empty() { Vec::new() } else { self.cut.clone() };
        let before: BTreeMap<(u32, Topic), i64> = self.cut.iter().map(|(s, t, o)| ((*s, *t), *o)).collect();
        let mut damaged = None;
        let mut sink = |row: PartRow| {
            let from = before.get(&(row.shard, row.topic)).copied().unwrap_or(0);
            if let Err(error) = self.take(&row, from) {
                damaged.get_or_insert(error);
            }
        };
        let mut offsets = truth.scan_parts(&since, &mut sink).await?;
        // A walk from a cut passes over shards that the cut does not name.
        let new = |o: &OffsetRow| o.topic.is_user() && !before.contains_key(&(o.shard, o.topic));
        if !since.is_empty() && offsets.iter().any(new) {
            offsets = truth.scan_parts(&[], &mut sink).await?;
        }
        if let Some(error) = damaged {
            return Err(StoreError::Unusable(error).into());
        }
        self.cut = cut_of(&offsets);
        self.reads += 1;
        self.lost |= tombstones != self.tombstones;
        self.tombstones = tombstones;
        Ok(())
    }

    /// Takes the parts of all users at a cut, in order of shard, user and topic, instead of reading the truth's; of that only its
    /// erasures are asked for.
    ///
    /// # Errors
    /// As [`Tables::advance`].
    #[cfg(feature = "lake")]
    pub(super) async fn fill(
        &mut self,
        truth: &dyn Truth,
        rows: &[PartRow],
        cut: &Cut,
    ) -> Result<(), TrainError> {
        let mut tombstones = 0;
        truth.dump(FoldedTable::Tombstones, &mut |_| tombstones += 1).await?;
        let before: BTreeMap<(u32, Topic), i64> = self.cut.iter().map(|(s, t, o)| ((*s, *t), *o)).collect();
        for row in rows {
            let from = before.get(&(row.shard, row.topic)).copied().unwrap_or(0);
            self.take(row, from).map_err(StoreError::Unusable)?;
        }
        self.cut.clone_from(cut);
        self.reads += 1;
        self.lost |= tombstones != self.tombstones;
        self.tombstones = tombstones;
        Ok(())
    }

    /// Replaces what a user's part of one topic says.
    fn take(&mut self, row: &PartRow, touched_from: i64) -> Result<(), String> {
        let part = Part::decode(&row.data).map_err(|e| format!("stored part: {e}"))?;
        let topic = row.topic.code();
        let mut deeds = Vec::with_capacity(part.items.len());
        let mut threads = Vec::new();
        for entry in &part.items {
            let item = self.number(entry.item.as_bytes());
            threads.extend(entry.thread.as_deref().map(|thread| (item, thread.into())));
            if touched_from <= entry.last_off {
                self.touched.insert(item);
            }
            let rating = entry.rating.map_or(0, |r| r.saturating_add(1));
            deeds.extend(entry.acts.iter().map(|act| Deed {
                item,
                act: *act,
                last_ms: entry.last_ms,
                rating,
                topic,
            }));
        }
        let user = self.users.entry((row.shard, row.user.clone())).or_default();
        let had = user.deeds.iter().filter(|d| d.topic == topic).count();
        self.deeds = self.deeds - had as u64 + deeds.len() as u64;
        user.deeds.retain(|d| d.topic != topic);
        user.deeds.extend(deeds);
        if row.topic == Topic::Forum {
            user.threads = threads;
        }
        // The order in which topics were read must not show.
        user.deeds.sort_by_key(|d| (d.item, d.topic, d.act.act, d.act.day));
        if let Some(slot) = user.last_ms.get_mut(usize::from(topic)) {
            *slot = part.last_ms;
        }
        self.now_ms = self.now_ms.max(part.last_ms);
        Ok(())
    }

    fn number(&mut self, id: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.ids.len() as u32;
        self.ids.push(id.to_vec());
        self.numbers.insert(id.to_vec(), number);
        number
    }

    pub fn item_ids(&self) -> &[Vec<u8>] {
        &self.ids
    }

    /// The index of an item in the next model.
    pub(super) fn number_of(&self, id: &[u8]) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Items acted on since the last call.
    pub(super) fn take_touched(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.touched).into_iter().collect()
    }

    /// Each user's items with strengths above 0, decayed to the user's own last event, in the order in which they were
    /// last turned to, oldest first.
    pub(super) fn rows<'a>(&'a self, taste: &'a TasteParams) -> impl Iterator<Item = Vec<(u32, f32)>> + 'a {
        self.users.values().map(|user| strengths(user, taste))
    }

    /// At most `users_max` users, every so many of all in canonical order.
    pub(super) fn sample(&self, users_max: usize) -> impl Iterator<Item = &User> {
        let stride = self.users.len().div_ceil(users_max.max(1)).max(1);
        self.users.values().step_by(stride)
    }

    /// Users times items, rows in order of time.
    ///
    /// # Errors
    /// [`TrainError::Numbers`] if a strength is no number, which checked parameters rule out.
    pub(super) fn interactions(&self, taste: &TasteParams) -> Result<Interactions, TrainError> {
        Interactions::from_rows(self.ids.len(), self.rows(taste))
            .map_err(|e| TrainError::Numbers(e.to_string()))
    }

    /// What users' acts say of items beside their likings: what was bought on one day together, and where they wrote of it.
    pub(super) fn links(&self) -> Vec<(ItemId, ItemLinks)> {
        let order = Topic::Order.code();
        let baskets = self.users.values().flat_map(|user| {
            let bought = user.deeds.iter().filter(|d| d.topic == order && d.act.act == Act::PURCHASE);
            let mut days: BTreeMap<_, Vec<u32>> = BTreeMap::new();
            bought.for_each(|d| days.entry(d.act.day).or_default().push(d.item));
            days.into_values()
        });
        let bought = bought_with(baskets);
        let posts = self.users.values().flat_map(|u| &u.threads).map(|(item, thread)| (*item, &**thread));
        let discussed = discussed_in(posts);
        let id = |number: u32| self.ids.get(number as usize).map(|id| ItemId::from_trusted(id));
        let items: BTreeSet<u32> = bought.keys().chain(discussed.keys()).copied().collect();
        let links = |number: u32| {
            let with = bought.get(&number).into_iter().flatten();
            let threads = discussed.get(&number).into_iter().flatten();
            Some((
                id(number)?,
                ItemLinks {
                    bought_with: with.filter_map(|(other, baskets)| Some((id(*other)?, *baskets))).collect(),
                    threads: threads.map(|(thread, users)| ((*thread).to_owned(), *users)).collect(),
                },
            ))
        };
        items.into_iter().filter_map(links).collect()
    }

    /// Popularity and trend at the cut, over all users in canonical order.
    ///
    /// # Errors
    /// [`TrainError::Numbers`] as above.
    pub(super) fn popularity(
        &self,
        taste: &TasteParams,
        params: &PopularityParams,
    ) -> Result<Popularity, TrainError> {
        let today = self.now_ms.div_euclid(DAY_MS);
        let events = self.users.values().flat_map(|u| &u.deeds).map(|d| {
            let weight = f64::from(taste.weight(d.act.act)) * f64::from(d.act.n);
            // A rating of 2 of 5 is no praise, but somebody did choose the item.
            let weight = if d.act.act == Act::RATE { weight.abs() } else { weight };
            (d.item, weight, (today - i64::from(d.act.day)).max(0) as f64)
        });
        Popularity::from_events(self.ids.len(), events, params)
            .map_err(|e| TrainError::Numbers(e.to_string()))
    }
}

impl User {
    /// The positive strengths, each with the item and the time of the last act, in order of time.
    pub(super) fn timed(&self, taste: &TasteParams) -> Vec<(i64, u32, f32)> {
        let now_ms = self.last_ms.iter().copied().max().unwrap_or(0);
        let mut row: Vec<(i64, u32, f32)> = Vec::new();
        for deed in &self.deeds {
            let rating = deed.rating.checked_sub(1);
            let strength = taste.act_strength(usize::from(deed.topic), deed.act, rating, now_ms);
            match row.last_mut() {
                Some((last_ms, item, sum)) if *item == deed.item => {
                    *sum += strength;
                    *last_ms = deed.last_ms.max(*last_ms);
                }
                _ => row.push((deed.last_ms, deed.item, strength)),
            }
        }
        row.retain(|(_, _, s)| 0.0 < *s);
        row.sort_unstable_by_key(|(last_ms, item, _)| (*last_ms, *item));
        row
    }
}

/// The same without times.
fn strengths(user: &User, taste: &TasteParams) -> Vec<(u32, f32)> {
    user.timed(taste).into_iter().map(|(_, item, s)| (item, s)).collect()
}

fn cut_of(offsets: &[OffsetRow]) -> Cut {
    let mut cut: Cut =
        offsets.iter().filter(|o| o.topic.is_user()).map(|o| (o.shard, o.topic, o.next_off)).collect();
    cut.sort_unstable();
    cut
}
