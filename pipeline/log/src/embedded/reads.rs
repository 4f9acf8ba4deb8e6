//! Reads from the file: heads and records, each in a task of its own so that a caller who goes away cuts nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use shoptide_schemas::{EventMs, Topic};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};

use super::failure::{Failure, lost_task};
use super::{heads, schema};
use crate::slots::{Slot, Slots, Taken};
use crate::{LogError, ReadMax, Record};

/// Readers that miss memory at the same time: shards that catch up, a verification, a tail.
const CONNECTIONS_MAX: u32 = 4;
/// All connections busy for this long means the disk hangs.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows of the very first query, before the records' size is known: at most 4 MiB of largest events.
const FIRST_ROWS: usize = 64;
/// Rows of a later query: enough to amortise it.
const ROWS_MAX: usize = 1_024;

const RECORDS: &str = "SELECT off, append_ms, record_key, payload FROM record \
    WHERE topic = ? AND part = ? AND off >= ? AND off < ? ORDER BY off LIMIT ?";
const FIRST: &str = "SELECT first_off FROM head WHERE topic = ? AND part = ?";

pub(super) struct Reads {
    pool: SqlitePool,
    slots: Arc<Slots>,
    /// Mean bytes of a record in the last read, 0 before the first: what a read's first query may expect.
    mean: AtomicUsize,
}

/// What one query asks for.
#[derive(Clone, Copy)]
struct Wanted {
    topic: Topic,
    partition: u32,
    from: i64,
    below: i64,
}

impl Reads {
    pub fn new(path: &Path, slots: Arc<Slots>) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            // SQLite's thread never waits for the reader in the midst of a query.
            .connect_lazy_with(schema::reading(path).row_buffer_size(ROWS_MAX));
        Self { pool, slots, mean: AtomicUsize::new(0) }
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub async fn refresh(&self) -> Result<(), LogError> {
        let (pool, slots) = (self.pool.clone(), Arc::clone(&self.slots));
        in_task(async move {
            let mut connection = pool.acquire().await?;
            heads::teach(&slots, &heads::read_all(&mut connection).await?);
            Ok(())
        })
        .await
    }

    pub async fn records(
        &self,
        slot: &Slot,
        from: i64,
        max: ReadMax,
        must: bool,
    ) -> Result<Vec<Record>, LogError> {
        let wanted = Wanted { topic: slot.topic, partition: slot.partition, from, below: slot.next() };
        let pool = self.pool.clone();
        let mean = self.mean.load(Ordering::Relaxed);
        let found = in_task(async move { fetch(&pool, wanted, max, must, mean).await }).await?;
        if let Some(records) = found {
            let bytes: usize = records.iter().map(Record::bytes).sum();
            if let Some(mean) = bytes.checked_div(records.len()) {
                self.mean.store(mean, Ordering::Relaxed);
            }
            return Ok(records);
        }
        // The record asked for is not there: deleted by retention, or the file is damaged. Never jump.
        let first = self.first(wanted).await?;
        slot.set_first(first);
        slot.check_held(from)?;
        let (topic, partition, below) = (wanted.topic, wanted.partition, wanted.below);
        Err(LogError::Unusable(format!(
            "{topic} partition {partition} lacks offset {from}, though it should hold {first} to {below}"
        )))
    }

    async fn first(&self, wanted: Wanted) -> Result<i64, LogError> {
        let pool = self.pool.clone();
        in_task(async move {
            let head = sqlx::query_scalar(FIRST)
                .bind(i64::from(wanted.topic.code()))
                .bind(i64::from(wanted.partition));
            Ok(head.fetch_one(&pool).await?)
        })
        .await
    }
}

/// Records without a gap from `wanted.from` on; `None` if that very record is missing.
async fn fetch(
    pool: &SqlitePool,
    wanted: Wanted,
    max: ReadMax,
    must: bool,
    earlier_mean: usize,
) -> Result<Option<Vec<Record>>, Failure> {
    let mut connection = pool.acquire().await?;
    let mut taken = Taken::new(max, must);
    let mut next = wanted.from;
    let mut bytes: usize = 0;
    while next < wanted.below && (taken.records.len() < max.records || must && taken.records.is_empty()) {
        let rows_max = rows_next(taken.records.len(), bytes, max, earlier_mean);
        let rows = sqlx::query(RECORDS)
            .bind(i64::from(wanted.topic.code()))
            .bind(i64::from(wanted.partition))
            .bind(next)
            .bind(wanted.below)
            .bind(i64::try_from(rows_max).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
        let (found, before) = (rows.len(), next);
        for row in rows {
            let record = record_of(&row, wanted)?;
            if record.offset != next {
                // A gap: hand out what lies before it; the next read meets it first.
                return Ok((next != wanted.from).then_some(taken.records));
            }
            if !taken.has_room_for(&record) {
                return Ok(Some(taken.records));
            }
            bytes = bytes.saturating_add(record.bytes());
            taken.take(record);
            next = next.saturating_add(1);
        }
        if next == before || found < rows_max {
            break;
        }
    }
    Ok((next != wanted.from).then_some(taken.records))
}

/// As many rows as probably fit into what is left, by the mean size so far, or else that of an earlier read if there is one.
fn rows_next(records: usize, bytes: usize, max: ReadMax, earlier: usize) -> usize {
    let left = max.records.saturating_sub(records).max(1);
    let so_far = bytes.checked_div(records);
    let Some(mean) = so_far.or(Some(earlier).filter(|mean| 0 < *mean)) else { return left.min(FIRST_ROWS) };
    let fitting = max.bytes.saturating_sub(bytes) / mean.max(1) + 1;
    left.min(fitting).min(ROWS_MAX)
}

fn record_of(row: &SqliteRow, wanted: Wanted) -> Result<Record, Failure> {
    let field = |index: usize| -> Result<Option<Bytes>, sqlx::Error> {
        // Bytes are bytes, whatever SQLite calls them.
        Ok(row.try_get_unchecked::<Option<&[u8]>, _>(index)?.map(Bytes::copy_from_slice))
    };
    Ok(Record {
        topic: wanted.topic,
        partition: wanted.partition,
        offset: row.try_get(0)?,
        appended: EventMs(row.try_get(1)?),
        key: field(2)?,
        value: field(3)?,
    })
}

async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::spawn(work).await {
        Ok(done) => done.map_err(|failure| failure.to_error()),
        Err(lost) => Err(lost_task(&lost)),
    }
}
