//! The one task that writes: takes all that waits, gives each record its offset, commits once, answers everyone.
//! Any failure drops the connection, since SQLite may have rolled back behind the transaction's back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use shoptide_schemas::EventMs;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::failure::Failure;
use super::heads::{self, Head};
use super::schema::{self, BUSY_TRIES_MAX, backoff};
use super::{QUEUE_UNIT_BYTES, SqliteLogOptions};
use crate::slots::{Slots, own_copy};
use crate::{Clock, LogError, Position, Record};

/// Rows of the prepared INSERTs, greatest first: any group is few statements, and the statement cache stays small.
const INSERT_ROWS: [usize; 5] = [256, 64, 16, 4, 1];
const COMMIT: &str = "COMMIT";

/// Records that one transaction deletes: short enough for the appends that wait behind it.
const TRUNCATE_RECORDS: i64 = 5_000;

pub(super) enum Command {
    Append(Job),
    Truncate { slot: usize, first_off: i64, answer: oneshot::Sender<Result<(), LogError>> },
    Close { answer: oneshot::Sender<()> },
}

/// One call of append.
pub(super) struct Job {
    pub records: Vec<Unplaced>,
    pub answer: oneshot::Sender<Result<Vec<Position>, LogError>>,
    /// Its place in the queue.
    pub room: OwnedSemaphorePermit,
}

impl Job {
    /// Answers, after giving the room back: whoever has an answer may count on it.
    fn answer(self, result: Result<Vec<Position>, LogError>) {
        drop(self.room);
        // A caller who left does not care; the records are in the log, or not, all the same.
        let _caller_left = self.answer.send(result).is_err();
    }
}

/// A record that has no offset yet.
pub(super) struct Unplaced {
    pub slot: usize,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
}

impl Unplaced {
    /// Places of the queue that it takes.
    pub fn units(&self) -> usize {
        let length = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
        length(&self.key).saturating_add(length(&self.value)).div_ceil(QUEUE_UNIT_BYTES).max(1)
    }
}

/// A record with its place.
struct Placed<'a> {
    slot: usize,
    position: Position,
    append_ms: i64,
    record: &'a Unplaced,
}

pub(super) struct Writer {
    options: SqliteConnectOptions,
    path: PathBuf,
    clock: Clock,
    group_units_max: usize,
    slots: Arc<Slots>,
    inbox: mpsc::Receiver<Command>,
    connection: Option<SqliteConnection>,
    /// As of `data_version`; read again if another connection has committed since.
    heads: Vec<Head>,
    data_version: Option<i64>,
    inserts: [Statements; INSERT_ROWS.len()],
}

impl Writer {
    pub fn new(options: &SqliteLogOptions, slots: Arc<Slots>, inbox: mpsc::Receiver<Command>) -> Self {
        Self {
            options: schema::writing(&options.path, options.fsync),
            path: options.path.clone(),
            clock: Arc::clone(&options.clock),
            group_units_max: options.group_commit_max,
            slots,
            inbox,
            connection: None,
            heads: Vec::new(),
            data_version: None,
            inserts: INSERT_ROWS.map(Statements::of),
        }
    }

    /// Runs until the log is closed or dropped, and what was queued is answered.
    pub async fn run(mut self) {
        let mut held = None;
        let mut closers = Vec::new();
        loop {
            let command = match held.take() {
                Some(command) => command,
                None => match self.inbox.recv().await {
                    Some(command) => command,
                    None => break,
                },
            };
            match command {
                Command::Append(job) => {
                    let group;
                    (group, held) = self.gather(job);
                    self.append(group).await;
                }
                Command::Truncate { slot, first_off, answer } => {
                    let done = self.truncate(slot, first_off).await;
                    let _caller_left = answer.send(done).is_err();
                }
                Command::Close { answer } => {
                    // Nothing new comes in; what is queued is still written.
                    self.inbox.close();
                    closers.push(answer);
                }
            }
        }
        self.disconnect().await;
        for closer in closers {
            let _caller_left = closer.send(()).is_err();
        }
    }

