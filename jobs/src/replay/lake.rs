//! What the log has forgotten, out of the event lake: rows of many files, by day and type, merged back into the order of their offsets.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::pin::Pin;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use shoptide_lake::{FileKind, Lake, LakeError, LakeFile, LakeOptions, Snapshot};
use shoptide_live::fold::{Decoded, Fed, ReplayError, decode};
use shoptide_log::{ReadMax, Record, generation_of};
use shoptide_schemas::arrow::read_events;
use shoptide_schemas::event::EventKind;
use shoptide_schemas::{EventMs, Topic};
use tokio::sync::Mutex;

use super::Archive;

/// Rows that are decoded at a time of one open file.
const ROWS: usize = 256;

/// A lake as it was at its newest commit.
pub struct LakeArchive {
    lake: Lake,
    snapshot: Snapshot,
    /// Of the user topics, by generation.
    partitions: Vec<u32>,
    walks: Mutex<HashMap<(Topic, u32), Walk>>,
}

impl LakeArchive {
    /// `partitions`: of the user topics, by generation from the first.
    ///
    /// # Errors
    /// [`LakeError`] if the lake cannot be read.
    pub async fn open(options: &LakeOptions, partitions: Vec<u32>) -> Result<Self, LakeError> {
        let lake = Lake::open(options).await?;
        let snapshot = lake.snapshot().await?;
        Ok(Self { lake, snapshot, partitions, walks: Mutex::default() })
    }

    fn files(&self, topic: Topic, partition: u32, range: &Range<i64>) -> Vec<LakeFile> {
        let within = |file: &&LakeFile| {
            (file.topic, file.partition) == (topic, partition)
                && range.start < file.next
                && file.first < range.end
        };
        self.snapshot.files.iter().filter(within).cloned().collect()
    }
}

fn failed(error: impl std::fmt::Display) -> ReplayError {
    ReplayError::Feed(error.to_string())
}

#[async_trait]
impl Archive for LakeArchive {
    fn holds(&self, topic: Topic, partition: u32) -> Option<(i64, i64)> {
        let tally = self.snapshot.tally(topic, partition)?;
        // Days that were retired are gaps that nothing fills.
        (tally.retired == 0).then_some((tally.base, tally.cut))
    }

    fn erased(&self) -> Vec<[u8; 16]> {
        self.snapshot.erased.iter().map(|erasure| erasure.user.0).collect()
    }

