//! The event log: traits shaped for Kafka (topics, partitions, offsets, assignment, bounded reads), [`KafkaLog`], and
//! [`SqliteLog`], the embedded and durable one. Every behavioural test of the traits runs against each implementation.

mod embedded;
mod generation;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod patient;
mod reader;
mod slots;

use async_trait::async_trait;
use bytes::Bytes;
use shoptide_schemas::{EventMs, Topic, USER_TOPICS};

pub use embedded::{LogCopy, SqliteLog, SqliteLogOptions};
pub use generation::{first_offset, generation_of};
#[cfg(feature = "kafka")]
pub use kafka::{
    Codec, Generation, KafkaLog, KafkaOptions, SaslMechanism, Security, TopicsOptions, TopicsReport,
    create_topics, generations, grow_topics, partition_ends, seal_topics,
};
pub use memory::{MemoryLog, MemoryLogOptions};
pub use patient::{PatientLog, patiently};

/// The log's clock: milliseconds since 1970. Injected, so that tests decide what time it is.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// One record as the log holds it. `None` keys and values come from foreign producers only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: Topic,
    pub partition: u32,
    pub offset: i64,
    /// The log's time of the append, never the reader's clock.
    pub appended: EventMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
}

/// A record to append; its partition is `murmur2(key) mod n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub topic: Topic,
    pub key: Bytes,
    pub value: Bytes,
}

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub topic: Topic,
    pub partition: u32,
    pub offset: i64,
}

/// First offset still held, and the offset the next record will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    pub first: i64,
    pub next: i64,
}

/// Room of the queue in front of the log, in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    pub waiting: usize,
    pub max: usize,
}

/// What one read returns: records of one shard, in offset order within each topic.
#[derive(Debug, Default)]
pub struct Batch {
    pub records: Vec<Record>,
    /// Nothing more was in the log when this was read: a good moment to commit.
    pub drained: bool,
}

/// Bounds of one read; bytes are those of keys and values. One record is returned however large, or nobody would ever
/// get past it.
#[derive(Debug, Clone, Copy)]
pub struct ReadMax {
    pub records: usize,
    pub bytes: usize,
}

/// A change of who owns which shard (partition number of every user topic; shard 0 also owns the catalogue).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<u32>),
    Revoked(Vec<u32>),
    /// The log is closing.
    Closed,
}

/// What a caller can do about a failure.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Tell the producer to come back: 503.
    #[error("the log's queue is full: {waiting} records wait, at most {max}")]
    Overloaded { waiting: usize, max: usize },
    /// Retry with backoff.
    #[error("the log cannot be reached: {reason}")]
    Unavailable { reason: String },
    /// Stop the partition and page a person; never jump.
    #[error("{topic} partition {partition} begins at offset {first}, asked for {asked}")]
    Truncated { topic: Topic, partition: u32, asked: i64, first: i64 },
    /// Stop: another owner, another version, another shape.
    #[error("{0}")]
    Unusable(String),
}

/// The log. Cheap to share behind an `Arc`.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends all or nothing and returns once the records are durable, positions in the order given.
    ///
    /// # Errors
    /// [`LogError::Overloaded`] at once when the bounded queue is full; nothing was appended. After
    /// [`LogError::Unavailable`] any of the records may be in the log, as when an answer is lost on its way.
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError>;

    /// Partitions of a topic in the generation that the truth stands in; equal for all user topics, 1 for the catalogue.
    fn partitions(&self, topic: Topic) -> u32;

    /// Partitions of a topic in the generation that an offset lies in.
    fn partitions_at(&self, topic: Topic, offset: i64) -> u32 {
        let _ = offset;
        self.partitions(topic)
    }

    /// Hears which generation of topics the truth folds. Members follow it: they give back all shards and are assigned those of
    /// that generation. Nothing happens if it is the one already.
    ///
    /// # Errors
    /// [`LogError::Unusable`] if the log has no such generation.
    async fn stand_in(&self, generation: u32) -> Result<(), LogError> {
        // A log that never grows may go on where one that has grown was cut: then all of it lies in one later generation.
        if generation == 1 || generation_of(self.watermarks(USER_TOPICS[0], 0).await?.next) == generation {
            return Ok(());
        }
        Err(LogError::Unusable(format!(
            "the truth folds generation {generation} of the topics, but this log has only one"
        )))
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError>;

    /// Those of the generation that an offset lies in, whichever the truth stands in.
    async fn watermarks_at(&self, topic: Topic, partition: u32, offset: i64) -> Result<Watermarks, LogError> {
        let _ = offset;
        self.watermarks(topic, partition).await
    }

    /// Reads one partition from an offset without owning it (catalogue views, verification, tailing).
    ///
    /// # Errors
    /// [`LogError::Truncated`] when `from` is below the first offset held.
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError>;

    /// Joins as an owner of shards. The embedded log has one owner at a time.
    ///
    /// # Errors
    /// [`LogError::Unusable`] naming the lock when another process owns the shards.
    async fn join(&self) -> Result<Box<dyn Membership>, LogError>;

    /// Waits until `topic`/`partition` holds offset `next` or a later one (true), or for `within_ms` (false).
    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool;

    /// How full the queue of appends is, for metrics.
    fn queue(&self) -> Queue {
        Queue::default()
    }

    /// Flushes what is queued and closes; later appends fail as unavailable.
    async fn close(&self);
}

/// A member of the group of stream processes.
#[async_trait]
pub trait Membership: Send {
    /// Waits for the next change of ownership.
    async fn next(&mut self) -> Result<Rebalance, LogError>;

    /// Begins to read an assigned shard from the offsets that the *store* names, in the topics it names.
    ///
    /// # Errors
    /// [`LogError::Truncated`] below the first offset held; [`LogError::Unusable`] beyond the end, for that log is older
    /// than its store.
    async fn open(&self, shard: u32, from: &[(Topic, i64)]) -> Result<Box<dyn ShardReader>, LogError>;
}

/// Reads one shard. Dropping it stops reading.
#[async_trait]
pub trait ShardReader: Send {
    /// Waits for at least one record, then returns what is there within the bounds. Cancel safe: nothing is lost if the
    /// future is dropped before it is ready.
    async fn next(&mut self, max: ReadMax) -> Result<Batch, LogError>;

    /// While paused, `next` waits; the membership stays alive.
    fn pause(&mut self);
    fn resume(&mut self);

    /// Records known to be in the log and not yet returned.
    fn lag(&self) -> u64;

    /// Says what the store now holds of this shard, for whoever watches the log's own notion of lag. Nothing depends on it.
    fn stored(&mut self, next: &[(Topic, i64)]) {
        let _ = next;
    }
}

impl Record {
    /// Bytes of key and value, as [`ReadMax`] counts them.
    pub fn bytes(&self) -> usize {
        let length = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
        length(&self.key).saturating_add(length(&self.value))
    }
}
