//! Hot keys: which users and items a log is full of, and what keeps them from being hot rows. Counters of an item are salted: one row by
//! (shard, item, day, type), and the shard is the user's. So many shards add to one item without meeting at a row, readers sum, and a batch
//! writes a row once however many of its events count there.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use shoptide_live::fold::{Decoded, REPLAY_READ, ReplayError, decode};
use shoptide_log::{Log, LogError, ReadMax};
use shoptide_models::heavy::{Heavy, HeavyKeys};
use shoptide_models::state::Act;
use shoptide_schemas::{ItemId, ShopEvent, USER_TOPICS, UserId};
use shoptide_store::{FoldedTable, StoreError, Truth};

/// What is looked at, and how closely.
#[derive(Debug, Clone, Copy)]
pub struct SkewParams {
    /// Keys counted of each kind; beyond so many different ones counts have an error, which is said.
    pub keys: usize,
    /// Keys reported of each kind.
    pub top: usize,
    /// Records of one batch of the stream.
    pub batch: usize,
}

/// One hot key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotKey {
    pub id: String,
    /// At most, and at least `events - error`.
    pub events: u64,
    pub error: u64,
    /// Of all events that have such a key.
    pub share: f64,
}

/// A hot item, and the rows of the counters that it is spread over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotItem {
    #[serde(flatten)]
    pub key: HotKey,
    /// Rows of `item_count` that hold it.
    pub rows: u64,
    /// Shards that those are in.
    pub shards: u64,
    /// Share of the item's count that its largest row holds.
    pub largest_row: f64,
    /// Row writes that its events cost in batches, at most.
    pub writes: u64,
}

/// What the log is like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SkewReport {
    pub records: u64,
    /// Events of users; what was refused is not among them.
    pub events: u64,
    pub users: Vec<HotKey>,
    pub items: Vec<HotItem>,
    /// Whether every count is exact.
    pub exact: bool,
    /// By how much a count of a user or an item may be too high.
    pub user_error_max: u64,
    pub item_error_max: u64,
    /// Events of each partition.
    pub partitions: Vec<u64>,
    /// Share of the fullest partition; an even one has `1 / partitions`.
    pub fullest_partition: f64,
    /// Rows that the counters would write one by one, and in batches of the stream.
    pub counts: u64,
    pub writes: u64,
    pub batch: usize,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum SkewError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// Reads the log to its end and the counters of the truth. Memory is bounded by `params.keys`, not by the log.
///
/// # Errors
/// [`SkewError`] if log or truth cannot be read.
pub async fn skew(log: &dyn Log, truth: &dyn Truth, params: SkewParams) -> Result<SkewReport, SkewError> {
    let mut sums = Sums {
        users: HeavyKeys::new(params.keys),
        items: HeavyKeys::new(params.keys),
        writes: HeavyKeys::new(params.keys),
        partitions: vec![0; log.partitions(USER_TOPICS[0]) as usize],
        ..Sums::default()
    };
    let max = ReadMax { records: params.batch.clamp(1, REPLAY_READ.records), ..REPLAY_READ };
    for topic in USER_TOPICS {
        for partition in 0..log.partitions(topic) {
            let marks = log.watermarks(topic, partition).await?;
            let mut next = marks.first;
            while next < marks.next {
                let mut records = log.read(topic, partition, next, max).await?;
                records.retain(|record| record.offset < marks.next);
                let Some(last) = records.last() else { break };
                let partitions = log.partitions_at(topic, last.offset);
                next = last.offset + 1;
                sums.records += records.len() as u64;
                let decoded: Vec<Decoded> = records.iter().map(|record| decode(record, partitions)).collect();
                sums.batch(partition, decoded.iter().filter_map(Decoded::user_event));
            }
        }
    }
    let hot = sums.items.top(params.top);
    let spread = spread(truth, &hot).await?;
    Ok(sums.report(hot, &spread, params))
}

#[derive(Default)]
struct Sums {
    records: u64,
    events: u64,
    users: HeavyKeys<UserId>,
    items: HeavyKeys<ItemId>,
    /// Row writes by item.
    writes: HeavyKeys<ItemId>,
    partitions: Vec<u64>,
}

