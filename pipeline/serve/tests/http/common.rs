//! A small shop behind the router: the log in memory, the truth in a temporary directory, a clock that stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use shoptide_live::{Live, Metrics};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, ReadMax, Record};
use shoptide_models::blend::BlendParams;
use shoptide_models::catalogue::CatalogueBuilder;
use shoptide_models::list::ListParams;
use shoptide_models::mmr::MmrParams;
use shoptide_models::state::{Act, Change, Part, TasteParams};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{ItemId, ListEntry, StoredList, Topic, USER_TOPICS, UserId, wire};
use shoptide_serve::{ServeContext, ServeOptions, router};
use shoptide_store::{
    CacheEntry, Commit, ItemRow, ListRow, LocalCache, LocalCacheOptions, OffsetMove, PartRow, SqliteTruth,
    SqliteTruthOptions, Tally, Truth,
};
use tempfile::TempDir;
use tower::ServiceExt;

pub const PARTITIONS: u32 = 4;
/// 2026-05-04T12:00:00Z.
pub const NOW_MS: i64 = 1_777_896_000_000;
pub const QUEUE_RECORDS_MAX: usize = 20_000;

pub struct Shop {
    pub log: Arc<MemoryLog>,
    pub truth: Arc<SqliteTruth>,
    pub cache: Arc<LocalCache>,
    pub live: Arc<Live>,
    pub clock: Arc<AtomicI64>,
    pub context: ServeContext,
    pub router: Router,
    /// Holds the truth; goes with the shop.
    _dir: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, String::from_utf8_lossy(&self.bytes)))
    }

    /// Status and code, after checking that the body has the one shape of errors.
    pub fn error(&self) -> (u16, String) {
        let body = self.json();
        for key in ["code", "field", "message"] {
            let text = body[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {body}"));
            assert!(!text.is_empty() && text.len() < 500, "{key} of {body}");
        }
        assert!(!self.status.is_success(), "{body}");
        (self.status.as_u16(), body["code"].as_str().unwrap().to_owned())
    }
}

pub fn list_params() -> ListParams {
    let weights = [(Act::VIEW, 1.0), (Act::CART_ADD, 4.0), (Act::PURCHASE, 8.0)];
    ListParams {
        taste: TasteParams::new(&weights, [30.0; PARTS], 2.5, 90.0).unwrap(),
        blend: BlendParams::new(1.0, 1.0, 0.1, 0.1).unwrap(),
        mmr: MmrParams::new(0.8).unwrap(),
        length: 100,
        seen_again: false,
    }
}

