//! A small shop: a log, a truth that can fail, a cache, and streams that are started and stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shoptide_config::Config;
use shoptide_live::fold::{Inspect, replay};
use shoptide_live::{Live, Metrics};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, NewRecord};
use shoptide_models::als::{AlsParams, ItemSide};
use shoptide_models::item_item::{ItemItemParams, Neighbours};
use shoptide_models::matrix::Interactions;
use shoptide_models::popularity::Popularity;
use shoptide_models::snapshot::{Kind, Lineage, Snapshot, SnapshotParts};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{StoredList, Topic, USER_TOPICS, UserId};
use shoptide_store::{
    Cache, FoldedTable, LocalCache, LocalCacheOptions, SqliteTruth, SqliteTruthOptions, Truth,
};
use shoptide_stream::{StreamContext, StreamError, StreamOptions, run};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::faulty::Faulty;

/// 2026-05-04T12:00:00Z.
pub const NOW_MS: i64 = 1_777_896_000_000;
/// What has not happened by then will not happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Shop {
    pub log: Arc<dyn Log>,
    pub truth: Arc<Faulty>,
    pub cache: Arc<LocalCache>,
    pub live: Arc<Live>,
    pub clock: Arc<AtomicI64>,
    pub context: StreamContext,
    pub partitions: u32,
    /// Held until the end.
    pub _dir: TempDir,
}

pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), StreamError>>,
}

impl Running {
    pub async fn stop(self) -> Result<(), StreamError> {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task).await.expect("the stream stops").unwrap()
    }
}

pub fn options() -> StreamOptions {
    StreamOptions {
        batch_records_max: 64,
        batch_bytes_max: 1 << 20,
        users_cached_max: 1_000,
        users_cached_bytes_max: 1 << 20,
        list_versions_behind_max: 10,
        sweep_lists_per_s: 100_000,
        list_every_ms: 0,
        chats_kept_ms: 0,
    }
}

impl Shop {
    pub async fn new(partitions: u32) -> Self {
        let clock = Arc::new(AtomicI64::new(NOW_MS));
        let time = clock.clone();
        let log = MemoryLog::new(MemoryLogOptions {
            partitions,
            clock: Arc::new(move || time.load(Ordering::Relaxed)),
            queue_records_max: 1_000_000,
        });
        Self::over(log, partitions, clock, TempDir::new().unwrap()).await
    }

    pub async fn over(log: Arc<dyn Log>, partitions: u32, clock: Arc<AtomicI64>, dir: TempDir) -> Self {
        let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
        let truth = Faulty::new(truth);
        let time = clock.clone();
        let now: shoptide_stream::Clock = Arc::new(move || time.load(Ordering::Relaxed));
        let cache = Arc::new(LocalCache::new(LocalCacheOptions {
            entries_max: 10_000,
            ttl_ms: i64::MAX / 2,
            clock: now.clone(),
        }));
        let metrics = Arc::new(Metrics::new().unwrap());
        let live = Live::start(log.clone(), truth.clone(), dir.path().join("models"), metrics).await.unwrap();
        let config = Config::load(None, std::iter::empty()).unwrap();
        let context = StreamContext {
            log: log.clone(),
            truth: truth.clone(),
            cache: cache.clone(),
            live: live.clone(),
            lists: Arc::new(config.list_params()),
            rules_version: 7,
            options: options(),
            clock: now,
            inspect: None,
        };
        Self { log, truth, cache, live, clock, context, partitions, _dir: dir }
    }

    pub fn run(&self) -> Running {
        let (stop, stopped) = watch::channel(false);
        Running { stop, task: tokio::spawn(run(self.context.clone(), stopped)) }
    }

    pub async fn send(&self, topic: Topic, events: &[Value]) {
        let record = |e: &Value| NewRecord {
            topic,
            key: e["user_id"].as_str().or(e["item_id"].as_str()).unwrap().as_bytes().to_vec().into(),
            value: e.to_string().into_bytes().into(),
        };
        for some in events.chunks(1_000) {
            self.log.append(some.iter().map(record).collect()).await.unwrap();
        }
    }

