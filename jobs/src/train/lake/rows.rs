//! One partition's records in order of offset: the lake's files merged, then the log.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use shoptide_lake::{LakeError, LakeFile};
use shoptide_live::fold::{Decoded, decode};
use shoptide_log::{ReadMax, Record, first_offset, generation_of};
use shoptide_schemas::event::EventKind;
use shoptide_schemas::{EventMs, EventType, ShopEvent};

use super::row::{Columns, columns};
use super::{Common, Span};
use crate::train::TrainError;

/// Records of one read of the log.
const READ: ReadMax = ReadMax { records: 2_000, bytes: 8 * 1024 * 1024 };

/// One open file.
struct Open {
    path: String,
    event_type: EventType,
    stream: BoxStream<'static, Result<RecordBatch, LakeError>>,
    columns: Columns,
    row: usize,
}

/// A record as the fold takes it.
pub struct Next {
    pub offset: i64,
    pub appended: EventMs,
    pub event: ShopEvent,
    /// It came from the log.
    pub tail: bool,
}

/// The records of a span, one after the other.
pub struct Rows<'a> {
    common: &'a Common,
    span: &'a Span,
    /// Files that begin later, in order.
    waiting: VecDeque<&'a LakeFile>,
    open: Vec<Open>,
    /// The next offset of each open file, and its place.
    order: BinaryHeap<Reverse<(i64, usize)>>,
    /// Raw records by offset, once one was asked for.
    raw: Option<HashMap<i64, Vec<u8>>>,
    at: i64,
    read: VecDeque<Record>,
}

impl<'a> Rows<'a> {
    pub fn new(common: &'a Common, span: &'a Span) -> Self {
        // Whose rows an erasure took out is not told by its own row, and need not be.
        let told = |file: &&LakeFile| file.event_type != Some(EventType::UserErased);
        Self {
            common,
            span,
            waiting: span.files.iter().filter(told).collect(),
            open: Vec::new(),
            order: BinaryHeap::new(),
            raw: None,
            at: span.tail,
            read: VecDeque::new(),
        }
    }

    /// The next record whose offset is below `before`; those that the fold would refuse are passed over.
    ///
    /// # Errors
    /// [`TrainError::Lake`], [`TrainError::Log`].
    pub async fn next(&mut self, before: i64) -> Result<Option<Next>, TrainError> {
        if let Some(found) = self.of_files(before).await? {
            return Ok(Some(found));
        }
        self.of_log(before).await
    }

    async fn of_files(&mut self, before: i64) -> Result<Option<Next>, TrainError> {
        loop {
            // Whatever begins before the next open row must be open.
            while let Some(file) = self.waiting.front()
                && self.order.peek().is_none_or(|Reverse((offset, _))| file.first <= *offset)
            {
                let file = *file;
                self.waiting.pop_front();
                self.open(file).await?;
            }
            let Some(Reverse((offset, place))) = self.order.peek().copied() else { return Ok(None) };
            if before <= offset {
                return Ok(None);
            }
            self.order.pop();
            let Some(open) = self.open.get_mut(place) else { continue };
            let (event, appended) = (open.columns.event(open.row), open.columns.appended(open.row));
            open.row += 1;
            if open.columns.rows() <= open.row {
                match batch(&mut open.stream).await? {
                    Some(next) => {
                        open.columns = Columns::of(&next, open.event_type, &open.path)?;
                        open.row = 0;
                    }
                    None => {
                        // Nothing of it is kept; its place stays empty, as the others are found by theirs.
                        open.stream = futures::stream::empty().boxed();
                        open.columns = Columns::of(&RecordBatch::new_empty(schema()), open.event_type, "")?;
                    }
                }
            }
            if open.row < open.columns.rows() {
                self.order.push(Reverse((open.columns.offset(open.row), place)));
            }
            let Some(mut event) = event else { continue };
            if let EventKind::Absorbed { part, .. } = &mut event.kind {
                *part = self.part(offset).await?;
            }
            return Ok(Some(Next { offset, appended, event, tail: false }));
        }
    }

