//! The tables that say how the program runs: shop, log, store, stream, train. None of them changes what a list contains
//! once it is made, but the shop's currency.

use std::time::Duration;

use shoptide_schemas::Currency;
use shoptide_schemas::limits::{BATCH_EVENTS_MAX, EVENT_BYTES_MAX};

use crate::bounds::{ms, real_above, seconds, text, whole};
use crate::error::Problem;
use crate::raw::{RawLog, RawShop, RawStore, RawStream, RawTrain};

/// One request is appended whole or not at all: a shorter queue would refuse a full one for ever.
const QUEUE_RECORDS_MIN: i64 = BATCH_EVENTS_MAX as i64;

/// A batch must be able to hold the largest event, or its partition would stand still.
const BATCH_BYTES_MIN: i64 = EVENT_BYTES_MAX as i64;

/// `[shop]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShopConfig {
    pub currency: Currency,
}

/// What the event log is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// SQLite in the data directory.
    Embedded,
    Kafka,
}

impl LogKind {
    fn read(name: &str) -> Option<Self> {
        match name {
            "embedded" => Some(LogKind::Embedded),
            "kafka" => Some(LogKind::Kafka),
            _ => None,
        }
    }
}

/// What the truth is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// SQLite in the data directory.
    Embedded,
    /// MySQL or MariaDB.
    Mysql,
}

impl StoreKind {
    fn read(name: &str) -> Option<Self> {
        match name {
            "embedded" => Some(StoreKind::Embedded),
            "mysql" => Some(StoreKind::Mysql),
            _ => None,
        }
    }
}

/// Where ready lists are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// In each process.
    Local,
    Redis,
}

