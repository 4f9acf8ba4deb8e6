//! The archiver: reads what the log has beyond the lake's cut, puts it as files, and publishes them in one commit.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use shoptide_log::{Clock, Log, LogError, ReadMax, first_offset};
use shoptide_schemas::topic::ALL_TOPICS;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::LakeError;
use crate::commit::{Change, Lost, Step, Work};
use crate::encode::{Encoded, FileMax, encode};
use crate::erased::ErasedUsers;
use crate::file::LakeFile;
use crate::lake::{Lake, token};
use crate::pace::Pace;
use crate::plan::{End, Next, after_generation, plan};
use crate::portion::{Group, Portion};
use crate::snapshot::Snapshot;

/// One read of the log: one batch of rows, far below [`BATCH_ROWS_MAX`](shoptide_schemas::arrow::BATCH_ROWS_MAX).
const READ: ReadMax = ReadMax { records: 8_192, bytes: 4 * 1024 * 1024 };
/// Files on their way to the store at a time: enough to hide its answer times.
const PUTS_AT_ONCE: usize = 4;
/// Steps that others may win, one after the other, before a run says so.
const CONFLICTS_MAX: usize = 64;

/// Bounds of the archiver. Memory is some three times `portion_bytes`.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveLimits {
    /// Rows of one partition that are sorted at a time.
    pub portion_rows: usize,
    /// Bytes of these rows in memory.
    pub portion_bytes: usize,
    /// Records of one step: what a kill makes to be done again.
    pub step_records: u64,
    pub file_rows: usize,
    pub file_bytes: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            portion_rows: 262_144,
            portion_bytes: 48 * 1024 * 1024,
            step_records: 2_000_000,
            file_rows: 1_000_000,
            file_bytes: 64 * 1024 * 1024,
        }
    }
}

/// What a step or a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Archived {
    /// Of the log.
    pub records: u64,
    /// In files; fewer by those of erased users.
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub commits: u64,
    /// Steps that another archiver won.
    pub conflicts: u64,
    /// Nothing more was in the log.
    pub drained: bool,
}

/// Told after each read how many records a run has read, and how many there are from its begin to the log's end, about: holes
/// count as records, and the log moves on.
pub type Watch<'w> = &'w (dyn Fn(u64, u64) + Send + Sync);

/// Follows a log into a lake. Any number of them may run: one wins each step.
#[derive(Clone)]
pub struct Archiver {
    pub lake: Lake,
    pub log: Arc<dyn Log>,
    pub clock: Clock,
    pub limits: ArchiveLimits,
}

impl Archiver {
    /// Steps until nothing more is in the log.
    ///
    /// # Errors
    /// [`LakeError`]; what was published before it stays.
    pub async fn run(&self) -> Result<Archived, LakeError> {
        self.run_with(&|_, _| {}).await
    }