    async fn first_after(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        ms: i64,
    ) -> Result<i64, ReplayError> {
        let mut found = range.end;
        for file in self.files(topic, partition, &range).into_iter().filter(|file| ms < file.appended_max) {
            if found <= file.first {
                continue;
            }
            let mut rows = self.lake.read(&file, Some(&["offset", "appended_at"])).await.map_err(failed)?;
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(failed)?;
                let (offsets, appended) =
                    places(&batch).ok_or_else(|| failed("the lake's rows name no offsets"))?;
                let later =
                    offsets.iter().zip(appended).find(|(offset, at)| range.start <= **offset && ms < **at);
                if let Some((offset, _)) = later {
                    found = found.min(*offset);
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError> {
        let mut walks = self.walks.lock().await;
        let walk = walks.remove(&(topic, partition)).filter(|walk| walk.at == range.start);
        let mut walk = walk.unwrap_or_else(|| {
            Walk::new(self.files(topic, partition, &(range.start..i64::MAX)), range.start)
        });
        let mut fed = Fed::default();
        let mut bytes = 0;
        while fed.records.len() < max.records.max(1) && (fed.records.is_empty() || bytes < max.bytes) {
            let Some((record, decoded)) = walk.next(&self.lake, &self.partitions, range.end).await? else {
                break;
            };
            // A row has no text to count: what an event takes in memory, about.
            bytes += record.bytes().max(ROW_BYTES);
            fed.records.push(record);
            fed.decoded.push(decoded);
        }
        walks.insert((topic, partition), walk);
        Ok(fed)
    }

    fn name(&self) -> String {
        format!("the lake {}", self.lake.url())
    }
}

/// Of an event without its text.
const ROW_BYTES: usize = 150;

fn places(batch: &RecordBatch) -> Option<(&[i64], &[i64])> {
    let offsets = batch.column_by_name("offset")?.as_primitive_opt::<Int64Type>()?;
    let appended = batch.column_by_name("appended_at")?.as_primitive_opt::<TimestampMillisecondType>()?;
    Some((offsets.values(), appended.values()))
}

/// One partition on its way: the files that overlap are open, each some rows ahead.
struct Walk {
    at: i64,
    /// The one that begins first is the last.
    waiting: Vec<LakeFile>,
    open: Vec<Option<Open>>,
    /// Offset of each open file's next row, and its place.
    order: BinaryHeap<Reverse<(i64, usize)>>,
}

type Rows = Pin<Box<dyn Stream<Item = Result<RecordBatch, LakeError>> + Send>>;

struct Open {
    kind: FileKind,
    batches: Rows,
    /// What is left of the last batch.
    batch: Option<RecordBatch>,
    rows: VecDeque<(Record, Decoded)>,
}

impl Walk {
    fn new(mut waiting: Vec<LakeFile>, at: i64) -> Self {
        waiting.sort_by_key(|file| std::cmp::Reverse(file.first));
        Self { at, waiting, open: Vec::new(), order: BinaryHeap::new() }
    }

    async fn next(
        &mut self,
        lake: &Lake,
        partitions: &[u32],
        end: i64,
    ) -> Result<Option<(Record, Decoded)>, ReplayError> {
        loop {
            let least = self.order.peek().map(|Reverse((offset, _))| *offset);
            if let Some(file) = self.waiting.pop_if(|file| least.is_none_or(|least| file.first <= least)) {
                let batches: Rows = Box::pin(lake.read(&file, None).await.map_err(failed)?);
                let open = Open { kind: file.kind, batches, batch: None, rows: VecDeque::new() };
                self.open.push(Some(open));
                self.ahead(self.open.len() - 1, partitions).await?;
                continue;
            }
            let Some(Reverse((offset, place))) = self.order.pop() else { return Ok(None) };
            if end <= offset {
                self.order.push(Reverse((offset, place)));
                return Ok(None);
            }
            let row = self.take(place, partitions).await?;
            let Some((record, decoded)) = row else { continue };
            let unread = |decoded: &Decoded| {
                decoded
                    .user_event()
                    .is_some_and(|e| matches!(&e.kind, EventKind::Absorbed { part, .. } if part.is_empty()))
            };
            // The record as it was appended, if it is kept too.
            if let Some(Reverse((same, other))) = self.order.peek().copied()
                && same == offset
            {
                self.order.pop();
                let second = self.take(other, partitions).await?;
                self.at = offset + 1;
                return Ok(Some(match second {
                    Some(second) if unread(&decoded) => second,
                    _ => (record, decoded),
                }));
            }
            if unread(&decoded) {
                return Err(failed(format!(
                    "{} partition {} offset {offset}: what an anonymous user brought along is only in the log, and gone from it",
                    record.topic, record.partition
                )));
            }
            self.at = offset + 1;
            return Ok(Some((record, decoded)));
        }
    }

    /// The next row of an open file.
    async fn take(
        &mut self,
        place: usize,
        partitions: &[u32],
    ) -> Result<Option<(Record, Decoded)>, ReplayError> {
        let row = self.open.get_mut(place).and_then(Option::as_mut).and_then(|open| open.rows.pop_front());
        self.ahead(place, partitions).await?;
        Ok(row)
    }

    /// Sees to it that an open file has a row ready, or closes it.
    async fn ahead(&mut self, place: usize, partitions: &[u32]) -> Result<(), ReplayError> {
        let Some(slot) = self.open.get_mut(place) else { return Ok(()) };
        let Some(open) = slot else { return Ok(()) };
        while open.rows.is_empty() {
            let batch = match open.batch.take() {
                Some(batch) => batch,
                None => match open.batches.next().await {
                    Some(batch) => batch.map_err(failed)?,
                    None => {
                        *slot = None;
                        return Ok(());
                    }
                },
            };
            let now = batch.slice(0, ROWS.min(batch.num_rows()));
            if now.num_rows() < batch.num_rows() {
                open.batch = Some(batch.slice(now.num_rows(), batch.num_rows() - now.num_rows()));
            }
            let rows = match open.kind {
                FileKind::Events => events(&now)?,
                FileKind::Records => records(&now, partitions)?,
            };
            let at = self.at;
            open.rows.extend(rows.into_iter().filter(|(record, _)| at <= record.offset));
        }
        if let Some((record, _)) = open.rows.front() {
            self.order.push(Reverse((record.offset, place)));
        }
        Ok(())
    }
}

fn place_of(batch: &RecordBatch) -> Option<(Topic, u32)> {
    let topic = batch.column_by_name("topic")?.as_string_opt::<i32>()?;
    let partition =
        batch.column_by_name("partition")?.as_primitive_opt::<arrow_array::types::UInt32Type>()?;
    (0 < batch.num_rows()).then_some(())?;
    Some((Topic::from_name(topic.value(0))?, partition.value(0)))
}

fn events(batch: &RecordBatch) -> Result<Vec<(Record, Decoded)>, ReplayError> {
    let Some((topic, partition)) = place_of(batch) else {
        return Err(failed("the lake's rows name no partition"));
    };
    let row = |row: shoptide_schemas::arrow::ReadRow| {
        let key = Some(Bytes::copy_from_slice(row.event.user.as_bytes()));
        let record =
            Record { topic, partition, offset: row.offset, appended: row.appended, key, value: None };
        (record, Decoded::User(Box::new(row.event)))
    };
    // The row of an erasure no longer says whose: [`Archive::erased`] does.
    let kept = |row: &shoptide_schemas::arrow::ReadRow| !matches!(row.event.kind, EventKind::Erased);
    Ok(read_events(batch).map_err(failed)?.into_iter().filter(kept).map(row).collect())
}

fn records(batch: &RecordBatch, partitions: &[u32]) -> Result<Vec<(Record, Decoded)>, ReplayError> {
    let wrong = || failed("the lake's records have other columns");
    let (topic, partition) = place_of(batch).ok_or_else(wrong)?;
    let (offsets, appended) = places(batch).ok_or_else(wrong)?;
    let binary =
        |name: &str| batch.column_by_name(name).and_then(|c| c.as_binary_opt::<i32>()).ok_or_else(wrong);
    let (keys, values) = (binary("key")?, binary("value")?);
    let rows = offsets.iter().zip(appended).enumerate().map(|(row, (offset, appended))| {
        let field = |column: &arrow_array::BinaryArray| {
            column.is_valid(row).then(|| Bytes::copy_from_slice(column.value(row)))
        };
        let (key, value) = (field(keys), field(values));
        let record = Record { topic, partition, offset: *offset, appended: EventMs(*appended), key, value };
        let generation = usize::try_from(generation_of(*offset)).unwrap_or(usize::MAX);
        let partitions = partitions.get(generation - 1).or(partitions.last()).copied().unwrap_or(1);
        let decoded = decode(&record, partitions);
        (record, decoded)
    });
    Ok(rows.collect())
}
