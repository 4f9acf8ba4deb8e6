//! All records of a shop: the log's, and before them those of the archive.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use shoptide_live::fold::{Fed, Feed, LogFeed, REPLAY_READ, ReplayError};
use shoptide_log::{Log, ReadMax, first_offset, generation_of};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{EventMs, Topic, USER_TOPICS};
use shoptide_store::Truth;

use super::{Archive, ReplayToError};

/// One look at a record's append time.
pub(super) const ONE: ReadMax = ReadMax { records: 1, bytes: 1 };

/// Offsets that are read through rather than halved: to Kafka a leap is a new consumer, and costs more than a thousand records.
const NEAR: i64 = 1_000;

/// Where the records of one partition of one generation lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where the counting began.
    base: i64,
    /// The first that the log holds.
    first: i64,
    /// Where the generation ended; of the last, where the log does.
    end: i64,
}

/// The records of all partitions from their first on, generation by generation of a log that has grown.
pub struct History<'a> {
    log: &'a dyn Log,
    archive: Option<&'a dyn Archive>,
    /// By generation; the catalogue has one.
    places: BTreeMap<(u32, Topic, u32), Place>,
    /// The one that the truth folds.
    generations: u32,
}

impl<'a> History<'a> {
    /// Looks where everything lies.
    /// - `truth`: says where the counting began (else at the first offset) and where former generations ended
    ///
    /// # Errors
    /// [`ReplayToError::Missing`] if records before the log's first are nowhere, naming what is.
    pub async fn open(
        log: &'a dyn Log,
        archive: Option<&'a dyn Archive>,
        truth: &dyn Truth,
    ) -> Result<History<'a>, ReplayToError> {
        let (stands, generations) = (truth.offsets().await?, truth.generation().await?);
        let mut history = Self { log, archive, places: BTreeMap::new(), generations };
        for generation in 1..=generations {
            let ended = if generation < generations { truth.ended(generation).await? } else { Vec::new() };
            for topic in ALL_TOPICS.into_iter().filter(|topic| topic.is_user() || generation == 1) {
                let begin = first_offset(generation);
                for partition in 0..log.partitions_at(topic, begin) {
                    let row = stands.iter().find(|row| (row.topic, row.shard) == (topic, partition));
                    let base = row.map(|row| row.base_off).filter(|base| generation_of(*base) == generation);
                    let marks = log.watermarks_at(topic, partition, begin).await?;
                    let end = match generation < generations && topic.is_user() {
                        // What a broker took behind the seal was appended again.
                        true => ended.iter().find(|(t, p, _)| (*t, *p) == (topic, partition)),
                        false => Some(&(topic, partition, marks.next)),
                    };
                    let base = base.unwrap_or(begin);
                    let end = end.map_or(base, |(.., end)| *end);
                    // Of a generation that is gone whole the log may say no more than where it is empty.
                    let first = marks.first.min(end.max(base));
                    history.places.insert((generation, topic, partition), Place { base, first, end });
                }
            }
        }
        history.check().await?;
        Ok(history)
    }

    /// Whether every partition is there from where its counting began.
    async fn check(&self) -> Result<(), ReplayToError> {
        let mut missing = Vec::new();
        for ((_, topic, partition), place) in &self.places {
            let (base, first) = (place.base, place.first);
            if first <= base
                || self.archived(*topic, *partition).is_some_and(|(from, to)| from <= base && first <= to)
            {
                continue;
            }
            missing.push((*topic, *partition, base, first));
        }
        let Some((topic, partition, base, first)) = missing.first().copied() else { return Ok(()) };
        let mut latest: Option<i64> = None;
        for (topic, partition, _, first) in &missing {
            let found = self.log.read(*topic, *partition, *first, ONE).await?;
            latest = latest.max(found.first().map(|record| record.appended.0));
        }
        let others = match missing.len() - 1 {
            0 => String::new(),
            n => format!(" (and so of {n} more partitions)"),
        };
        let archive = match self.archive {
            Some(archive) => match self.archived(topic, partition) {
                Some((from, to)) => format!("; {} holds {from} to {to}", archive.name()),
                None => format!("; {} holds none of it", archive.name()),
            },
            None => "; no lake is given".to_owned(),
        };
        let since = latest.map_or(String::new(), |ms| {
            format!(", the last of them appended before {}", EventMs(ms).to_rfc3339())
        });
        Err(ReplayToError::Missing(format!(
            "records {base} to {first} of {topic} partition {partition} are gone from the log{others}{since}{archive}: no moment can be rebuilt \
             from its first record. What the truth holds now is the first that can be had: back it up"
        )))
    }

    fn archived(&self, topic: Topic, partition: u32) -> Option<(i64, i64)> {
        self.archive.and_then(|archive| archive.holds(topic, partition))
    }

    /// The generation that the truth folds, counted from 1: the last.
    pub fn generations(&self) -> u32 {
        self.generations
    }

    /// Of the user topics in a generation.
    pub fn partitions_in(&self, generation: u32) -> u32 {
        self.log.partitions_at(USER_TOPICS[0], first_offset(generation))
    }

    /// Every partition of every topic in a generation, the catalogue's too.
    pub fn partitions(&self, generation: u32) -> impl Iterator<Item = (Topic, u32)> + '_ {
        let within = move |(of, topic, _): &&(u32, Topic, u32)| !topic.is_user() || *of == generation;
        self.places.keys().filter(within).map(|(_, topic, partition)| (*topic, *partition))
    }

    fn place(&self, generation: u32, topic: Topic, partition: u32) -> Option<Place> {
        let generation = if topic.is_user() { generation } else { 1 };
        self.places.get(&(generation, topic, partition)).copied()
    }

    /// From where its counting began to its end, in a generation.
    pub fn bounds(&self, generation: u32, topic: Topic, partition: u32) -> Option<(i64, i64)> {
        self.place(generation, topic, partition).map(|place| (place.base, place.end))
    }

    /// Who was erased of what only the archive holds: it has no rows of theirs.
    pub(super) fn erased_in_archive(&self) -> Vec<[u8; 16]> {
        let used = self.places.values().any(|place| place.base < place.first);
        self.archive.filter(|_| used).map(|archive| archive.erased()).unwrap_or_default()
    }

    /// Where the counting of a partition began, in the first generation that has it.
    pub fn base(&self, topic: Topic, partition: u32) -> i64 {
        let found = (1..=self.generations).find_map(|generation| self.place(generation, topic, partition));
        found.map_or(0, |place| place.base)
    }

    /// Whether an offset is only in the archive.
    pub fn is_archived(&self, topic: Topic, partition: u32, offset: i64) -> bool {
        self.place(generation_of(offset), topic, partition).is_some_and(|place| offset < place.first)
    }

    /// The first offset of a generation whose record was appended after a time; the end if none was.
    pub(super) async fn first_after(
        &self,
        (generation, topic, partition): (u32, Topic, u32),
        ms: i64,
    ) -> Result<i64, ReplayToError> {
        let Some(place) = self.place(generation, topic, partition) else { return Ok(0) };
        let (mut low, mut high) = (place.base.max(place.first), place.end);
        if let Some(archive) = self.archive
            && place.base < place.first
        {
            let range = place.base..place.first;
            let found = archive.first_after(topic, partition, range, ms).await?;
            if found < place.first {
                return Ok(found);
            }
        }
        while NEAR < high - low {
            let middle = low + (high - low) / 2;
            let fed = self.read(topic, partition, middle..high, ONE).await?;
            match fed.records.first() {
                Some(record) if record.appended.0 <= ms => low = record.offset + 1,
                // The record, or a gap before the one that is looked at.
                _ => high = middle,
            }
        }
        while low < high {
            let fed = self.read(topic, partition, low..high, REPLAY_READ).await?;
            let until = fed.records.partition_point(|record| record.appended.0 <= ms);
            let Some(last) = fed.records.get(..until).and_then(<[_]>::last) else { break };
            low = last.offset + 1;
            if until < fed.records.len() {
                break;
            }
        }
        Ok(low)
    }

    /// When the first record within a range was appended.
    pub(super) async fn appended(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
    ) -> Result<Option<i64>, ReplayToError> {
        let fed = self.read(topic, partition, range, ONE).await?;
        Ok(fed.records.first().map(|record| record.appended.0))
    }
}

#[async_trait]
impl Feed for History<'_> {
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError> {
        let place = self.place(generation_of(range.start), topic, partition);
        let first = place.map_or(range.start, |place| place.first);
        if let Some(archive) = self.archive
            && range.start < first
        {
            let fed = archive.read(topic, partition, range.start..range.end.min(first), max).await?;
            if !fed.records.is_empty() || range.end <= first {
                return Ok(fed);
            }
        }
        LogFeed { log: self.log }.read(topic, partition, range.start.max(first)..range.end, max).await
    }
}
