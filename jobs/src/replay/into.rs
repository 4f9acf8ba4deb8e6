//! `replay --until T --into DIR`: a shop as it was, in a data directory of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use shoptide_live::fold::{Fed, Feed, Inspect, ReplayError, Stretch, WholeRun, first_bases};
use shoptide_live::{ModelFiles, catalogue_at, load_version};
use shoptide_log::{Log, LogCopy, LogError, MemoryLog, MemoryLogOptions, ReadMax, Record};
use shoptide_models::list::{Linked, ListParams};
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};
use tokio::sync::mpsc;

use super::forgotten::Without;
use super::{
    Archive, History, ModelThen, Moment, ReplayToError, cut_of, forgotten_since, lists, model_then,
    take_chain,
};

/// Batches of records on their way into the copied log: each of at most 8 MiB.
const COPY_WAITING_MAX: usize = 4;

/// What is rebuilt from what.
pub struct Rebuild<'a> {
    pub log: &'a dyn Log,
    pub archive: Option<&'a dyn Archive>,
    /// The shop's truth: where the counting began, who was erased since, and its models.
    pub truth: &'a dyn Truth,
    pub files: &'a ModelFiles,
    pub lists: &'a ListParams,
    pub rules_version: u64,
    pub moment: Moment,
    /// The truth to make: no file yet.
    pub truth_path: &'a Path,
    /// The log to make: no file yet.
    pub log_path: &'a Path,
    /// The models' folder to make.
    pub models: ModelFiles,
    /// Whether the log's records are copied, so that the new shop can be verified and go on.
    pub copy_log: bool,
    /// Whether lists are made.
    pub make_lists: bool,
    pub inspect: Option<Inspect>,
    pub stretch: Stretch,
}

/// Where records came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SourceCounts {
    pub log: u64,
    pub archive: u64,
}

/// What was rebuilt.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// By topic, the next offset of each partition.
    pub cut: Value,
    pub records: u64,
    pub from: SourceCounts,
    /// Seconds for reading, folding and writing.
    pub fold_s: f64,
    pub events_per_s: f64,
    /// Users who were erased after the moment: they are erased here too.
    pub erased_since: usize,
    pub users: u64,
    pub items: u64,
    pub lists: u64,
    pub model: ModelThen,
    /// Whether the new folder holds the records too.
    pub log_copied: bool,
}