    /// Items `i0`.. of the catalogue.
    pub async fn stock_up(&self, items: usize) {
        let upsert = |n: usize| json!({"event_id": format!("c{n}"), "type": "item_upsert", "item_id": format!("i{n}"), "title": "t", "occurred_at": NOW_MS});
        self.send(Topic::Catalogue, &(0..items).map(upsert).collect::<Vec<_>>()).await;
        // The live view follows the log by itself.
        while (self.live.catalogue().len() as usize) < items {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until `done` holds, looking after each write of the truth.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut done: impl FnMut() -> F) {
        let mut writes = self.truth.writes();
        let wait = async {
            while !done().await {
                writes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("{what} did not happen: {:?}", self.truth.offsets().await.unwrap());
        }
    }

    /// Everything in the log is folded, nothing is owed, no list is to be made.
    pub async fn settled(&self) {
        self.until("settling", || self.is_settled()).await;
    }

    async fn is_settled(&self) -> bool {
        let rows = self.truth.offsets().await.unwrap();
        for shard in 0..self.partitions {
            let topics = USER_TOPICS.into_iter().chain((shard == 0).then_some(Topic::Catalogue));
            for topic in topics {
                let end = self.log.watermarks(topic, shard).await.unwrap().next;
                let row = rows.iter().find(|r| (r.shard, r.topic) == (shard, topic));
                if row.map_or(0, |r| r.next_off) != end {
                    return false;
                }
            }
            let (owed, todo) =
                (self.truth.inner.outbox(shard, 1).await.unwrap(), self.truth.todo(shard, 1).await.unwrap());
            if !owed.is_empty() || !todo.is_empty() {
                return false;
            }
        }
        true
    }

    pub fn shard_of(&self, user: &str) -> u32 {
        partition_of(user.as_bytes(), self.partitions)
    }

    pub async fn list(&self, user: &str) -> Option<StoredList> {
        let bytes = self.truth.list(self.shard_of(user), &id(user)).await.unwrap()?;
        Some(StoredList::decode(&bytes).unwrap())
    }

    pub async fn cached(&self, user: &str) -> Option<StoredList> {
        let bytes = self.cache.get(self.shard_of(user), &id(user)).await.unwrap()?;
        Some(StoredList::decode(&bytes).unwrap())
    }

    pub fn made(&self, cause: &str) -> u64 {
        self.live.metrics().lists_made.with_label_values(&[cause]).get()
    }

    /// The folded tables are those of one clean run over the log, and every sum adds up.
    pub async fn prove(&self) {
        let rows = self.truth.offsets().await.unwrap();
        let dir = TempDir::new().unwrap();
        let clean = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("clean.db"))).await.unwrap();
        for shard in 0..self.partitions {
            let of: Vec<_> = rows.iter().filter(|r| r.shard == shard).collect();
            let bases: Vec<_> = of.iter().map(|r| (r.topic, r.base_off)).collect();
            let until = of.iter().map(|r| (r.topic.code(), r.next_off)).collect();
            replay(&*self.log, &*clean, shard, &bases, &until, self.context.inspect.clone()).await.unwrap();
        }
        for row in &rows {
            assert!(row.tally.adds_up() && row.tally.logged == row.next_off - row.base_off, "{row:?}");
        }
        for table in FoldedTable::ALL {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            self.truth.dump(table, &mut |row| ours.push(row.to_vec())).await.unwrap();
            clean.dump(table, &mut |row| theirs.push(row.to_vec())).await.unwrap();
            assert!(
                ours == theirs,
                "{} differs from a clean run: {} and {} rows",
                table.name(),
                ours.len(),
                theirs.len()
            );
        }
        clean.close().await;
    }
}

pub fn id(user: &str) -> UserId {
    UserId::from_trusted(user.as_bytes())
}

pub fn poison() -> Inspect {
    Arc::new(|event| assert!(!event.id.as_bytes().starts_with(b"poison"), "poison"))
}

pub fn view(n: usize, user: &str, item: usize) -> Value {
    json!({"event_id": format!("e{n}"), "type": "view_item", "user_id": user, "item_id": format!("i{item}"), "occurred_at": NOW_MS})
}

/// Views, orders (some lines twice) and duplicates of some users.
pub fn mixed(users: usize, n: usize) -> Vec<(Topic, Value)> {
    let event = |n: usize| {
        let user = format!("u{}", n * 7 % users);
        match n % 5 {
            0 => {
                let mut e = view(n, &user, n % 13);
                (e["type"], e["price"], e["currency"]) = (json!("purchase"), json!("2.50"), json!("CNY"));
                e["order_id"] = json!(format!("o{}", n / 10));
                (Topic::Order, e)
            }
            1 => {
                let mut e = view(n, &user, n % 13);
                e["type"] = json!("add_to_cart");
                (Topic::Cart, e)
            }
            2 => (Topic::Browse, view(n / 10, &user, n % 13)),
            _ => (Topic::Browse, view(n, &user, n % 13)),
        }
    };
    (0..n).map(event).collect()
}

/// A model of items `i0`.. in which the last is the most popular.
pub fn model(version: u64, items: usize, kind: Kind) -> Arc<Snapshot> {
    let als = AlsParams::new(2, 1, 1.0, 0.1, 0.1, 0.0, 1).unwrap();
    let factors =
        ndarray::Array2::from_shape_fn((items, 2), |(i, f)| (i * 2 + f) as f32 / items as f32 + 0.1);
    let seen = Interactions::from_rows(items, (0..items).map(|i| vec![(i as u32, 1.0)])).unwrap();
    let parts = SnapshotParts {
        segments: Default::default(),
        version,
        parent: (kind == Kind::Delta).then(|| version - 1),
        kind,
        meta: Lineage::default(),
        item_ids: (0..items).map(|i| format!("i{i}").into_bytes()).collect(),
        side: ItemSide::new(factors, als).unwrap(),
        neighbours: Neighbours::fit(&seen, &ItemItemParams::new(4, 0.0, 0.0, 0.5, 100).unwrap()),
        popularity: Popularity::from_scores((0..items).map(|i| i as f32).collect(), vec![0.0; items])
            .unwrap(),
    };
    Arc::new(Snapshot::new(parts).unwrap())
}