impl Shop {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServeOptions)) -> Self {
        Self::with_queue(QUEUE_RECORDS_MAX, change).await
    }

    pub async fn with_queue(queue_records_max: usize, change: impl FnOnce(&mut ServeOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(NOW_MS));
        let read = clock.clone();
        let time: Arc<dyn Fn() -> i64 + Send + Sync> = Arc::new(move || read.load(Ordering::Relaxed));
        let log = MemoryLog::new(MemoryLogOptions {
            partitions: PARTITIONS,
            clock: time.clone(),
            queue_records_max,
        });
        let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
        let cache = Arc::new(LocalCache::new(LocalCacheOptions {
            entries_max: 1_000,
            ttl_ms: 60_000,
            clock: time.clone(),
        }));
        let metrics = Arc::new(Metrics::new().unwrap());
        let live = Live::start(log.clone(), truth.clone(), dir.path().join("models"), metrics).await.unwrap();
        // Tests run on crowded machines; what is tested for its patience sets its own.
        let mut options =
            ServeOptions { request_timeout: Duration::from_secs(30), ..ServeOptions::default() };
        change(&mut options);
        let context = ServeContext {
            log: log.clone(),
            truth: truth.clone(),
            cache: cache.clone(),
            live: live.clone(),
            lists: list_params(),
            options,
            clock: time,
            language_model: None,
        };
        Self { router: router(context.clone()), context, log, truth, cache, live, clock, _dir: dir }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 * 1024 * 1024).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(serde_json::to_vec(&body).unwrap())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// Posts bytes as they are, as JSON.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.post_as("application/json", path, body).await
    }

    pub async fn post_as(&self, content_type: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, content_type).body(body.into());
        self.send(request.unwrap()).await
    }

    /// All records of a topic, by partition and offset.
    pub async fn records(&self, topic: Topic) -> Vec<Record> {
        let mut all = Vec::new();
        for partition in 0..self.log.partitions(topic) {
            let max = ReadMax { records: 100_000, bytes: usize::MAX };
            all.extend(self.log.read(topic, partition, 0, max).await.unwrap());
        }
        all
    }

    /// Records of all topics.
    pub async fn logged(&self) -> usize {
        let mut sum = 0;
        for topic in shoptide_schemas::topic::ALL_TOPICS {
            sum += self.records(topic).await.len();
        }
        sum
    }

    /// Puts items through the API and waits until the live catalogue has them.
    pub async fn stock(&self, items: Value) {
        let answer = self.post("/v1/items", serde_json::to_vec(&items).unwrap()).await;
        assert_eq!(answer.json()["rejected"], 0, "{}", answer.json());
        self.catalogue_is_live().await;
    }

    pub async fn catalogue_is_live(&self) {
        let next = self.log.watermarks(Topic::Catalogue, 0).await.unwrap().next;
        let caught_up = async {
            while self.live.catalogue().offset() < next {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), caught_up)
            .await
            .expect("the live catalogue follows the log");
    }

    /// Twelve items in two categories, dear to cheap: `T1`..`T6` of technology, `F1`..`F6` of fashion.
    pub async fn stock_twelve(&self) {
        let item = |kind: &str, category: &str, n: usize| {
            json!({"item_id": format!("{kind}{n}"), "title": format!("{kind} number {n}"), "brand": "Aurora",
                "category": category, "price": format!("{}.00", 700 - 100 * n), "currency": "CNY", "stock": 5})
        };
        let mut items: Vec<Value> = (1..=6).map(|n| item("T", "technology/phone", n)).collect();
        items.extend((1..=6).map(|n| item("F", "fashion", n)));
        self.stock(Value::Array(items)).await;
    }

    pub fn shard(&self, user: &str) -> u32 {
        partition_of(user.as_bytes(), PARTITIONS)
    }

    /// What the stream would store: the parts that these events fold into, and a list of these items.
    pub async fn know(&self, user: &str, events: &[Value], items: &[&str]) {
        let id = UserId::parse(user).unwrap();
        let shard = self.shard(user);
        let mut parts: [Part; PARTS] = Default::default();
        for (offset, event) in events.iter().enumerate() {
            let event = wire::decode(&serde_json::to_vec(event).unwrap()).unwrap();
            let place = usize::from(event.event_type.topic().code());
            let change = match &event.kind {
                shoptide_schemas::EventKind::Identify { known } => {
                    Change::Leave { known: known.clone(), record: Vec::new() }
                }
                _ => Change::Fold,
            };
            parts[place].commit(&change, &event, offset as i64);
        }
        let bases: Vec<(Topic, i64)> = USER_TOPICS.iter().map(|t| (*t, 0)).collect();
        let rows = self.truth.assign(shard, &bases).await.unwrap();
        let epoch = rows[0].epoch;
        let catalogue = self.live.catalogue();
        let entry = |(place, item): (usize, &&str)| ListEntry {
            item: catalogue.number(&ItemId::parse(item).unwrap()).unwrap(),
            score: 1.0 - place as f32 / 10.0,
            source: 1,
            evidence: items.first().and_then(|i| catalogue.number(&ItemId::parse(i).unwrap())).unwrap(),
        };
        let list = StoredList {
            epoch,
            revision: 1,
            model_version: 7,
            now_ms: NOW_MS,
            as_of: [1, 2, 3, 4, 5],
            entries: items.iter().enumerate().map(entry).collect(),
            ..StoredList::default()
        };
        let data: Arc<[u8]> = list.encode().into();
        let row =
            ListRow { user: id.clone(), revision: 1, model_version: 7, last_ms: NOW_MS, data: data.clone() };
        let commit = Commit {
            shard,
            epoch,
            offsets: rows
                .iter()
                .map(|r| OffsetMove {
                    topic: r.topic,
                    from: r.next_off,
                    to: r.next_off,
                    append_ms: NOW_MS,
                    tally: Tally::default(),
                })
                .collect(),
            parts: parts
                .iter()
                .zip(USER_TOPICS)
                .filter(|(part, _)| !part.is_empty())
                .map(|(part, topic)| PartRow { shard, user: id.clone(), topic, upto: 9, data: part.encode() })
                .collect(),
            lists: if items.is_empty() { Vec::new() } else { vec![row] },
            ..Commit::default()
        };
        self.truth.commit(commit).await.unwrap();
    }

    /// Puts what the catalogue topic says into the truth, each change as its version, as the stream does; every record here
    /// changes an item.
    #[allow(dead_code, reason = "asked for with the tools alone")]
    pub async fn fold_catalogue(&self) {
        let row = self.truth.assign(0, &[(Topic::Catalogue, 0)]).await.unwrap().remove(0);
        let mut builder = CatalogueBuilder::default();
        for record in self.records(Topic::Catalogue).await {
            let event = shoptide_schemas::catalogue::decode(record.value.as_ref().unwrap()).unwrap();
            let (num, data) = builder.fold(&event).expect("a change");
            if record.offset < row.next_off {
                continue;
            }
            // One by one: of an item that changes twice in a commit, only the last would be a version.
            let tally = Tally { logged: 1, applied: 1, ..Tally::default() };
            let (from, to) = (record.offset, record.offset + 1);
            let step = OffsetMove { topic: Topic::Catalogue, from, to, append_ms: NOW_MS, tally };
            let items = vec![ItemRow { num, item: event.item.clone(), from_off: from, data }];
            let commit = Commit { epoch: row.epoch, offsets: vec![step], items, ..Commit::default() };
            self.truth.commit(commit).await.unwrap();
        }
    }

    /// Puts a list straight into the cache.
    pub fn cache_entry(&self, user: &str, list: &StoredList) -> CacheEntry {
        CacheEntry {
            shard: self.shard(user),
            user: UserId::parse(user).unwrap(),
            version: list.version_key(),
            data: list.encode().into(),
        }
    }
}

/// A view of an item, now.
pub fn view(id: &str, user: &str, item: &str) -> Value {
    json!({"event_id": id, "type": "view_item", "user_id": user, "item_id": item, "occurred_at": NOW_MS})
}

pub fn ids(answer: &Value) -> Vec<String> {
    answer["items"].as_array().unwrap().iter().map(|i| i["item_id"].as_str().unwrap().to_owned()).collect()
}

/// An id as it stands in a path.
pub fn encoded(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    id.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