    /// The same, watched.
    ///
    /// # Errors
    /// As [`Archiver::run`].
    pub async fn run_with(&self, watch: Watch<'_>) -> Result<Archived, LakeError> {
        let mut sum = Archived::default();
        while !sum.drained {
            let before = sum.records;
            match self.step_with(&|read, behind| watch(before + read, before + behind)).await {
                Ok(step) => sum.add(step),
                Err(LakeError::Conflict { commit, reason }) if sum.conflicts < CONFLICTS_MAX as u64 => {
                    tracing::info!(commit, reason, "another archiver was first; going on from the new state");
                    sum.conflicts += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sum)
    }

    /// One step: one commit, or none if nothing is new.
    ///
    /// # Errors
    /// [`LakeError::Gap`] if the log has dropped what is not archived; [`LakeError::Conflict`] if another archiver was first.
    /// Nothing was published then.
    pub async fn step(&self) -> Result<Archived, LakeError> {
        self.step_with(&|_, _| {}).await
    }

    async fn step_with(&self, watch: Watch<'_>) -> Result<Archived, LakeError> {
        let pace = Pace::new((self.clock)());
        let base = self.lake.newest().await?;
        let ends = self.ends().await?;
        let planned =
            plan(&base, &ends, |topic, generation| self.log.partitions_at(topic, first_offset(generation)))?;
        let behind = planned.iter().map(|next| behind(*next, &ends)).sum();
        let mut change = Change::new(Work::Archive, &base);
        let mut erased = Arc::new(ErasedUsers::clone(&base.erased));
        let mut done = Archived { drained: true, ..Archived::default() };
        let mut writing: Option<JoinHandle<Result<Vec<LakeFile>, LakeError>>> = None;
        for next in planned {
            if self.limits.step_records <= done.records {
                done.drained = false;
                break;
            }
            let Some((portion, drained)) =
                self.portion(next, &ends, &|read| watch(done.records + read, behind)).await?
            else {
                continue;
            };
            done.drained &= drained;
            done.records += portion.records;
            let (portion, groups) = portion.into_groups(&mut erased).map_err(shape)?;
            change.steps.push(Step {
                topic: portion.topic,
                partition: portion.partition,
                from: portion.from,
                to: portion.to,
                records: portion.records,
            });
            if 0 < portion.erased_rows {
                let (topic, partition) = (portion.topic, portion.partition);
                change.lost.push(Lost { topic, partition, erased: portion.erased_rows, retired: 0 });
            }
            change.erased.extend(portion.erasures);
            // One portion is written while the next is read.
            let next = tokio::spawn(write(self.lake.clone(), groups, self.limits));
            if let Some(before) = writing.replace(next) {
                change.added.extend(joined(before).await?);
            }
        }
        if let Some(last) = writing {
            change.added.extend(joined(last).await?);
        }
        if change.steps.is_empty() {
            return Ok(done);
        }
        pace.in_time()?;
        self.lake.publish(&change, (self.clock)()).await?;
        done.rows = change.added.iter().map(|f| f.rows).sum();
        done.bytes = change.added.iter().map(|f| f.bytes).sum();
        (done.files, done.commits) = (change.added.len() as u64, 1);
        Ok(done)
    }

    /// What the log has, of every partition.
    async fn ends(&self) -> Result<Vec<End>, LakeError> {
        let mut ends = Vec::new();
        for topic in ALL_TOPICS {
            for partition in 0..self.log.partitions(topic) {
                let marks = self.log.watermarks(topic, partition).await?;
                ends.push(End { topic, partition, first: marks.first, next: marks.next });
            }
        }
        Ok(ends)
    }

    /// Reads one partition within the bounds; `None` if there was nothing. True: to its end.
    async fn portion(
        &self,
        next: Next,
        ends: &[End],
        watch: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<(Portion, bool)>, LakeError> {
        let (topic, partition, mut from, begin) = match next {
            Next::Read { topic, partition, from } => (topic, partition, from, false),
            Next::Begin { topic, partition, generation } => {
                (topic, partition, first_offset(generation), true)
            }
        };
        let max = ReadMax { records: READ.records.min(self.limits.portion_rows.max(1)), ..READ };
        let end = ends.iter().find(|e| (e.topic, e.partition) == (topic, partition)).map_or(from, |e| e.next);
        let mut records = match self.log.read(topic, partition, from, max).await {
            Err(LogError::Truncated { first, .. }) if begin => {
                from = first;
                self.log.read(topic, partition, from, max).await
            }
            other => other,
        };
        let mut portion = Portion::new(topic, partition, from);
        let drained = loop {
            let read = records.map_err(gap)?;
            let position = portion.to;
            let Some(last) = read.last() else {
                let Some(start) = after_generation(position, end) else { break true };
                portion.to = start;
                records = self.log.read(topic, partition, start, max).await;
                continue;
            };
            // What came since the step began waits for the next one, or a busy log would keep it for ever.
            let ahead = last.offset.saturating_add(1);
            let more = ahead < end && portion.records < self.limits.portion_rows as u64;
            let partitions = self.log.partitions_at(topic, position);
            let decoding = tokio::task::spawn_blocking(move || {
                portion.take(&read, partitions)?;
                Ok(portion)
            });
            let reading =
                async { if more { Some(self.log.read(topic, partition, ahead, max).await) } else { None } };
            let (decoded, read) = tokio::join!(decoding, reading);
            portion = decoded.map_err(lost_task)?.map_err(shape)?;
            watch(portion.records);
            let full = self.limits.portion_rows as u64 <= portion.records
                || self.limits.portion_bytes <= portion.bytes;
            match read {
                Some(read) if !full => records = read,
                _ => break end <= ahead,
            }
        };
        let some = portion.from < portion.to;
        Ok(some.then_some((portion, drained)))
    }
}

impl Archived {
    fn add(&mut self, step: Archived) {
        self.records += step.records;
        self.rows += step.rows;
        self.files += step.files;
        self.bytes += step.bytes;
        self.commits += step.commits;
        self.drained = step.drained;
    }
}

/// Encodes groups one after the other and puts each file as soon as it is done.
async fn write(lake: Lake, groups: Vec<Group>, limits: ArchiveLimits) -> Result<Vec<LakeFile>, LakeError> {
    let token = token()?;
    let max = FileMax { rows: limits.file_rows.max(1), bytes: limits.file_bytes };
    // Each waiting file is a part of one portion, which is bounded.
    let (sender, receiver) = mpsc::channel::<Encoded>(1);
    let encoding = tokio::task::spawn_blocking(move || {
        groups.iter().try_for_each(|group| {
            encode(group, max, &token, |encoded| {
                let gone = || LakeError::Unavailable { reason: "the step was given up".to_owned() };
                sender.blocking_send(encoded).map_err(|_| gone())
            })
        })
    });
    let files = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|encoded| (encoded, receiver))
    });
    let put = files.map(|Encoded { file, body }| async {
        lake.put(&file.path, body).await?;
        Ok::<LakeFile, LakeError>(file)
    });
    let put = put.buffer_unordered(PUTS_AT_ONCE).try_collect::<Vec<LakeFile>>().await;
    let encoded = encoding.await.map_err(lost_task)?;
    // Why a put failed says more than that its encoder was given up.
    let mut files = put?;
    encoded?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

async fn joined<T>(task: JoinHandle<Result<T, LakeError>>) -> Result<T, LakeError> {
    task.await.map_err(lost_task)?
}

/// About how many records a partition is ahead of the lake.
fn behind(next: Next, ends: &[End]) -> u64 {
    let (topic, partition, from) = match next {
        Next::Read { topic, partition, from } => (topic, partition, from),
        Next::Begin { topic, partition, .. } => (topic, partition, 0),
    };
    let end = ends.iter().find(|end| (end.topic, end.partition) == (topic, partition));
    // Before `first` are other generations: their offsets are far apart, and they are read only once.
    end.map_or(0, |end| u64::try_from(end.next.saturating_sub(from.max(end.first))).unwrap_or(0))
}

fn gap(error: LogError) -> LakeError {
    match error {
        LogError::Truncated { topic, partition, asked, first } => {
            LakeError::Gap { topic, partition, cut: asked, first }
        }
        other => LakeError::Log(other),
    }
}

pub(crate) fn lost_task(error: tokio::task::JoinError) -> LakeError {
    LakeError::Unavailable { reason: format!("a task of the archiver ended: {error}") }
}

pub(crate) fn shape(error: arrow_schema::ArrowError) -> LakeError {
    LakeError::Unusable(format!("rows cannot be made: {error}"))
}

impl From<parquet::errors::ParquetError> for LakeError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        LakeError::Unusable(format!("rows cannot be written: {error}"))
    }
}

impl Archiver {
    /// The newest snapshot, for whoever asks how far it is.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        self.lake.snapshot().await
    }
}