    /// The first job and all that wait behind it, up to the bound of a group; then the command that no longer fits.
    fn gather(&mut self, first: Job) -> (Vec<Job>, Option<Command>) {
        let units = |job: &Job| job.records.iter().map(Unplaced::units).sum::<usize>();
        let mut left = self.group_units_max.saturating_sub(units(&first));
        let mut group = vec![first];
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Append(job) if units(&job) <= left => {
                    left -= units(&job);
                    group.push(job);
                }
                other => return (group, Some(other)),
            }
        }
        (group, None)
    }

    async fn append(&mut self, group: Vec<Job>) {
        let mut tries = 0;
        let done = loop {
            match self.try_append(&group).await {
                Ok(positions) => break Ok(positions),
                Err(failure) => {
                    self.disconnect().await;
                    if !failure.busy || BUSY_TRIES_MAX <= tries {
                        break Err(failure.at(&self.path));
                    }
                }
            }
            tries += 1;
            backoff(tries).await;
        };
        match done {
            Ok(positions) => {
                let mut positions = positions.into_iter();
                for job in group {
                    let own = positions.by_ref().take(job.records.len()).collect();
                    job.answer(Ok(own));
                }
            }
            Err(failure) => {
                for job in group {
                    job.answer(Err(failure.to_error()));
                }
            }
        }
    }

    /// One transaction for the whole group.
    async fn try_append(&mut self, group: &[Job]) -> Result<Vec<Position>, Failure> {
        let connection = connected(&mut self.connection, &mut self.data_version, &self.options).await?;
        // Each call hands the connection's thread a command and waits for its answer, so the transaction begins and ends with another statement. Who
        // fails in between drops the connection, and with it the transaction.
        let version = heads::begin(connection).await?;
        let foreign = self.data_version != Some(version);
        if foreign {
            self.heads = heads::read_all(connection).await?;
        }
        let before = self.heads.clone();
        let mut placed = place(&mut self.heads, group, (self.clock)())?;
        let positions = placed.iter().map(|p| p.position).collect();
        // By place, so that neighbours of the file are written together.
        placed.sort_unstable_by_key(|p| (p.slot, p.position.offset));
        insert_records(connection, &self.inserts, &placed).await?;
        let grown: Vec<Head> =
            self.heads.iter().zip(&before).filter(|(now, then)| now != then).map(|(now, _)| *now).collect();
        update_heads_and_commit(connection, &self.inserts, &grown).await?;
        self.data_version = Some(version);
        if foreign {
            heads::teach(&self.slots, &before);
        }
        publish(&self.slots, &placed);
        Ok(positions)
    }

    async fn truncate(&mut self, slot: usize, first_off: i64) -> Result<(), LogError> {
        loop {
            match self.try_truncate(slot, first_off).await {
                Ok(first) if first_off <= first => return Ok(()),
                Ok(_) => {}
                Err(failure) => {
                    self.disconnect().await;
                    return Err(failure.at(&self.path).to_error());
                }
            }
        }
    }

    /// One step towards `first_off`; returns the first offset then held.
    async fn try_truncate(&mut self, slot: usize, first_off: i64) -> Result<i64, Failure> {
        let connection = connected(&mut self.connection, &mut self.data_version, &self.options).await?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        let heads = heads::read_all(&mut tx).await?;
        let head = heads.get(slot).ok_or_else(|| Failure::unusable(format!("the log has no slot {slot}")))?;
        if head.next < first_off {
            let (topic, partition, next) = (head.topic, head.partition, head.next);
            let message =
                format!("{topic} partition {partition} ends at offset {next}, asked to begin at {first_off}");
            return Err(Failure::unusable(message));
        }
        let (topic, part) = (i64::from(head.topic.code()), i64::from(head.partition));
        let first_off = first_off.min(head.first.saturating_add(TRUNCATE_RECORDS)).max(head.first);
        sqlx::query("DELETE FROM record WHERE topic = ? AND part = ? AND off < ?")
            .bind(topic)
            .bind(part)
            .bind(first_off)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE head SET first_off = ? WHERE topic = ? AND part = ?")
            .bind(first_off)
            .bind(topic)
            .bind(part)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        // The heads in memory are of before.
        self.data_version = None;
        if let Some(slot) = self.slots.at(slot) {
            slot.set_first(first_off);
        }
        Ok(first_off)
    }

    async fn disconnect(&mut self) {
        self.data_version = None;
        if let Some(connection) = self.connection.take() {
            // Ends an open transaction by rolling it back; an error here changes nothing about that.
            let _closed = connection.close().await.is_ok();
        }
    }
}

