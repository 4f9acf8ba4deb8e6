//! All records of a shop: the log's, and before them those of the archive.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use shoptide_live::fold::{Fed, Feed, LogFeed, ReplayError};
use shoptide_log::{Log, ReadMax, Watermarks, generation_of};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{EventMs, Topic, USER_TOPICS};

use super::{Archive, ReplayToError};

/// One look at a record's append time.
const ONE: ReadMax = ReadMax { records: 1, bytes: 1 };

/// Where the records of one partition lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where the counting began.
    base: i64,
    /// What the log holds.
    log: Watermarks,
}

/// The records of all partitions from their first on.
pub struct History<'a> {
    log: &'a dyn Log,
    archive: Option<&'a dyn Archive>,
    places: BTreeMap<(Topic, u32), Place>,
    partitions: u32,
}

impl<'a> History<'a> {
    /// Looks where everything lies.
    /// - `base`: the offset at which a partition's counting began, if the truth says so; else 0
    ///
    /// # Errors
    /// [`ReplayToError::Missing`] if records before the log's first are nowhere, naming what is.
    pub async fn open(
        log: &'a dyn Log,
        archive: Option<&'a dyn Archive>,
        base: impl Fn(Topic, u32) -> Option<i64>,
    ) -> Result<History<'a>, ReplayToError> {
        let partitions = log.partitions(USER_TOPICS[0]);
        let mut places = BTreeMap::new();
        for topic in ALL_TOPICS {
            for partition in 0..log.partitions(topic) {
                let log = log.watermarks(topic, partition).await?;
                places.insert((topic, partition), Place { base: base(topic, partition).unwrap_or(0), log });
            }
        }
        if places.values().any(|place| 1 < generation_of(place.log.next.max(place.base))) {
            let message = "this log has grown to larger topics: a moment of it cannot be rebuilt into an embedded shop, whose log never grows";
            return Err(ReplayToError::Missing(message.to_owned()));
        }
        let history = Self { log, archive, places, partitions };
        history.check().await?;
        Ok(history)
    }

    /// Whether every partition is there from where its counting began.
    async fn check(&self) -> Result<(), ReplayToError> {
        let mut missing = Vec::new();
        for ((topic, partition), place) in &self.places {
            let (base, first) = (place.base, place.log.first);
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

    /// Of the user topics.
    pub fn user_partitions(&self) -> u32 {
        self.partitions
    }

    /// Every partition of every topic.
    pub fn partitions(&self) -> impl Iterator<Item = (Topic, u32)> + '_ {
        self.places.keys().copied()
    }

    /// From where its counting began to its end.
    pub fn bounds(&self, topic: Topic, partition: u32) -> Option<(i64, i64)> {
        self.places.get(&(topic, partition)).map(|place| (place.base, place.log.next))
    }

    /// Who was erased of what only the archive holds: it has no rows of theirs.
    pub(super) fn erased_in_archive(&self) -> Vec<[u8; 16]> {
        let used = self.places.values().any(|place| place.base < place.log.first);
        self.archive.filter(|_| used).map(|archive| archive.erased()).unwrap_or_default()
    }

    pub fn base(&self, topic: Topic, partition: u32) -> i64 {
        self.bounds(topic, partition).map_or(0, |(base, _)| base)
    }

    /// Whether an offset is only in the archive.
    pub fn is_archived(&self, topic: Topic, partition: u32, offset: i64) -> bool {
        self.places.get(&(topic, partition)).is_some_and(|place| offset < place.log.first)
    }

    /// The first offset whose record was appended after a time; the end if none was.
    pub(super) async fn first_after(
        &self,
        topic: Topic,
        partition: u32,
        ms: i64,
    ) -> Result<i64, ReplayToError> {
        let Some(place) = self.places.get(&(topic, partition)).copied() else { return Ok(0) };
        let (mut low, mut high) = (place.base.max(place.log.first), place.log.next);
        if let Some(archive) = self.archive
            && place.base < place.log.first
        {
            let range = place.base..place.log.first;
            let found = archive.first_after(topic, partition, range, ms).await?;
            if found < place.log.first {
                return Ok(found);
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let fed = self.read(topic, partition, middle..high, ONE).await?;
            match fed.records.first() {
                Some(record) if record.appended.0 <= ms => low = record.offset + 1,
                // The record, or a gap before the one that is looked at.
                _ => high = middle,
            }
        }
        Ok(low)
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
        let first = self.places.get(&(topic, partition)).map_or(0, |place| place.log.first);
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
