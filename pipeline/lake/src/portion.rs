//! Records of one partition as rows: decoded once, sorted by day and type, in order of offset within each. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder, UInt32Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use shoptide_live::fold::{Decoded, decode};
use shoptide_log::Record;
use shoptide_schemas::arrow::{EventRow, event_batch};
use shoptide_schemas::event::EventKind;
use shoptide_schemas::time::TimeVerdict;
use shoptide_schemas::{Code, EventId, EventMs, EventType, ShopEvent, Topic, UserId};

use crate::erased::{ErasedUsers, Erasure, erased_id, user_hash};
use crate::file::{FileKind, Place, date_name};

/// Columns of the records that are no events: what a dead letter says, and the catalogue's own.
pub fn record_schema() -> SchemaRef {
    let utc_ms = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::UInt32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("appended_at", utc_ms, false),
        Field::new("key", DataType::Binary, true),
        Field::new("value", DataType::Binary, true),
        Field::new("reason", DataType::Utf8, true),
    ]))
}

/// A row by its batch and its place there.
pub type RowAt = (usize, usize);

/// Rows of one partition, as they were read.
pub struct Portion {
    pub topic: Topic,
    pub partition: u32,
    pub from: i64,
    /// The next offset to read.
    pub to: i64,
    pub records: u64,
    /// Bytes in memory.
    pub bytes: usize,
    /// Rows that are in no file because their users were erased.
    pub erased_rows: u64,
    /// Erasures met, each user's first.
    pub erasures: Vec<Erasure>,
    events: Vec<RecordBatch>,
    /// By day and type.
    groups: BTreeMap<(u32, EventType), Vec<RowAt>>,
    others: Vec<RecordBatch>,
}

/// Rows that become files of one place.
pub struct Group {
    pub place: Place,
    pub batches: Arc<[RecordBatch]>,
    pub rows: Vec<RowAt>,
}

impl Portion {
    pub fn new(topic: Topic, partition: u32, from: i64) -> Self {
        Self {
            topic,
            partition,
            from,
            to: from,
            records: 0,
            bytes: 0,
            erased_rows: 0,
            erasures: Vec::new(),
            events: Vec::new(),
            groups: BTreeMap::new(),
            others: Vec::new(),
        }
    }

    /// Takes over what the next read of the log returned. `partitions`: of the user topics where these offsets lie.
    ///
    /// # Errors
    /// If there are more rows than a batch holds.
    pub fn take(&mut self, records: &[Record], partitions: u32) -> Result<(), ArrowError> {
        let mut events: Vec<(&Record, ShopEvent)> = Vec::with_capacity(records.len());
        let mut others: Vec<(&Record, Option<Code>)> = Vec::new();
        for record in records {
            match verdict(record, partitions) {
                Ok(Some(mut event)) => {
                    if matches!(event.kind, EventKind::Erased) {
                        let user = user_hash(event.user.as_bytes());
                        let (topic, partition, offset) = (self.topic, self.partition, record.offset);
                        self.erasures.push(Erasure { topic, user, partition, offset });
                        nameless(&mut event);
                    }
                    events.push((record, event));
                }
                Ok(None) => others.push((record, None)),
                Err(code) => others.push((record, Some(code))),
            }
        }
        if let Some(last) = records.last() {
            self.to = last.offset.saturating_add(1);
        }
        self.records += records.len() as u64;
        if !events.is_empty() {
            let rows: Vec<EventRow<'_>> =
                events.iter().map(|(record, event)| row_of(record, event)).collect();
            let place = self.events.len();
            for (row, (_, event)) in events.iter().enumerate() {
                self.groups.entry((event.at.day(), event.event_type)).or_default().push((place, row));
            }
            let batch = event_batch(&rows)?;
            self.bytes += batch.get_array_memory_size();
            self.events.push(batch);
        }
        if !others.is_empty() {
            let batch = record_batch(&others)?;
            self.bytes += batch.get_array_memory_size();
            self.others.push(batch);
        }
        Ok(())
    }

