//! A small shop made from a seed: its events as files of a lake, the same in memory for answers by hand, and its truth in SQLite.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use parquet::arrow::ArrowWriter;
use shoptide_models::snapshot::Snapshot;
use shoptide_models::state::{Act, TasteParams};
use shoptide_query::lake::LakePart;
use shoptide_query::output::Rows;
use shoptide_query::{LakeSource, ModelSource, QueryError, SessionOptions, Shop, Sources, TruthSource};
use shoptide_schemas::arrow::{EventRow, event_batch};
use shoptide_schemas::event::OrderLine;
use shoptide_schemas::{Currency, EventId, EventKind, EventMs, EventType, ItemId, ShopEvent, Topic, UserId};
use shoptide_store::Truth;

pub const DAY_MS: i64 = 86_400_000;
/// 2026-01-05, a Monday.
pub const FIRST_DAY: i64 = 20_458;
pub const DAYS: i64 = 21;

/// Numbers by a seed, the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// An event and its place in the log.
#[derive(Debug, Clone)]
pub struct Logged {
    pub topic: Topic,
    pub partition: u32,
    pub offset: i64,
    pub event: ShopEvent,
}

impl Logged {
    pub fn day(&self) -> i64 {
        self.event.at.0.div_euclid(DAY_MS)
    }

    pub fn item(&self) -> Option<Vec<u8>> {
        self.event.item().map(|item| item.as_bytes().to_vec())
    }

    pub fn user(&self) -> Vec<u8> {
        self.event.user.as_bytes().to_vec()
    }
}

/// `n` events of 40 users and 12 items; one user's id is no UTF-8, and some events are there twice.
pub fn events(seed: u64, n: u64) -> Vec<Logged> {
    let mut dice = Dice(seed);
    let mut offsets: BTreeMap<(Topic, u32), i64> = BTreeMap::new();
    let mut out: Vec<Logged> = Vec::new();
    for number in 0..n {
        let user = match dice.below(40) {
            0 => vec![0xff, 0x00, b'u'],
            user => format!("u{user}").into_bytes(),
        };
        // Items that rise: the later the day, the more of those with high numbers.
        let day = dice.below(DAYS as u64) as i64;
        let item = dice.below(6) + if 14 <= day { dice.below(6) } else { 0 };
        let item = ItemId::from_trusted(format!("i{item}").as_bytes());
        let at = EventMs((FIRST_DAY + day) * DAY_MS + dice.below(DAY_MS as u64) as i64);
        let (event_type, kind) = match dice.below(10) {
            0..=5 => (EventType::ViewItem, EventKind::View { item }),
            6..=7 => (EventType::AddToCart, EventKind::CartAdd { item, quantity: 1 + dice.below(3) as u32 }),
            8 => {
                let order = OrderLine { order: format!("o{}", dice.below(30)), line: number.to_string() };
                let paid = Some((shoptide_schemas::Micros(9_900_000), Currency(*b"CNY")));
                (EventType::Purchase, EventKind::Purchase { item, quantity: 1, paid, order: Some(order) })
            }
            _ => (
                EventType::Search,
                EventKind::Search { query: format!("query {}", dice.below(5)), item: None },
            ),
        };
        let event = ShopEvent {
            id: EventId::from_trusted(format!("e{number}").as_bytes()),
            event_type,
            user: UserId::from_trusted(&user),
            at,
            kind,
            session: None,
            list: None,
            historical: false,
        };
        for _ in 0..if number % 50 == 7 { 2 } else { 1 } {
            let (topic, partition) = (event_type.topic(), u32::from(user.last().copied().unwrap_or(0)) % 2);
            let next = offsets.entry((topic, partition)).or_default();
            out.push(Logged { topic, partition, offset: *next, event: event.clone() });
            *next += 1;
        }
    }
    out
}