async fn connected<'a>(
    connection: &'a mut Option<SqliteConnection>,
    data_version: &mut Option<i64>,
    options: &SqliteConnectOptions,
) -> Result<&'a mut SqliteConnection, Failure> {
    match connection {
        Some(connection) => Ok(connection),
        empty => {
            *data_version = None;
            Ok(empty.insert(SqliteConnection::connect_with(options).await?))
        }
    }
}

/// Gives each record of the group the next offset of its slot, and an append time that never goes backwards there.
fn place<'a>(heads: &mut [Head], group: &'a [Job], now_ms: i64) -> Result<Vec<Placed<'a>>, Failure> {
    let mut placed = Vec::with_capacity(group.iter().map(|job| job.records.len()).sum());
    for record in group.iter().flat_map(|job| &job.records) {
        let slot = record.slot;
        let head =
            heads.get_mut(slot).ok_or_else(|| Failure::unusable(format!("the log has no slot {slot}")))?;
        let position = Position { topic: head.topic, partition: head.partition, offset: head.next };
        head.next = head.next.saturating_add(1);
        head.last_ms = head.last_ms.max(now_ms);
        placed.push(Placed { slot, position, append_ms: head.last_ms, record });
    }
    Ok(placed)
}

/// Texts for a number of rows.
struct Statements {
    rows: usize,
    records: Arc<String>,
    heads: Arc<String>,
    heads_and_commit: Arc<String>,
}

impl Statements {
    fn of(rows: usize) -> Self {
        let heads = head_sql(rows);
        let heads_and_commit = Arc::new(format!("{heads}; {COMMIT}"));
        Self { rows, records: Arc::new(record_sql(rows)), heads: Arc::new(heads), heads_and_commit }
    }
}

async fn insert_records(
    connection: &mut SqliteConnection,
    statements: &[Statements],
    mut rest: &[Placed<'_>],
) -> Result<(), Failure> {
    for Statements { rows, records: sql, .. } in statements {
        while let Some((chunk, after)) = rest.split_at_checked(*rows) {
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
            for placed in chunk {
                query = query
                    .bind(i64::from(placed.position.topic.code()))
                    .bind(i64::from(placed.position.partition))
                    .bind(placed.position.offset)
                    .bind(placed.append_ms)
                    .bind(placed.record.key.as_deref())
                    .bind(placed.record.value.as_deref());
            }
            query.execute(&mut *connection).await?;
            rest = after;
        }
    }
    Ok(())
}

async fn update_heads_and_commit(
    connection: &mut SqliteConnection,
    statements: &[Statements],
    mut rest: &[Head],
) -> Result<(), Failure> {
    if rest.is_empty() {
        sqlx::query(COMMIT).execute(connection).await?;
        return Ok(());
    }
    for Statements { rows, heads, heads_and_commit, .. } in statements {
        while let Some((chunk, after)) = rest.split_at_checked(*rows) {
            let sql = if after.is_empty() { heads_and_commit } else { heads };
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
            for head in chunk {
                query = query
                    .bind(i64::from(head.topic.code()))
                    .bind(i64::from(head.partition))
                    .bind(head.first)
                    .bind(head.next)
                    .bind(head.last_ms);
            }
            query.execute(&mut *connection).await?;
            rest = after;
        }
    }
    Ok(())
}

/// Puts durable records into memory and wakes their readers. `placed` is sorted by slot and offset.
fn publish(slots: &Slots, placed: &[Placed<'_>]) {
    let mut touched = BTreeSet::new();
    for run in placed.chunk_by(|a, b| a.slot == b.slot) {
        let Some(first) = run.first() else { continue };
        let records = run.iter().map(|p| Record {
            topic: p.position.topic,
            partition: p.position.partition,
            offset: p.position.offset,
            appended: EventMs(p.append_ms),
            key: own_copy(&p.record.key),
            value: own_copy(&p.record.value),
        });
        slots.appended(first.slot, records.collect());
        touched.insert(first.position.partition);
    }
    for partition in touched {
        slots.wake(partition);
    }
}

fn record_sql(rows: usize) -> String {
    let values = vec!["(?,?,?,?,?,?)"; rows].join(",");
    format!("INSERT INTO record (topic, part, off, append_ms, record_key, payload) VALUES {values}")
}

fn head_sql(rows: usize) -> String {
    let values = vec!["(?,?,?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO head (topic, part, first_off, next_off, last_ms) VALUES {values} \
         ON CONFLICT (topic, part) DO UPDATE SET next_off = excluded.next_off, last_ms = excluded.last_ms"
    )
}
