//! A log in memory, folded by the clean run into a truth in a temporary directory, and what a trainer needs beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shoptide_config::Config;
use shoptide_jobs::train::{TrainContext, TrainParams, Workers};
use shoptide_live::fold::replay;
use shoptide_live::{Live, LiveError, Metrics, ModelFiles};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, NewRecord};
use shoptide_models::als::AlsParams;
use shoptide_models::state::{Act, Part};
use shoptide_schemas::{Topic, USER_TOPICS, UserId};
use shoptide_store::*;
use tempfile::TempDir;

/// 2026-05-04T12:00:00Z.
pub const NOW_MS: i64 = 1_777_896_000_000;

pub struct Shop {
    pub log: Arc<MemoryLog>,
    pub truth: Arc<SqliteTruth>,
    pub live: Arc<Live>,
    pub context: TrainContext,
    dir: Arc<TempDir>,
}

impl Shop {
    pub async fn new() -> Self {
        Self::of(1).await
    }

    /// A shop whose log has so many partitions.
    pub async fn of(partitions: u32) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let options = MemoryLogOptions { partitions, clock: Arc::new(|| NOW_MS), queue_records_max: 100_000 };
        let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
        Self::over(MemoryLog::new(options), truth, dir).await
    }

    /// Another process on the same data.
    pub async fn beside(other: &Shop) -> Self {
        Self::over(other.log.clone(), other.truth.clone(), other.dir.clone()).await
    }

    async fn over(log: Arc<MemoryLog>, truth: Arc<SqliteTruth>, dir: Arc<TempDir>) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let models = dir.path().join("models");
        let live = Live::start(log.clone(), truth.clone(), models.clone(), metrics).await.unwrap();
        let config = Config::load(None, std::iter::empty()).unwrap();
        let params = TrainParams {
            als: AlsParams::new(4, 3, 1.0, 0.1, 0.1, 0.0, 1).unwrap(),
            config_hash: "test".to_owned(),
            full_every_ms: 3_600_000,
            refresh_every_ms: 1,
            first_after_events: 1,
            full_after_changed_share: 1e9,
            models_kept_min: 10,
            fulls_kept_min: 1,
            ..TrainParams::of(&config)
        };
        let context = TrainContext {
            log: log.clone(),
            truth: truth.clone(),
            live: live.clone(),
            files: ModelFiles::new(models),
            params: Arc::new(params),
            workers: Workers::new(2).unwrap(),
            clock: Arc::new(|| NOW_MS),
            progress: Default::default(),
        };
        Self { log, truth, live, context, dir }
    }

    pub fn params(&mut self, change: impl FnOnce(&mut TrainParams)) {
        let mut params = (*self.context.params).clone();
        change(&mut params);
        self.context.params = Arc::new(params);
    }

    pub fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    /// What the live view of a new process says.
    pub async fn restarted(&self) -> Result<Arc<Live>, LiveError> {
        Live::start(self.log.clone(), self.truth.clone(), self.models(), Arc::new(Metrics::new().unwrap()))
            .await
    }

    pub async fn append(&self, events: &[(Topic, Value)]) {
        let record = |(topic, e): &(Topic, Value)| NewRecord {
            topic: *topic,
            key: e["user_id"].as_str().or(e["item_id"].as_str()).unwrap().as_bytes().to_vec().into(),
            value: e.to_string().into_bytes().into(),
        };
        self.log.append(events.iter().map(record).collect()).await.unwrap();
    }

    /// Appends events and folds the log to its end.
    pub async fn fold(&self, events: &[(Topic, Value)]) {
        self.append(events).await;
        self.fold_topics(&USER_TOPICS).await;
    }

    pub async fn fold_topics(&self, topics: &[Topic]) {
        let rows = self.truth.offsets().await.unwrap();
        for shard in 0..self.log.partitions_at(Topic::Browse, 0) {
            let mut until = std::collections::BTreeMap::new();
            let mut bases = Vec::new();
            for topic in topics {
                let row = rows.iter().find(|r| r.topic == *topic && r.shard == shard);
                bases.push((*topic, row.map_or(0, |r| r.next_off)));
                until.insert(topic.code(), self.log.watermarks(*topic, shard).await.unwrap().next);
            }
            replay(&*self.log, &*self.truth, shard, &bases, &until, None).await.unwrap();
        }
    }

    pub async fn log_end(&self, topic: Topic) -> i64 {
        self.log.watermarks(topic, 0).await.unwrap().next
    }

    /// Waits until a version is published here.
    pub async fn published(&self, version: u64) {
        let mut model = self.live.watch_model();
        let wait = model.wait_for(|m| m.as_ref().is_some_and(|m| version <= m.version()));
        let found =
            tokio::time::timeout(Duration::from_secs(60), wait).await.expect("a model in time").unwrap();
        assert_eq!(found.as_ref().unwrap().version(), version);
    }

    /// A user in a shard that nobody has assigned before.
    pub async fn foreign_shard(&self, shard: u32, user: &str) {
        let epoch = self.truth.assign(shard, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
        let tally = Tally { logged: 1, applied: 1, ..Tally::default() };
        let step = OffsetMove { topic: Topic::Browse, from: 0, to: 1, append_ms: NOW_MS, tally };
        let part = Part { last_ms: NOW_MS, ..Part::default() };
        let user = UserId::from_trusted(user.as_bytes());
        let row = PartRow { shard, user, topic: Topic::Browse, upto: 0, data: part.encode() };
        let commit = Commit { shard, epoch, offsets: vec![step], parts: vec![row], ..Commit::default() };
        self.truth.commit(commit).await.unwrap();
        let _ = Act::VIEW;
    }
}

