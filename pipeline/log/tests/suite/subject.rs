//! The logs under test behind one interface, and small makers of records.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shoptide_log::{
    Batch, Clock, Log, LogError, MemoryLog, MemoryLogOptions, NewRecord, Position, ReadMax, Rebalance,
    Record, ShardReader, SqliteLog, SqliteLogOptions,
};
use shoptide_schemas::{Topic, USER_TOPICS};
use sqlx::{Connection, SqliteConnection};

pub const PARTITIONS: u32 = 4;
pub const QUEUE_RECORDS_MAX: usize = 64;
pub const PLENTY: ReadMax = ReadMax { records: 100_000, bytes: 64 * 1024 * 1024 };
/// Far beyond what anything here takes; reaching it is a failure, not a delay.
pub const SOON: Duration = Duration::from_secs(20);
pub const T0_MS: i64 = 1_780_000_000_000;

#[async_trait]
pub trait Subject: Send + Sync + Sized + 'static {
    async fn start() -> Self;
    fn log(&self) -> Arc<dyn Log>;
    /// Another view of the same records: a handle that holds nothing in memory, where there is such a thing.
    async fn other(&self) -> Arc<dyn Log>;
    fn set_clock(&self, ms: i64);
    /// Holds every commit back until `false`.
    async fn stall(&mut self, stalled: bool);
    async fn append_foreign(&self, topic: Topic, partition: u32, key: Option<Bytes>, value: Option<Bytes>);
    async fn truncate_below(&self, topic: Topic, partition: u32, first: i64) -> Result<(), LogError>;
}

pub struct Sqlite {
    pub directory: tempfile::TempDir,
    log: Arc<SqliteLog>,
    now: Arc<AtomicI64>,
    stalling: Option<SqliteConnection>,
}

pub struct Memory {
    log: Arc<MemoryLog>,
    now: Arc<AtomicI64>,
}

impl Sqlite {
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("log.sqlite")
    }
}

pub fn clock_of(now: &Arc<AtomicI64>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || now.load(Ordering::SeqCst))
}

pub fn fixed_clock() -> Clock {
    Arc::new(|| T0_MS)
}

pub fn options(path: impl Into<PathBuf>) -> SqliteLogOptions {
    SqliteLogOptions::new(path, PARTITIONS, fixed_clock())
}

#[async_trait]
impl Subject for Sqlite {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(T0_MS));
        let options = SqliteLogOptions {
            queue_records_max: QUEUE_RECORDS_MAX,
            ..SqliteLogOptions::new(directory.path().join("log.sqlite"), PARTITIONS, clock_of(&now))
        };
        Self { log: SqliteLog::open(options).await.unwrap(), directory, now, stalling: None }
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log) as Arc<dyn Log>
    }

    async fn other(&self) -> Arc<dyn Log> {
        SqliteLog::open(options(self.path())).await.unwrap()
    }

    fn set_clock(&self, ms: i64) {
        self.now.store(ms, Ordering::SeqCst);
    }

    async fn stall(&mut self, stalled: bool) {
        if let Some(connection) = self.stalling.take() {
            connection.close().await.unwrap();
        }
        if stalled {
            self.stalling = Some(write_lock(&self.path()).await);
        }
    }

    async fn append_foreign(&self, topic: Topic, partition: u32, key: Option<Bytes>, value: Option<Bytes>) {
        self.log.append_foreign(topic, partition, key, value).await.unwrap();
    }

    async fn truncate_below(&self, topic: Topic, partition: u32, first: i64) -> Result<(), LogError> {
        self.log.truncate_below(topic, partition, first).await
    }
}

#[async_trait]
impl Subject for Memory {
    async fn start() -> Self {
        let now = Arc::new(AtomicI64::new(T0_MS));
        let options = MemoryLogOptions {
            partitions: PARTITIONS,
            clock: clock_of(&now),
            queue_records_max: QUEUE_RECORDS_MAX,
        };
        Self { log: MemoryLog::new(options), now }
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log) as Arc<dyn Log>
    }

    async fn other(&self) -> Arc<dyn Log> {
        self.log()
    }

    fn set_clock(&self, ms: i64) {
        self.now.store(ms, Ordering::SeqCst);
    }

    async fn stall(&mut self, stalled: bool) {
        self.log.stall(stalled);
    }

    async fn append_foreign(&self, topic: Topic, partition: u32, key: Option<Bytes>, value: Option<Bytes>) {
        self.log.append_foreign(topic, partition, key, value).await.unwrap();
    }

    async fn truncate_below(&self, topic: Topic, partition: u32, first: i64) -> Result<(), LogError> {
        self.log.truncate_below(topic, partition, first).await
    }
}

/// Holds the write lock of a file until closed.
pub async fn write_lock(path: &std::path::Path) -> SqliteConnection {
    let mut connection = raw(path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

pub async fn raw(path: &std::path::Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// `user` of `topic`, saying `number`.
pub fn record(topic: Topic, user: u32, number: u32) -> NewRecord {
    NewRecord {
        topic,
        key: Bytes::from(format!("user-{user}")),
        value: Bytes::from(format!("{topic} {user} {number}")),
    }
}

/// Records of all user topics and many users, in a mixed order.
pub fn mixed(count: u32) -> Vec<NewRecord> {
    let topic = |n: u32| USER_TOPICS[n as usize % USER_TOPICS.len()];
    (0..count).map(|n| record(topic(n), n.wrapping_mul(2_654_435_761) % 97, n)).collect()
}

/// Appends in calls that fit the small queue of the tests.
pub async fn append_all(log: &Arc<dyn Log>, records: Vec<NewRecord>) -> Vec<Position> {
    let mut positions = Vec::new();
    for part in records.chunks(QUEUE_RECORDS_MAX) {
        positions.extend(log.append(part.to_vec()).await.unwrap());
    }
    positions
}

pub async fn read_all(log: &Arc<dyn Log>) -> Vec<Record> {
    let mut records = Vec::new();
    for topic in shoptide_schemas::topic::ALL_TOPICS {
        for partition in 0..log.partitions(topic) {
            records.extend(log.read(topic, partition, 0, PLENTY).await.unwrap());
        }
    }
    records
}

/// A reader of one shard from offset 0 of every user topic, and what keeps it.
pub async fn reader(
    log: &Arc<dyn Log>,
    shard: u32,
) -> (Box<dyn shoptide_log::Membership>, Box<dyn ShardReader>) {
    let mut member = log.join().await.unwrap();
    assert_eq!(member.next().await.unwrap(), Rebalance::Assigned((0..PARTITIONS).collect()));
    let reader = member.open(shard, &USER_TOPICS.map(|t| (t, 0))).await.unwrap();
    (member, reader)
}

pub async fn next(reader: &mut Box<dyn ShardReader>, max: ReadMax) -> Batch {
    tokio::time::timeout(SOON, reader.next(max)).await.expect("a batch in time").unwrap()
}
