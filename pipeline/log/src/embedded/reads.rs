//! Reads from the file: heads and records, none of them cut short by a caller who goes away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use shoptide_schemas::{EventMs, Topic};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use super::failure::{Failure, lost_task};
use super::readers::Readers;
use super::{heads, schema};
use crate::slots::{Slot, Slots, Taken};
use crate::{LogError, ReadMax, Record};

/// Callers that look at the heads at the same time: one query of some rows each.
const CONNECTIONS_MAX: u32 = 2;
/// All connections busy for this long means the disk hangs.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

const RECORDS: &str = "SELECT off, append_ms, record_key, payload FROM record \
    WHERE topic = ? AND part = ? AND off >= ? AND off < ? ORDER BY off";
const FIRST: &str = "SELECT first_off FROM head WHERE topic = ? AND part = ?";

pub(super) struct Reads {
    heads: SqlitePool,
    records: Readers,
    slots: Arc<Slots>,
}

/// What one read asks for.
#[derive(Clone, Copy)]
struct Wanted {
    topic: Topic,
    partition: u32,
    from: i64,
    below: i64,
}

impl Reads {
    pub fn new(path: &Path, slots: Arc<Slots>) -> Self {
        let heads = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(schema::reading(path));
        Self { heads, records: Readers::new(path), slots }
    }

    pub async fn close(&self) {
        self.records.close().await;
        self.heads.close().await;
    }

    pub async fn refresh(&self) -> Result<(), LogError> {
        let (pool, slots) = (self.heads.clone(), Arc::clone(&self.slots));
        let looking = tokio::spawn(async move {
            let mut connection = pool.acquire().await?;
            heads::teach(&slots, &heads::read_all(&mut connection).await?);
            Ok(())
        });
        match looking.await {
            Ok(done) => done.map_err(|failure: Failure| failure.to_error()),
            Err(lost) => Err(lost_task(&lost)),
        }
    }

    pub async fn records(
        &self,
        slot: &Slot,
        from: i64,
        max: ReadMax,
        must: bool,
    ) -> Result<Vec<Record>, LogError> {
        let wanted = Wanted { topic: slot.topic, partition: slot.partition, from, below: slot.next() };
        let found = self.records.with(move |connection| fetch(connection, wanted, max, must)).await?;
        if let Some(records) = found {
            return Ok(records);
        }
        // The record asked for is not there: deleted by retention, or the file is damaged. Never jump.
        let first = self.records.with(move |connection| first(connection, wanted)).await?;
        slot.set_first(first);
        slot.check_held(from)?;
        let (topic, partition, below) = (wanted.topic, wanted.partition, wanted.below);
        Err(LogError::Unusable(format!(
            "{topic} partition {partition} lacks offset {from}, though it should hold {first} to {below}"
        )))
    }
}

fn first(connection: &Connection, wanted: Wanted) -> Result<i64, Failure> {
    let mut head = connection.prepare_cached(FIRST)?;
    Ok(head.query_row((wanted.topic.code(), wanted.partition), |row| row.get(0))?)
}

/// Records without a gap from `wanted.from` on; `None` if that very record is missing.
fn fetch(
    connection: &Connection,
    wanted: Wanted,
    max: ReadMax,
    must: bool,
) -> Result<Option<Vec<Record>>, Failure> {
    let mut query = connection.prepare_cached(RECORDS)?;
    let mut rows = query.query((wanted.topic.code(), wanted.partition, wanted.from, wanted.below))?;
    let mut taken = Taken::new(max, must);
    let mut next = wanted.from;
    while let Some(row) = rows.next()? {
        let record = record_of(row, wanted)?;
        if record.offset != next {
            // A gap: hand out what lies before it; the next read meets it first.
            break;
        }
        next = next.saturating_add(1);
        if !taken.has_room_for(&record) {
            break;
        }
        taken.take(record);
    }
    Ok((next != wanted.from).then_some(taken.records))
}

fn record_of(row: &Row, wanted: Wanted) -> Result<Record, Failure> {
    Ok(Record {
        topic: wanted.topic,
        partition: wanted.partition,
        offset: row.get(0)?,
        appended: EventMs(row.get(1)?),
        key: bytes_of(row.get_ref(2)?)?,
        value: bytes_of(row.get_ref(3)?)?,
    })
}

/// Bytes are bytes, whatever SQLite calls them.
fn bytes_of(value: ValueRef) -> Result<Option<Bytes>, Failure> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(Some(Bytes::copy_from_slice(bytes))),
        other => Err(Failure::unusable(format!("the log holds {} for bytes", other.data_type()))),
    }
}
