//! The clean run made fast: what is folded stays in memory over a stretch of many records, and the truth is written once a stretch
//! instead of once a batch. The very fold of the stream, so the same bytes as [`super::replay`]'s.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use ahash::RandomState;
use shoptide_log::{ReadMax, Record, generation_of};
use shoptide_models::catalogue::Catalogue;
use shoptide_schemas::{ItemId, Topic, USER_TOPICS};
use shoptide_store::{Commit, OrderLineRow, Truth};

use super::batch::Sum;
use super::replay::{ROOM, Ratings, step};
use super::{Decoded, Fed, Feed, Inspect, ReplayError, ShardFold};

/// Records of one read: few enough that some of the caches still hold them when they are folded.
const READ: ReadMax = ReadMax { records: 1_000, bytes: 8 * 1024 * 1024 };

/// Bounds of what is folded before it is written. The users in memory grow with the records: some three bytes for each of theirs.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    pub records: usize,
    /// Of keys and values that were read, of parts that were loaded, and of rows that wait.
    pub bytes: usize,
}

impl Default for Stretch {
    /// A million events of usual size: some 500 MiB at the most, and hardly a part is written twice.
    fn default() -> Self {
        Self { records: 1_000_000, bytes: 192 << 20 }
    }
}

/// One shard's clean run.
pub struct WholeRun<'a> {
    pub feed: &'a dyn Feed,
    pub truth: &'a dyn Truth,
    pub shard: u32,
    /// Of the user topics.
    pub partitions: u32,
    /// Where the counting began.
    pub bases: &'a [(Topic, i64)],
    /// Next offset by topic code at which it ends.
    pub until: &'a BTreeMap<u8, i64>,
    /// What the stream was given, if anything.
    pub inspect: Option<Inspect>,
    pub stretch: Stretch,
}

impl WholeRun<'_> {
    /// Folds the shard topic by topic from where the truth stands. Returns how many records that were.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn run(&self) -> Result<u64, ReplayError> {
        let rows = self.truth.assign(self.shard, self.bases).await?;
        let epoch = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
        let positions: BTreeMap<u8, i64> = rows.iter().map(|row| (row.topic.code(), row.next_off)).collect();
        let catalogue = Catalogue::default();
        let owns_catalogue = self.bases.iter().any(|(topic, _)| *topic == Topic::Catalogue);
        let mut fold = ShardFold::new(
            self.shard,
            epoch,
            self.partitions,
            positions.clone(),
            owns_catalogue.then_some(&catalogue),
            ROOM,
        )
        .with_inspect(self.inspect.clone());
        let mut records = 0;
        for (topic, base) in self.bases {
            let next = positions.get(&topic.code()).copied().unwrap_or(*base);
            let end = self.until.get(&topic.code()).copied().unwrap_or(*base);
            // With a later generation of topics users came here, also to a shard that begins with it.
            let held = next != *base || 1 < generation_of(next);
            let mut run = TopicRun { of: self, fold: &mut fold, topic: *topic, held, records: 0 };
            run.run(next..end).await?;
            records += run.records;
        }
        Ok(records)
    }
}

/// One topic of it.
struct TopicRun<'a> {
    of: &'a WholeRun<'a>,
    fold: &'a mut ShardFold,
    topic: Topic,
    /// The truth holds something of this topic already.
    held: bool,
    records: u64,
}

/// How a stretch ended.
enum Stretched {
    /// Written; goes on at this offset.
    To(i64),
    /// A record before this offset panics its fold: nothing of the stretch was written, and nothing is in memory.
    Panicked(i64),
    /// There are no more records.
    End,
}