    /// What is to be written, without the rows of erased users: those known before, and those met here.
    pub fn into_groups(mut self, known: &mut Arc<ErasedUsers>) -> Result<(Portion, Vec<Group>), ArrowError> {
        self.erasures.retain(|e| !known.contains_hash(e.topic, e.user) && Arc::make_mut(known).insert(*e));
        let erased: &ErasedUsers = known;
        if !erased.is_empty() {
            for batch in &mut self.events {
                if let Some(without) = unnamed(batch, self.topic, erased)? {
                    *batch = without;
                }
            }
        }
        let batches: Arc<[RecordBatch]> = std::mem::take(&mut self.events).into();
        let mut groups = Vec::new();
        for ((day, event_type), mut rows) in std::mem::take(&mut self.groups) {
            if !erased.is_empty() {
                let before = rows.len();
                rows.retain(|(batch, row)| {
                    batches.get(*batch).is_none_or(|batch| !names_erased(batch, *row, self.topic, erased))
                });
                self.erased_rows += (before - rows.len()) as u64;
            }
            let place = Place {
                kind: FileKind::Events,
                topic: self.topic,
                partition: self.partition,
                date: date_name(day),
                event_type: Some(event_type),
            };
            if !rows.is_empty() {
                groups.push(Group { place, batches: Arc::clone(&batches), rows });
            }
        }
        let mut others = std::mem::take(&mut self.others);
        if !erased.is_empty() {
            for batch in &mut others {
                if let Some(redacted) = redact(batch, self.topic, erased)? {
                    *batch = redacted;
                }
            }
        }
        let rows: Vec<RowAt> = others
            .iter()
            .enumerate()
            .flat_map(|(b, batch)| (0..batch.num_rows()).map(move |r| (b, r)))
            .collect();
        if !rows.is_empty() {
            let place = Place {
                kind: FileKind::Records,
                topic: self.topic,
                partition: self.partition,
                date: String::new(),
                event_type: None,
            };
            groups.push(Group { place, batches: others.into(), rows });
        }
        Ok((self, groups))
    }
}

/// The event of a record; `None` for the catalogue's. What the fold makes a dead letter is no event here either.
fn verdict(record: &Record, partitions: u32) -> Result<Option<ShopEvent>, Code> {
    match decode(record, partitions) {
        Decoded::User(event) => {
            let late =
                matches!(event.at.verdict(record.appended, event.historical), TimeVerdict::Future { .. });
            // An erasure is never too early: it must happen.
            if late && !matches!(event.kind, EventKind::Erased) {
                Err(Code::Future)
            } else {
                Ok(Some(*event))
            }
        }
        Decoded::Catalogue(_) => Ok(None),
        Decoded::Dead(reject) => Err(reject.code),
    }
}

/// The row of an erasure says when and in which topic, by a hash whose, and nothing else: the producer may have put the id into
/// any other field.
fn nameless(event: &mut ShopEvent) {
    let id = erased_id(user_hash(event.id.as_bytes()));
    event.id = EventId::from_trusted(id.as_bytes());
    event.user = UserId::from_trusted(erased_id(user_hash(event.user.as_bytes())).as_bytes());
    (event.session, event.list) = (None, None);
}

fn row_of<'a>(record: &Record, event: &'a ShopEvent) -> EventRow<'a> {
    let Record { topic, partition, offset, appended, .. } = *record;
    EventRow { topic, partition, offset, appended, event }
}

/// Whether a row goes with an erased user: his own, or the part of him that came to another. That somebody turned out to be him
/// stays, for it says what became of the other's items; [`unnamed`] takes his id out of it.
pub fn names_erased(batch: &RecordBatch, row: usize, topic: Topic, erased: &ErasedUsers) -> bool {
    let names = |name: &str| {
        let Some(column) = batch.column_by_name(name).and_then(|c| c.as_binary_opt::<i32>()) else {
            return false;
        };
        column.is_valid(row) && erased.contains(topic, column.value(row))
    };
    names("user_id") || (names(KNOWN) && !is_identify(batch, row))
}

/// The other side of an identification, or of a part that came over.
const KNOWN: &str = "known_user_id";