impl CacheKind {
    fn read(name: &str) -> Option<Self> {
        match name {
            "local" => Some(CacheKind::Local),
            "redis" => Some(CacheKind::Redis),
            _ => None,
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogConfig {
    pub kind: LogKind,
    /// Of every user topic.
    pub partitions: u32,
    pub queue_records_max: usize,
    /// At most `queue_records_max`.
    pub group_commit_records_max: usize,
    pub fsync: bool,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreConfig {
    pub kind: StoreKind,
    pub cache: CacheKind,
    pub cache_entries_max: usize,
    pub cache_ttl: Duration,
    /// Beside the one that writes.
    pub read_connections: usize,
    /// How long a start waits for Kafka or MySQL that does not answer, and a command for each answer of Kafka.
    pub start_patience: Duration,
}

/// `[stream]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamConfig {
    pub batch_records_max: usize,
    pub batch_bytes_max: usize,
    /// Of each shard.
    pub users_cached_max: usize,
    /// Of each shard.
    pub users_cached_bytes_max: usize,
    pub list_versions_behind_max: u64,
    /// Of each shard.
    pub sweep_lists_per_s: u32,
    /// 0: a list at every event.
    pub list_every_ms: u64,
    /// After the last message; 0 is for ever.
    pub chats_kept_days: u32,
}

/// `[train]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrainConfig {
    pub full_every: Duration,
    /// At most `full_every`.
    pub refresh_every: Duration,
    pub first_after_events: u64,
    pub models_kept_min: usize,
    pub full_after_changed_share: f64,
    pub fulls_kept_min: usize,
    pub candidates_kept_max: usize,
}

impl TryFrom<&RawShop> for ShopConfig {
    type Error = Problem;

    fn try_from(raw: &RawShop) -> Result<Self, Problem> {
        let expected = "three capital letters, such as \"CNY\"";
        let read = |code: &str| Currency::parse(code).ok();
        Ok(Self { currency: text("shop.currency", &raw.currency, expected, read)? })
    }
}

impl TryFrom<&RawLog> for LogConfig {
    type Error = Problem;

    fn try_from(raw: &RawLog) -> Result<Self, Problem> {
        let log = Self {
            kind: text("log.kind", &raw.kind, "\"embedded\" or \"kafka\"", LogKind::read)?,
            partitions: whole("log.partitions", raw.partitions, 1..=256)?,
            queue_records_max: whole(
                "log.queue_records_max",
                raw.queue_records_max,
                QUEUE_RECORDS_MIN..=1_000_000,
            )?,
            group_commit_records_max: whole(
                "log.group_commit_records_max",
                raw.group_commit_records_max,
                1..=100_000,
            )?,
            fsync: raw.fsync,
        };
        if log.queue_records_max < log.group_commit_records_max {
            let (group, queue) = (log.group_commit_records_max, log.queue_records_max);
            let rule = format!("a group of {group} records never forms in a queue of {queue}");
            return Err(Problem::conflict("log.group_commit_records_max", "log.queue_records_max", &rule));
        }
        Ok(log)
    }
}

impl TryFrom<&RawStore> for StoreConfig {
    type Error = Problem;

    fn try_from(raw: &RawStore) -> Result<Self, Problem> {
        Ok(Self {
            kind: text("store.kind", &raw.kind, "\"embedded\" or \"mysql\"", StoreKind::read)?,
            cache: text("store.cache", &raw.cache, "\"local\" or \"redis\"", CacheKind::read)?,
            cache_entries_max: whole("store.cache_entries_max", raw.cache_entries_max, 100..=10_000_000)?,
            cache_ttl: seconds("store.cache_ttl_s", raw.cache_ttl_s, 1..=2_592_000)?,
            start_patience: seconds("store.start_patience_s", raw.start_patience_s, 0..=3_600)?,
            read_connections: whole("store.read_connections", raw.read_connections, 1..=64)?,
        })
    }
}

impl TryFrom<&RawStream> for StreamConfig {
    type Error = Problem;

    fn try_from(raw: &RawStream) -> Result<Self, Problem> {
        Ok(Self {
            batch_records_max: whole("stream.batch_records_max", raw.batch_records_max, 1..=100_000)?,
            batch_bytes_max: whole(
                "stream.batch_bytes_max",
                raw.batch_bytes_max,
                BATCH_BYTES_MIN..=67_108_864,
            )?,
            users_cached_max: whole("stream.users_cached_max", raw.users_cached_max, 100..=10_000_000)?,
            users_cached_bytes_max: whole::<usize>(
                "stream.users_cached_mib",
                raw.users_cached_mib,
                1..=65_536,
            )? << 20,
            list_versions_behind_max: whole(
                "stream.list_versions_behind_max",
                raw.list_versions_behind_max,
                1..=1_000_000,
            )?,
            sweep_lists_per_s: whole("stream.sweep_lists_per_s", raw.sweep_lists_per_s, 1..=1_000_000)?,
            list_every_ms: whole("stream.list_every_ms", raw.list_every_ms, 0..=2_000)?,
            chats_kept_days: whole("stream.chats_kept_days", raw.chats_kept_days, 0..=36_500)?,
        })
    }
}

impl TryFrom<&RawTrain> for TrainConfig {
    type Error = Problem;

    fn try_from(raw: &RawTrain) -> Result<Self, Problem> {
        let train = Self {
            full_every: seconds("train.full_every_s", raw.full_every_s, 1..=2_592_000)?,
            refresh_every: ms("train.refresh_every_ms", raw.refresh_every_ms, 100..=3_600_000)?,
            first_after_events: whole("train.first_after_events", raw.first_after_events, 1..=1_000_000_000)?,
            models_kept_min: whole("train.models_kept_min", raw.models_kept_min, 2..=10_000)?,
            full_after_changed_share: real_above(
                "train.full_after_changed_share",
                raw.full_after_changed_share,
                0.0,
                1.0,
            )?,
            fulls_kept_min: whole("train.fulls_kept_min", raw.fulls_kept_min, 1..=1_000)?,
            candidates_kept_max: whole("train.candidates_kept_max", raw.candidates_kept_max, 1..=1_000)?,
        };
        if train.full_every < train.refresh_every {
            let rule = "a full training would come before every refresh";
            return Err(Problem::conflict("train.refresh_every_ms", "train.full_every_s", rule));
        }
        Ok(train)
    }
}
