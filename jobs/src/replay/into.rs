//! `replay --until T --into DIR`: a shop as it was, in a data directory of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use shoptide_live::fold::{Feed, Inspect, Stretch, WholeRun, first_bases};
use shoptide_live::{ModelFiles, catalogue_at, load_version};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions};
use shoptide_models::list::{Linked, ListParams};
use shoptide_schemas::Topic;
use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

use super::copy::{Copying, Told, finish_log};
use super::forgotten::Without;
use super::{
    Archive, Cut, History, ModelThen, Moment, ReplayToError, SourceCounts, cut_of, forgotten_since, lists,
    model_then, take_chain,
};
use crate::grow;

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
    /// The generation of topics that the moment lies in.
    pub generation: u32,
    /// Of the user topics then, and of the new shop.
    pub partitions: u32,
    /// Whether the new folder holds the records too.
    pub log_copied: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_log: Option<WithoutLog>,
}

/// Why a new folder has a log that goes on from the moment, but none of the records before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutLog {
    /// It was asked for.
    Asked,
    /// Rows of the lake are no longer what was appended.
    Archived,
    /// The moment lies behind the first generation of topics: an embedded log never grows, so it cannot have those before.
    Grown,
}

impl Rebuild<'_> {
    /// Rebuilds. The caller marks the folder before and unmarks it afterwards: what is stopped half way is no shop.
    ///
    /// # Errors
    /// [`ReplayToError`]; a refusal has written nothing.
    pub async fn run(&self) -> Result<Report, ReplayToError> {
        let history = History::open(self.log, self.archive, self.truth).await?;
        let cut = cut_of(&history, &self.moment).await?;
        let forgotten = forgotten_since(&history, self.truth, &cut).await?;
        let partitions = history.partitions_in(cut.generation());
        let without_log = self.without_log(&history, &cut);
        let truth = SqliteTruth::open(SqliteTruthOptions::rebuilt(self.truth_path)).await?;
        let began = Instant::now();
        let copying = Copying::begin(self.log_path, partitions, without_log.is_none()).await?;
        let without = Without { history: &history, forgotten: &forgotten };
        let feed = Told::new(&without, copying.sender);
        for generation in 1..=cut.generation() {
            if 1 < generation {
                self.grow(&*truth, generation).await?;
            }
            self.fold((&history, generation, &cut), (&feed, &*truth)).await?;
        }
        let told = feed.seen();
        let copy = copying.task.await.map_err(|error| ReplayToError::Task(error.to_string()))??;
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
            generation: cut.generation(),
            partitions,
            log_copied: without_log.is_none(),
            without_log,
        };
        truth.close().await;
        Ok(report)
    }

    /// One generation of topics: to its end, or in the last one to the cut, with the catalogue.
    async fn fold(
        &self,
        (history, generation, cut): (&History<'_>, u32, &Cut),
        (feed, truth): (&dyn Feed, &dyn Truth),
    ) -> Result<(), ReplayToError> {
        let partitions = history.partitions_in(generation);
        let last = generation == cut.generation();
        for shard in 0..partitions {
            let bases = first_bases(shard, |topic| history.base(topic, shard));
            let end = |topic: Topic, base: i64| match last {
                true => cut.get(topic, shard),
                false if topic.is_user() => history.bounds(generation, topic, shard).map(|(_, end)| end),
                false => Some(base),
            };
            let until: BTreeMap<u8, i64> = bases
                .iter()
                .map(|(topic, base)| (topic.code(), end(*topic, *base).unwrap_or(*base)))
                .collect();
            let run = WholeRun {
                feed,
                truth,
                shard,
                partitions,
                bases: &bases,
                until: &until,
                inspect: self.inspect.clone(),
                stretch: self.stretch,
            };
            run.run().await?;
        }
        Ok(())
    }

    /// Moves the users to the larger topics of the next generation.
    async fn grow(&self, truth: &dyn Truth, generation: u32) -> Result<(), ReplayToError> {
        let mut growth = grow::remembered(self.truth, self.log, generation).await?;
        // Where the fold stands: the lake has no rows of erased users, and theirs may have been the last.
        let rows = truth.offsets().await?.into_iter().filter(|row| row.topic.is_user());
        growth.ends = rows.map(|row| (row.topic, row.shard, row.next_off)).collect();
        Ok(grow::enter(truth, &growth).await?)
    }

    /// Why the new folder cannot have the records, if it cannot.
    fn without_log(&self, history: &History<'_>, cut: &Cut) -> Option<WithoutLog> {
        let mut partitions = history.partitions(cut.generation());
        if !self.copy_log {
            Some(WithoutLog::Asked)
        } else if 1 < cut.generation() {
            Some(WithoutLog::Grown)
        } else if partitions.any(|(topic, p)| history.is_archived(topic, p, history.base(topic, p))) {
            Some(WithoutLog::Archived)
        } else {
            None
        }
    }

    async fn lists(&self, truth: &SqliteTruth, model: &ModelThen) -> Result<u64, ReplayToError> {
        let snapshot = match model.version {
            Some(version) => Some(load_version(truth, &self.models, version, None).await?),
            None => None,
        };
        let (_, stands) = truth.catalogue().await?;
        let clock: shoptide_log::Clock = std::sync::Arc::new(|| 0);
        let nothing_more = MemoryLog::new(MemoryLogOptions { partitions: 1, clock, queue_records_max: 1 });
        let catalogue = catalogue_at(truth, &*nothing_more, stands.map_or(0, |row| row.next_off)).await?;
        let linked = Linked::new(snapshot, std::sync::Arc::new(catalogue), None);
        lists::make_all(truth, &linked, self.lists, self.rules_version).await
    }
}