fn is_identify(batch: &RecordBatch, row: usize) -> bool {
    let types = batch.column_by_name("type").and_then(|c| c.as_string_opt::<i32>());
    types.is_some_and(|types| types.is_valid(row) && types.value(row) == EventType::Identify.name())
}

/// Identifications with erased users say by a hash who that was, as erasures do; `None` if there are none.
pub fn unnamed(
    batch: &RecordBatch,
    topic: Topic,
    erased: &ErasedUsers,
) -> Result<Option<RecordBatch>, ArrowError> {
    let Some(known) = batch.column_by_name(KNOWN).and_then(|c| c.as_binary_opt::<i32>()) else {
        return Ok(None);
    };
    let goes = |row: usize| {
        known.is_valid(row) && erased.contains(topic, known.value(row)) && is_identify(batch, row)
    };
    if !(0..batch.num_rows()).any(goes) {
        return Ok(None);
    }
    // The producer may have put the id into that of the event, as for erasures.
    let hidden = |column: &arrow_array::BinaryArray| -> arrow_array::ArrayRef {
        let mut hidden = BinaryBuilder::new();
        for (row, id) in column.iter().enumerate() {
            match id {
                Some(id) if goes(row) => hidden.append_value(erased_id(user_hash(id))),
                id => hidden.append_option(id),
            }
        }
        Arc::new(hidden.finish())
    };
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        match (field.name().as_str(), column.as_binary_opt::<i32>()) {
            (KNOWN | "event_id", Some(ids)) => hidden(ids),
            _ => Arc::clone(column),
        }
    });
    let columns = columns.collect();
    RecordBatch::try_new(Arc::clone(&schema), columns).map(Some)
}

/// Records of erased users lose key and value, as dead letters do; `None` if there are none.
pub fn redact(
    batch: &RecordBatch,
    topic: Topic,
    erased: &ErasedUsers,
) -> Result<Option<RecordBatch>, ArrowError> {
    let column = |name: &str| batch.column_by_name(name).and_then(|c| c.as_binary_opt::<i32>());
    let (Some(keys), Some(values)) = (column("key"), column("value")) else { return Ok(None) };
    let gone: Vec<bool> = keys.iter().map(|key| key.is_some_and(|key| erased.contains(topic, key))).collect();
    if !gone.contains(&true) {
        return Ok(None);
    }
    let kept = |column: &arrow_array::BinaryArray| -> arrow_array::ArrayRef {
        let kept: arrow_array::BinaryArray =
            column.iter().zip(&gone).map(|(value, gone)| value.filter(|_| !gone)).collect();
        Arc::new(kept)
    };
    let (keys, values) = (kept(keys), kept(values));
    let schema = batch.schema();
    let columns =
        schema.fields().iter().zip(batch.columns()).map(|(field, column)| match field.name().as_str() {
            "key" => Arc::clone(&keys),
            "value" => Arc::clone(&values),
            _ => Arc::clone(column),
        });
    let columns = columns.collect();
    RecordBatch::try_new(Arc::clone(&schema), columns).map(Some)
}

fn record_batch(rows: &[(&Record, Option<Code>)]) -> Result<RecordBatch, ArrowError> {
    let (mut topic, mut reason) = (StringBuilder::new(), StringBuilder::new());
    let (mut partition, mut offset) = (UInt32Builder::new(), Int64Builder::new());
    let mut appended = TimestampMillisecondBuilder::new().with_timezone("UTC");
    let (mut key, mut value) = (BinaryBuilder::new(), BinaryBuilder::new());
    for (record, code) in rows {
        let EventMs(at) = record.appended;
        topic.append_value(record.topic.name());
        partition.append_value(record.partition);
        offset.append_value(record.offset);
        appended.append_value(at);
        key.append_option(record.key.as_deref());
        value.append_option(record.value.as_deref());
        reason.append_option(code.map(Code::as_str));
    }
    RecordBatch::try_new(
        record_schema(),
        vec![
            Arc::new(topic.finish()),
            Arc::new(partition.finish()),
            Arc::new(offset.finish()),
            Arc::new(appended.finish()),
            Arc::new(key.finish()),
            Arc::new(value.finish()),
            Arc::new(reason.finish()),
        ],
    )
}