    async fn open(&mut self, file: &LakeFile) -> Result<(), TrainError> {
        let Some(event_type) = file.event_type else { return Ok(()) };
        let mut stream = self.common.lake.read(file, Some(&columns(event_type))).await?.boxed();
        let Some(first) = batch(&mut stream).await? else { return Ok(()) };
        let columns = Columns::of(&first, event_type, &file.path)?;
        self.order.push(Reverse((columns.offset(0), self.open.len())));
        self.open.push(Open { path: file.path.clone(), event_type, stream, columns, row: 0 });
        Ok(())
    }

    /// The encoded part that a `part_absorbed` brought: of the lake's raw records, else of the log.
    async fn part(&mut self, offset: i64) -> Result<Vec<u8>, TrainError> {
        if self.raw.is_none() {
            let mut raw = HashMap::new();
            for file in &self.span.raw {
                let mut stream = self.common.lake.read(file, Some(&["offset", "value"])).await?;
                while let Some(found) = stream.try_next().await? {
                    let offsets =
                        found.column_by_name("offset").and_then(|c| c.as_primitive_opt::<Int64Type>());
                    let values = found.column_by_name("value").and_then(|c| c.as_binary_opt::<i32>());
                    let (Some(offsets), Some(values)) = (offsets, values) else { continue };
                    let told = (0..found.num_rows()).filter(|row| values.is_valid(*row));
                    raw.extend(told.map(|row| (offsets.value(row), values.value(row).to_vec())));
                }
            }
            self.raw = Some(raw);
        }
        let (topic, partition) = (self.span.topic, self.span.partition);
        let known = self.raw.as_ref().and_then(|raw| raw.get(&offset).cloned());
        let value = match known {
            Some(value) => value,
            None => {
                let one = ReadMax { records: 1, bytes: READ.bytes };
                let found = self.common.log.read(topic, partition, offset, one).await?;
                let record = found.into_iter().find(|record| record.offset == offset);
                record.and_then(|record| record.value).map(|value| value.to_vec()).unwrap_or_default()
            }
        };
        match shoptide_schemas::wire::decode(&value).map(|event| event.kind) {
            Ok(EventKind::Absorbed { part, .. }) => Ok(part),
            _ => Err(LakeError::Unusable(format!(
                "the part that {topic} partition {partition} offset {offset} brought is neither in the lake nor in the log"
            ))
            .into()),
        }
    }

    async fn of_log(&mut self, before: i64) -> Result<Option<Next>, TrainError> {
        let (topic, partition) = (self.span.topic, self.span.partition);
        let end = self.span.end.min(before);
        loop {
            while let Some(record) = self.read.front() {
                if end <= record.offset {
                    return Ok(None);
                }
                let Some(record) = self.read.pop_front() else { break };
                self.at = record.offset + 1;
                let partitions = self.common.log.partitions_at(topic, record.offset);
                if let Decoded::User(event) = decode(&record, partitions) {
                    let Record { offset, appended, .. } = record;
                    return Ok(Some(Next { offset, appended, event: *event, tail: true }));
                }
            }
            if end <= self.at {
                return Ok(None);
            }
            let found = self.common.log.read(topic, partition, self.at, READ).await?;
            if found.is_empty() {
                let generation = generation_of(self.at);
                if generation_of(end - 1) <= generation {
                    self.at = end;
                    return Ok(None);
                }
                self.at = first_offset(generation + 1);
            }
            self.read.extend(found);
        }
    }
}

/// The next batch that has rows.
async fn batch(
    stream: &mut BoxStream<'static, Result<RecordBatch, LakeError>>,
) -> Result<Option<RecordBatch>, LakeError> {
    while let Some(found) = stream.try_next().await? {
        if 0 < found.num_rows() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn schema() -> arrow_schema::SchemaRef {
    shoptide_schemas::arrow::event_schema()
}