impl Sums {
    /// What the stream folds in one transaction.
    fn batch<'e>(&mut self, partition: u32, events: impl Iterator<Item = &'e ShopEvent>) {
        let mut rows: HashSet<(&ItemId, u32, Act)> = HashSet::new();
        let mut here = 0;
        for event in events {
            here += 1;
            self.users.add(event.user.clone(), 1);
            if let Some(item) = event.item() {
                self.items.add(item.clone(), 1);
                rows.insert((item, event.at.day(), Act::of(event)));
            }
        }
        let mut by_item: BTreeMap<&ItemId, u64> = BTreeMap::new();
        rows.iter().for_each(|(item, ..)| *by_item.entry(item).or_default() += 1);
        by_item.into_iter().for_each(|(item, n)| self.writes.add(item.clone(), n));
        self.events += here;
        if let Some(sum) = self.partitions.get_mut(partition as usize) {
            *sum += here;
        }
    }

    fn report(
        self,
        hot: Vec<Heavy<ItemId>>,
        spread: &HashMap<Vec<u8>, Spread>,
        params: SkewParams,
    ) -> SkewReport {
        let share = |n: u64, of: u64| n as f64 / of.max(1) as f64;
        let user = |heavy: Heavy<UserId>| HotKey {
            id: heavy.key.to_string(),
            events: heavy.count,
            error: heavy.error,
            share: share(heavy.count, self.events),
        };
        let counts = self.items.total();
        let writes: HashMap<ItemId, u64> =
            self.writes.top(params.keys).into_iter().map(|heavy| (heavy.key, heavy.count)).collect();
        let item = |heavy: Heavy<ItemId>| {
            let spread = spread.get(heavy.key.as_bytes()).cloned().unwrap_or_default();
            HotItem {
                rows: spread.rows,
                shards: spread.shards.len() as u64,
                largest_row: share(spread.largest, spread.sum),
                writes: writes.get(&heavy.key).copied().unwrap_or_default(),
                key: HotKey {
                    id: heavy.key.to_string(),
                    events: heavy.count,
                    error: heavy.error,
                    share: share(heavy.count, counts),
                },
            }
        };
        SkewReport {
            records: self.records,
            events: self.events,
            users: self.users.top(params.top).into_iter().map(user).collect(),
            items: hot.into_iter().map(item).collect(),
            exact: self.users.is_exact() && self.items.is_exact(),
            user_error_max: self.users.error_max(),
            item_error_max: self.items.error_max(),
            fullest_partition: share(self.partitions.iter().copied().max().unwrap_or(0), self.events),
            partitions: self.partitions,
            counts,
            writes: self.writes.total(),
            batch: params.batch,
        }
    }
}

/// The rows of one item.
#[derive(Debug, Clone, Default)]
struct Spread {
    rows: u64,
    shards: HashSet<i64>,
    largest: u64,
    sum: u64,
}

async fn spread(truth: &dyn Truth, hot: &[Heavy<ItemId>]) -> Result<HashMap<Vec<u8>, Spread>, StoreError> {
    let mut found: HashMap<Vec<u8>, Spread> =
        hot.iter().map(|heavy| (heavy.key.as_bytes().to_vec(), Spread::default())).collect();
    let mut take = |row: &[u8]| {
        let Some((shard, item, n)) = count_row(row) else { return };
        if let Some(spread) = found.get_mut(item) {
            spread.rows += 1;
            spread.shards.insert(shard);
            let n = u64::try_from(n).unwrap_or(0);
            spread.largest = spread.largest.max(n);
            spread.sum += n;
        }
    };
    truth.dump(FoldedTable::Counts, &mut take).await?;
    Ok(found)
}

/// A row of the dump: shard, item, day, type and count, each behind its tag.
fn count_row(row: &[u8]) -> Option<(i64, &[u8], i64)> {
    let int = |at: usize| Some(i64::from_le_bytes(row.get(at..at + 8)?.try_into().ok()?));
    let length = usize::try_from(int(10)?).ok()?;
    let item = row.get(18..18_usize.checked_add(length)?)?;
    Some((int(1)?, item, int(18 + length + 19)?))
}
