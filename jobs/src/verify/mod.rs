//! The proof: replays the log in one thread into an empty store and compares every folded table byte for byte, recomputes
//! a sample of lists from the inputs they name, and checks that the counts of every partition add up.

mod lists;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use shoptide_live::fold::{Inspect, ReplayError, replay_rated};
use shoptide_live::{LiveError, ModelFiles};
use shoptide_log::{Log, LogError, generation_of};
use shoptide_models::list::ListParams;
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_store::{OffsetRow, SqliteTruth, SqliteTruthOptions, StoreError, Truth};

use crate::grow;

pub use lists::ListsReport;
pub use tables::TableReport;
use tables::Tables;

/// What is compared with what.
pub struct Verify<'a> {
    pub log: &'a dyn Log,
    pub truth: &'a dyn Truth,
    pub files: &'a ModelFiles,
    pub lists: &'a ListParams,
    pub rules_version: u64,
    /// An empty folder for the replay.
    pub scratch: &'a Path,
    /// What the stream was given, if anything.
    pub inspect: Option<Inspect>,
}

/// One (partition, topic), summed.
#[derive(Debug, Clone, Serialize)]
pub struct SumReport {
    pub topic: &'static str,
    pub partition: u32,
    pub logged: i64,
    pub applied: i64,
    pub duplicate: i64,
    pub late: i64,
    pub erased: i64,
    pub dead_lettered: i64,
    pub adds_up: bool,
}

/// The whole proof.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub ok: bool,
    /// Records that the proof covers: all that were folded.
    pub records: i64,
    /// Records that the log holds and that were not folded yet: the proof says nothing of them.
    pub behind: i64,
    pub replay_s: f64,
    pub tables: Vec<TableReport>,
    pub sums: Vec<SumReport>,
    pub lists: ListsReport,
}

/// Why the proof could not be made; a proof that fails is a [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Live(#[from] LiveError),
}

impl Verify<'_> {
    /// Makes the proof for what is folded so far. The stream may run meanwhile: the tables are those of one moment, and the
    /// replay ends where they stood.
    ///
    /// # Errors
    /// [`VerifyError`] if log or store cannot be read.
    pub async fn run(&self) -> Result<Report, VerifyError> {
        let began = std::time::Instant::now();
        let (ours, rows) = Tables::of(self.truth).await?;
        let path = self.scratch.join("replay.db");
        let clean = SqliteTruth::open(SqliteTruthOptions::new(path)).await?;
        self.replay(&rows, &*clean).await?;
        let replay_s = began.elapsed().as_secs_f64();
        let (replayed, _) = Tables::of(&*clean).await?;
        clean.close().await;
        let tables = ours.compare(replayed);
        let sums: Vec<SumReport> = rows.iter().map(sum).collect();
        let lists = lists::Sample::new(self).await?.run().await?;
        let ok =
            tables.iter().all(|t| t.equal) && sums.iter().all(|s| s.adds_up) && lists.different.is_empty();
        let records = rows.iter().map(|r| r.tally.logged).sum();
        Ok(Report { ok, records, behind: self.behind(&rows).await?, replay_s, tables, sums, lists })
    }

    /// The parts of the proof that need no replay: a sample of the lists, and the counts of every partition.
    ///
    /// # Errors
    /// [`VerifyError`] if log or store cannot be read.
    pub async fn sample(&self) -> Result<Report, VerifyError> {
        let rows = self.truth.offsets().await?;
        let sums: Vec<SumReport> = rows.iter().map(sum).collect();
        let lists = lists::Sample::new(self).await?.run().await?;
        let ok = sums.iter().all(|s| s.adds_up) && lists.different.is_empty();
        let records = rows.iter().map(|r| r.tally.logged).sum();
        let (behind, tables) = (self.behind(&rows).await?, Vec::new());
        Ok(Report { ok, records, behind, replay_s: 0.0, tables, sums, lists })
    }

    /// Generation by generation: each is folded to its end, then the users move.
    async fn replay(&self, rows: &[OffsetRow], clean: &dyn Truth) -> Result<(), VerifyError> {
        let last = self.truth.generation().await?;
        for generation in 1..=last {
            let ends = if generation < last { self.truth.ended(generation).await? } else { Vec::new() };
            let end_of = |row: &OffsetRow| {
                let end = ends.iter().find(|(topic, shard, _)| (*topic, *shard) == (row.topic, row.shard));
                match end {
                    Some((.., end)) => *end,
                    // The catalogue has one generation; it is folded with the last.
                    None if generation < last => row.base_off,
                    None => row.next_off,
                }
            };
            let mut shards: BTreeMap<u32, Vec<&OffsetRow>> = BTreeMap::new();
            let begun = |row: &&OffsetRow| !row.topic.is_user() || generation_of(row.base_off) <= generation;
            rows.iter().filter(begun).for_each(|row| shards.entry(row.shard).or_default().push(row));
            for (shard, rows) in &shards {
                let bases: Vec<(Topic, i64)> = rows.iter().map(|r| (r.topic, r.base_off)).collect();
                let until = rows.iter().map(|r| (r.topic.code(), end_of(r))).collect();
                // A store that does not know is from before ratings were summed, and has no sums.
                let rated = self.truth.rated_from(*shard).await?.unwrap_or(i64::MAX);
                replay_rated(self.log, clean, *shard, &bases, &until, rated, self.inspect.clone()).await?;
            }
            if generation < last {
                let growth = grow::remembered(self.truth, self.log, generation + 1).await?;
                grow::enter(clean, &growth).await?;
            }
        }
        Ok(())
    }

    async fn behind(&self, rows: &[OffsetRow]) -> Result<i64, VerifyError> {
        let mut behind = 0;
        for topic in ALL_TOPICS {
            for partition in 0..self.log.partitions(topic) {
                let row = rows.iter().find(|r| r.topic == topic && r.shard == partition);
                let marks = self.log.watermarks(topic, partition).await?;
                behind += (marks.next - row.map_or(marks.first, |r| r.next_off)).max(0);
            }
        }
        Ok(behind)
    }
}

fn sum(row: &OffsetRow) -> SumReport {
    let t = row.tally;
    SumReport {
        topic: row.topic.name(),
        partition: row.shard,
        logged: t.logged,
        applied: t.applied,
        duplicate: t.duplicate,
        late: t.late,
        erased: t.erased,
        dead_lettered: t.dead,
        // Offsets may have gaps: between generations, and where other producers' transactions ended. The replay has counted what
        // lies between them.
        adds_up: t.adds_up() && t.logged <= row.next_off - row.base_off,
    }
}