/// The events as files under `root`, one a day, type and partition, as an archiver leaves them.
pub fn write_lake(root: &Path, events: &[Logged]) -> Vec<LakePart> {
    let mut groups: BTreeMap<(Topic, u32, i64, EventType), Vec<&Logged>> = BTreeMap::new();
    for event in events {
        let key = (event.topic, event.partition, event.day(), event.event.event_type);
        groups.entry(key).or_default().push(event);
    }
    let mut parts = Vec::new();
    for ((topic, partition, day, event_type), mut group) in groups {
        group.sort_by_key(|e| e.offset);
        let rows: Vec<EventRow<'_>> = group
            .iter()
            .map(|e| EventRow {
                topic,
                partition,
                offset: e.offset,
                appended: EventMs(e.event.at.0 + 5),
                event: &e.event,
            })
            .collect();
        let date = shoptide_lake::date_name(day as u32);
        let (first, next) = (group[0].offset, group[group.len() - 1].offset + 1);
        let path = format!(
            "events/date={date}/type={}/{topic}-{partition:05}-{first:020}-{next:020}.parquet",
            event_type.name()
        );
        let bytes = write_parquet(&root.join(&path), &event_batch(&rows).unwrap());
        parts.push(LakePart {
            path,
            bytes,
            rows: rows.len() as u64,
            topic: topic.name(),
            partition,
            offsets: (first, next),
            day: Some(day as i32),
            event_type: Some(event_type),
        });
    }
    parts
}

pub fn write_parquet(path: &Path, batch: &RecordBatch) -> u64 {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    std::fs::metadata(path).unwrap().len()
}

pub fn lake_source(root: &Path, parts: Vec<LakePart>) -> LakeSource {
    let store = LocalFileSystem::new_with_prefix(root).unwrap();
    LakeSource { store: Arc::new(store), events: parts, records: Vec::new() }
}

/// A lake in a folder of its own, and a session over it.
pub struct Lake {
    pub dir: tempfile::TempDir,
    pub events: Vec<Logged>,
    pub parts: Vec<LakePart>,
    pub shop: Shop,
}

pub fn options() -> SessionOptions {
    SessionOptions { threads: Some(2), ..SessionOptions::default() }
}

pub fn lake(seed: u64, n: u64) -> Lake {
    println!("seed {seed}");
    let dir = tempfile::tempdir().unwrap();
    let events = events(seed, n);
    let parts = write_lake(dir.path(), &events);
    let sources = Sources { lake: Some(lake_source(dir.path(), parts.clone())), truth: None };
    let shop = shoptide_query::open(&options(), sources).unwrap();
    Lake { dir, events, parts, shop }
}

impl Lake {
    pub fn path(&self, part: usize) -> PathBuf {
        self.dir.path().join(&self.parts[part].path)
    }
}

/// The answer as texts.
pub async fn rows(shop: &Shop, sql: &str) -> Vec<Vec<String>> {
    let answer = shop.ask(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = Rows::new(&answer.schema, 1_000_000);
    let batches: Vec<RecordBatch> =
        answer.batches.try_collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    batches.iter().for_each(|batch| rows.take(batch).unwrap());
    rows.cells
}

/// What a question comes to, at its beginning or while it runs.
pub async fn refused(shop: &Shop, sql: &str) -> QueryError {
    let answer = match shop.ask(sql).await {
        Ok(answer) => answer,
        Err(error) => return error,
    };
    match answer.batches.try_collect::<Vec<_>>().await {
        Ok(batches) => panic!("{sql} is answered: {batches:?}"),
        Err(error) => error,
    }
}

/// No model is served.
pub struct NoModel;

#[async_trait]
impl ModelSource for NoModel {
    async fn served(&self) -> Result<Option<Arc<Snapshot>>, QueryError> {
        Ok(None)
    }
}

pub fn tastes() -> TasteParams {
    let weights = [(Act::VIEW, 1.0), (Act::CART_ADD, 4.0), (Act::PURCHASE, 8.0)];
    TasteParams::new(&weights, [30.0; 5], 2.0, 90.0).unwrap()
}

pub fn truth_source(truth: Arc<dyn Truth>, models: Arc<dyn ModelSource>) -> TruthSource {
    TruthSource { truth, models, tastes: tastes(), currency: Currency(*b"CNY") }
}
