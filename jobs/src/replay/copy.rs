//! What goes through a replay: counted, and copied into the new shop's log.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde::Serialize;
use shoptide_live::fold::{Fed, Feed, ReplayError};
use shoptide_log::{LogCopy, LogError, ReadMax, Record};
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_store::Truth;
use tokio::sync::mpsc;

use super::ReplayToError;
use super::forgotten::Without;

/// Batches of records on their way into the copied log: each of at most 8 MiB.
const COPY_WAITING_MAX: usize = 4;

/// Where records came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SourceCounts {
    pub log: u64,
    pub archive: u64,
}

/// The new log while records are put into it.
pub(super) struct Copying {
    /// None if they are left out.
    pub sender: Option<mpsc::Sender<Vec<Record>>>,
    pub task: tokio::task::JoinHandle<Result<LogCopy, LogError>>,
}

impl Copying {
    /// Makes the log.
    /// - `with_records`: else only where it goes on is put into it
    ///
    /// # Errors
    /// [`LogError::Unusable`] if it cannot be made.
    pub(super) async fn begin(path: &Path, partitions: u32, with_records: bool) -> Result<Self, LogError> {
        let mut copy = LogCopy::create(path, partitions).await?;
        let (sender, mut waiting) = mpsc::channel::<Vec<Record>>(COPY_WAITING_MAX);
        let task = tokio::spawn(async move {
            while let Some(records) = waiting.recv().await {
                copy.put(&records).await?;
            }
            Ok(copy)
        });
        Ok(Self { sender: with_records.then_some(sender), task })
    }
}

/// Where the new log ends is where the new truth stands.
pub(super) async fn finish_log(
    mut copy: LogCopy,
    truth: &dyn Truth,
    told: &Seen,
) -> Result<(), ReplayToError> {
    let rows = truth.offsets().await?;
    for topic in ALL_TOPICS {
        for row in rows.iter().filter(|row| row.topic == topic) {
            let first = told.copied_from.get(&(topic, row.shard)).copied().unwrap_or(row.next_off);
            let last_ms = told.last_ms.get(&(topic, row.shard)).copied().unwrap_or(0);
            copy.head(topic, row.shard, first, row.next_off, last_ms).await?;
        }
    }
    Ok(copy.finish().await?)
}

/// What went through the feed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub counts: SourceCounts,
    /// Next offset seen, so that what is read twice counts once.
    upto: BTreeMap<(Topic, u32), i64>,
    copied_from: BTreeMap<(Topic, u32), i64>,
    pub last_ms: BTreeMap<(Topic, u32), i64>,
}

/// A feed that tells what it reads, and copies it.
pub(super) struct Told<'a> {
    feed: &'a Without<'a>,
    copy: Option<mpsc::Sender<Vec<Record>>>,
    told: Mutex<Seen>,
}

impl<'a> Told<'a> {
    pub(super) fn new(feed: &'a Without<'a>, copy: Option<mpsc::Sender<Vec<Record>>>) -> Self {
        Self { feed, copy, told: Mutex::default() }
    }

    /// All of it; the copy has everything then.
    pub(super) fn seen(self) -> Seen {
        self.told.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records of one partition in their order.
    fn note(&self, records: &[Record]) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (first.topic, first.partition);
        let upto = told.upto.entry(at).or_insert(i64::MIN);
        let new = records.get(records.partition_point(|record| record.offset < *upto)..).unwrap_or_default();
        *upto = last.offset.saturating_add(1).max(*upto);
        let archived =
            |record: &Record| self.feed.history.is_archived(first.topic, first.partition, record.offset);
        let from_archive = new.partition_point(archived) as u64;
        told.counts.archive += from_archive;
        told.counts.log += new.len() as u64 - from_archive;
        let last_ms = told.last_ms.entry(at).or_insert(i64::MIN);
        *last_ms = last.appended.0.max(*last_ms);
        if self.copy.is_some() {
            told.copied_from.entry(at).or_insert(first.offset);
        }
    }
}

#[async_trait]
impl Feed for Told<'_> {
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError> {
        let fed = self.feed.read(topic, partition, range, max).await?;
        self.note(&fed.records);
        if let Some(copy) = &self.copy
            && copy.send(fed.records.clone()).await.is_err()
        {
            return Err(ReplayError::Feed("the copy of the log cannot be written".to_owned()));
        }
        Ok(fed)
    }
}