impl Rebuild<'_> {
    /// Rebuilds. The caller marks the folder before and unmarks it afterwards: what is stopped half way is no shop.
    ///
    /// # Errors
    /// [`ReplayToError`]; a refusal has written nothing.
    pub async fn run(&self) -> Result<Report, ReplayToError> {
        let stands = self.truth.offsets().await?;
        let base = |topic: Topic, shard: u32| {
            stands.iter().find(|row| (row.topic, row.shard) == (topic, shard)).map(|row| row.base_off)
        };
        let history = History::open(self.log, self.archive, base).await?;
        let cut = cut_of(&history, &self.moment).await?;
        let forgotten = forgotten_since(&history, Some(self.truth), &cut).await?;
        let partitions = history.user_partitions();
        let truth = SqliteTruth::open(SqliteTruthOptions::rebuilt(self.truth_path)).await?;
        let began = Instant::now();
        let Copying { sender: copy, task: copying } = self.copy(&history, partitions).await?;
        let without = Without { feed: &history, forgotten: &forgotten, partitions };
        let feed = Told { feed: &without, history: &history, copy, told: std::sync::Mutex::default() };
        for shard in 0..partitions {
            let bases = first_bases(shard, |topic| history.base(topic, shard));
            let until: BTreeMap<u8, i64> = bases
                .iter()
                .map(|(topic, base)| (topic.code(), cut.get(*topic, shard).unwrap_or(*base)))
                .collect();
            let run = WholeRun {
                feed: &feed,
                truth: &*truth,
                shard,
                partitions,
                bases: &bases,
                until: &until,
                inspect: self.inspect.clone(),
                stretch: self.stretch,
            };
            run.run().await?;
        }
        let Told { copy, told, .. } = feed;
        drop(copy);
        let told = told.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let copy = copying.await.map_err(|error| ReplayToError::Task(error.to_string()))??;
        finish_log(copy, &*truth, &told).await?;
        let fold_s = began.elapsed().as_secs_f64();
        let at_ms = match &self.moment {
            Moment::Time(ms) => *ms,
            _ => told.last_ms.values().copied().max().unwrap_or(0),
        };
        let then = model_then(&self.truth.models().await?, self.truth.model_pointer().await?, at_ms);
        let model = take_chain((self.truth, self.files), (&*truth, &self.models), then).await?;
        let lists = if self.make_lists { self.lists(&truth, &model).await? } else { 0 };
        let rows = truth.offsets().await?;
        let records = rows.iter().map(|row| u64::try_from(row.tally.logged).unwrap_or(0)).sum();
        let (items, _) = truth.catalogue().await?;
        let report = Report {
            cut: cut.to_json(),
            records,
            from: told.counts,
            fold_s,
            events_per_s: records as f64 / fold_s.max(1e-9),
            erased_since: forgotten.len(),
            users: truth.count_users().await?,
            items: items.len() as u64,
            lists,
            model,
            log_copied: self.copy_log && told.counts.archive == 0,
        };
        truth.close().await;
        Ok(report)
    }

    /// Begins to copy records into the new log. What comes out of an archive cannot be copied: it is no longer what was appended.
    async fn copy(&self, history: &History<'_>, partitions: u32) -> Result<Copying, ReplayToError> {
        let mut copy = LogCopy::create(self.log_path, partitions).await?;
        let (sender, mut waiting) = mpsc::channel::<Vec<Record>>(COPY_WAITING_MAX);
        let archived = history
            .partitions()
            .any(|(topic, partition)| history.is_archived(topic, partition, history.base(topic, partition)));
        let task = tokio::spawn(async move {
            while let Some(records) = waiting.recv().await {
                copy.put(&records).await?;
            }
            Ok(copy)
        });
        Ok(Copying { sender: (self.copy_log && !archived).then_some(sender), task })
    }

    async fn lists(&self, truth: &SqliteTruth, model: &ModelThen) -> Result<u64, ReplayToError> {
        let snapshot = match model.version {
            Some(version) => Some(load_version(truth, &self.models, version, None).await?),
            None => None,
        };
        let (_, stands) = truth.catalogue().await?;
        let nothing_more = empty_log(1);
        let catalogue = catalogue_at(truth, &*nothing_more, stands.map_or(0, |row| row.next_off)).await?;
        let linked = Linked::new(snapshot, std::sync::Arc::new(catalogue), None);
        lists::make_all(truth, &linked, self.lists, self.rules_version).await
    }
}

/// The new log while records are put into it.
struct Copying {
    /// None if they are left out.
    sender: Option<mpsc::Sender<Vec<Record>>>,
    task: tokio::task::JoinHandle<Result<LogCopy, LogError>>,
}

/// A log without records: nothing follows the moment.
pub(super) fn empty_log(partitions: u32) -> std::sync::Arc<MemoryLog> {
    let clock: shoptide_log::Clock = std::sync::Arc::new(|| 0);
    MemoryLog::new(MemoryLogOptions { partitions, clock, queue_records_max: 1 })
}

/// Where the new log ends is where the new truth stands.
async fn finish_log(mut copy: LogCopy, truth: &dyn Truth, told: &Seen) -> Result<(), ReplayToError> {
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
struct Seen {
    counts: SourceCounts,
    /// Next offset seen, so that what is read twice counts once.
    upto: BTreeMap<(Topic, u32), i64>,
    copied_from: BTreeMap<(Topic, u32), i64>,
    last_ms: BTreeMap<(Topic, u32), i64>,
}

/// A feed that tells what it reads, and copies it.
struct Told<'a> {
    feed: &'a Without<'a>,
    history: &'a History<'a>,
    copy: Option<mpsc::Sender<Vec<Record>>>,
    told: std::sync::Mutex<Seen>,
}

impl Told<'_> {
    /// Records of one partition in their order.
    fn note(&self, records: &[Record]) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = (first.topic, first.partition);
        let upto = told.upto.entry(at).or_insert(i64::MIN);
        let new = records.get(records.partition_point(|record| record.offset < *upto)..).unwrap_or_default();
        *upto = last.offset.saturating_add(1).max(*upto);
        let archived =
            |record: &Record| self.history.is_archived(first.topic, first.partition, record.offset);
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