pub fn view(n: usize, user: &str, item: &str) -> (Topic, Value) {
    // A minute apart, so that order in time is seen.
    let at = NOW_MS - 10 * 86_400_000 + n as i64 * 60_000;
    let id = format!("e{n}");
    (
        Topic::Browse,
        json!({"event_id": id, "type": "view_item", "user_id": user, "item_id": item, "occurred_at": at}),
    )
}

/// `n` views of `users` users over 30 items.
pub fn views(from: usize, users: usize, n: usize) -> Vec<(Topic, Value)> {
    (from..from + n).map(|n| view(n, &format!("u{}", n * 7 % users), &format!("i{}", n * n % 30))).collect()
}

/// A truth whose model pointer is not seen, as by a trainer that read it before another published.
pub struct Blind {
    truth: Arc<SqliteTruth>,
    pointer: Option<u64>,
    /// How often it is seen so; then as it is.
    times: AtomicU32,
}

impl Blind {
    pub fn over(truth: &Arc<SqliteTruth>) -> Self {
        Self { truth: truth.clone(), pointer: None, times: AtomicU32::new(u32::MAX) }
    }

    /// One whose pointer is seen as it was, so often.
    pub fn at(truth: &Arc<SqliteTruth>, pointer: u64, times: u32) -> Self {
        Self { truth: truth.clone(), pointer: Some(pointer), times: AtomicU32::new(times) }
    }
}

macro_rules! passed {
    ($($name:ident($($arg:ident: $of:ty),*) -> $out:ty;)*) => {
        #[async_trait::async_trait]
        impl Truth for Blind {
            async fn model_pointer(&self) -> Result<Option<u64>, StoreError> {
                let left = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                if left.is_ok() { Ok(self.pointer) } else { self.truth.model_pointer().await }
            }
            async fn dump(&self, table: FoldedTable, sink: &mut (dyn for<'r> FnMut(&'r [u8]) + Send)) -> Result<(), StoreError> {
                self.truth.dump(table, sink).await
            }
            async fn dump_all(&self, sink: &mut (dyn for<'r> FnMut(FoldedTable, &'r [u8]) + Send)) -> Result<Vec<OffsetRow>, StoreError> {
                self.truth.dump_all(sink).await
            }
            async fn scan_parts(&self, since: &[(u32, Topic, i64)], sink: &mut (dyn FnMut(PartRow) + Send)) -> Result<Vec<OffsetRow>, StoreError> {
                self.truth.scan_parts(since, sink).await
            }
            async fn close(&self) {}
            $(async fn $name(&self, $($arg: $of),*) -> Result<$out, StoreError> { self.truth.$name($($arg),*).await })*
        }
    };
}

passed! {
    assign(shard: u32, bases: &[(Topic, i64)]) -> Vec<OffsetRow>;
    commit(commit: Commit) -> ();
    users(shard: u32, users: &[UserId]) -> Vec<UserRow>;
    known_lines(shard: u32, lines: &[OrderLineRow]) -> Vec<bool>;
    offsets() -> Vec<OffsetRow>;
    list(shard: u32, user: &UserId) -> Option<Vec<u8>>;
    todo(shard: u32, limit: usize) -> Vec<UserId>;
    owed(shard: u32, limit: usize) -> Vec<UserId>;
    lists_after(shard: u32, after: Option<&UserId>, limit: usize) -> Vec<ListHead>;
    users_after(after: Option<(u32, UserId)>, limit: usize) -> Vec<(u32, UserId)>;
    count_users() -> u64;
    oldest_model_in_lists() -> Option<u64>;
    outbox(shard: u32, limit: usize) -> Vec<OutboxRow>;
    outbox_done(shard: u32, rows: &[(Topic, i64)]) -> ();
    dead_letters(page: DeadPage) -> Vec<DeadLetter>;
    item_counts(items: &[shoptide_schemas::ItemId], from_day: u32, to_day: u32) -> Vec<ItemCount>;
    quality(from_day: u32) -> Vec<(u32, u32, i64)>;
    catalogue() -> (Vec<ItemRow>, Option<OffsetRow>);
    catalogue_at(offset: i64) -> Vec<ItemRow>;
    budget(shard: u32, user: &UserId) -> Option<Budget>;
    set_budget(shard: u32, user: &UserId, budget: Option<Budget>) -> ();
    publish_model(row: ModelRow) -> ();
    models() -> Vec<ModelRow>;
    forget_models(versions: &[u64]) -> ();
    ping() -> ();
}