impl TopicRun<'_> {
    async fn run(&mut self, range: Range<i64>) -> Result<(), ReplayError> {
        let mut next = range.start;
        while next < range.end {
            next = match self.stretch(next..range.end).await? {
                Stretched::To(at) => at,
                Stretched::Panicked(beyond) => self.batches(next..beyond).await?,
                Stretched::End => break,
            };
        }
        Ok(())
    }

    async fn stretch(&mut self, range: Range<i64>) -> Result<Stretched, ReplayError> {
        let max = self.of.stretch;
        let before = self.fold.catalogue_so_far(self.topic);
        let mut sum = Sum::listless();
        let mut items = HashSet::with_hasher(RandomState::new());
        let (mut at, mut records, mut bytes) = (range.start, 0, 0);
        while at < range.end && records < max.records && bytes + sum.row_bytes() < max.bytes {
            let Fed { records: read, mut decoded } = self.feed(at..range.end).await?;
            let Some(last) = read.last().map(|record| record.offset) else { break };
            share_items(&mut items, &mut decoded);
            let known =
                if self.held { self.load(&read, &decoded, &mut bytes).await? } else { HashSet::new() };
            if self.fold.fold_into(&mut sum, &read, &decoded, &known).is_err() {
                self.fold.begin_again(before);
                return Ok(Stretched::Panicked(last + 1));
            }
            bytes += read.iter().map(Record::bytes).sum::<usize>();
            (at, records) = (last + 1, records + read.len());
        }
        if records == 0 {
            return Ok(Stretched::End);
        }
        let commit = self.fold.finish(sum).commit;
        let moved = Commit { offsets: commit.offsets.clone(), ..Commit::default() };
        self.of.truth.commit(commit).await?;
        self.fold.committed(&moved);
        self.fold.clear_users();
        self.held = true;
        self.records += records as u64;
        Ok(Stretched::To(at))
    }

    async fn feed(&self, range: Range<i64>) -> Result<Fed, ReplayError> {
        self.of.feed.read(self.topic, self.of.shard, range, READ).await
    }

    /// Takes what the truth holds of a batch into memory, and returns the order lines of it that the truth has.
    async fn load(
        &mut self,
        records: &[Record],
        decoded: &[Decoded],
        bytes: &mut usize,
    ) -> Result<HashSet<OrderLineRow>, ReplayError> {
        let wants = self.fold.wants(records, decoded);
        let users = self.of.truth.users(self.of.shard, &wants.users).await?;
        let parts = users.iter().flat_map(|user| user.parts.iter().flatten());
        *bytes += parts.map(|(_, data)| data.len()).sum::<usize>();
        self.fold.admit(users)?;
        let seen = self.of.truth.known_lines(self.of.shard, &wants.lines).await?;
        Ok(wants.lines.into_iter().zip(seen).filter(|(_, known)| *known).map(|(line, _)| line).collect())
    }

    /// As the stream does: batch by batch, a commit each, until the record that panics is buried.
    async fn batches(&mut self, range: Range<i64>) -> Result<i64, ReplayError> {
        let mut next = range.start;
        while next < range.end {
            let Fed { records, decoded } = self.feed(next..range.end).await?;
            let Some(last) = records.last().map(|record| record.offset) else { break };
            step(self.fold, self.of.truth, &records, &decoded, Ratings::Counted).await?;
            self.records += records.len() as u64;
            next = last + 1;
        }
        self.fold.clear_users();
        self.held = true;
        Ok(next)
    }
}

/// Lets equal items be one in memory: the parts of many users hold the same few, and what is held once is found in a cache.
fn share_items(items: &mut HashSet<ItemId, RandomState>, decoded: &mut [Decoded]) {
    let events = decoded.iter_mut().filter_map(|decoded| match decoded {
        Decoded::User(event) => Some(event),
        _ => None,
    });
    for item in events.filter_map(|event| event.item_mut()) {
        match items.get(item) {
            Some(shared) => item.clone_from(shared),
            None => _ = items.insert(item.clone()),
        }
    }
}

/// The bases of a shard: each user topic, and of shard 0 the catalogue, from its first offset.
pub fn first_bases(shard: u32, base: impl Fn(Topic) -> i64) -> Vec<(Topic, i64)> {
    let catalogue = (shard == 0).then_some(Topic::Catalogue);
    USER_TOPICS.into_iter().chain(catalogue).map(|topic| (topic, base(topic))).collect()
}
