//! Training from the event lake and the end of the log: the bytes of training from the truth.

use std::sync::Arc;

use serde_json::{Value, json};
use shoptide_jobs::train::{
    Mode, Outcome, Source, TrainError, TrainOptions, Workers, fold_lake, list, train_as, train_from_lake,
};
use shoptide_lake::{ArchiveLimits, Archiver, FileMax, Lake, LakeError, LakeOptions};
use shoptide_log::{Log, NewRecord};
use shoptide_models::state::Part;
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{PartRow, Truth};
use tempfile::TempDir;

use crate::train_support::{NOW_MS, Shop};

const DAY_MS: i64 = 86_400_000;
const WARM: TrainOptions = TrainOptions { mode: Mode::Warm, candidate: false };
const ITEMS: TrainOptions = TrainOptions { mode: Mode::Items, candidate: false };

/// Small steps and files, so that little data makes many.
fn archiver(lake: &Lake, shop: &Shop) -> Archiver {
    let limits = ArchiveLimits {
        portion_rows: 100,
        portion_bytes: 1 << 20,
        step_records: 300,
        file_rows: 60,
        file_bytes: 1 << 20,
    };
    Archiver { lake: lake.clone(), log: shop.log.clone(), clock: Arc::new(|| NOW_MS), limits }
}

/// Acts of forty users with sixty items, in all topics, with repeats, order lines said twice, late events and bad ones.
fn acts(from: usize, n: usize) -> Vec<(Topic, Value)> {
    let mut events = Vec::new();
    let mut seed = 7_u64 + from as u64;
    let mut dice = move |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    for k in from..from + n {
        let (user, item) = (format!("u{}", dice(40)), format!("i{}", dice(60)));
        let at = NOW_MS - 12 * DAY_MS + k as i64 * 60_000 - (dice(4) * 40_000_000) as i64;
        let mut event = json!({
            "event_id": format!("e{}", if dice(9) == 0 { k.saturating_sub(3) } else { k }),
            "user_id": user, "item_id": item, "occurred_at": at,
        });
        let mut set = |name: &str, more: Value| {
            event["type"] = name.into();
            for (key, value) in more.as_object().unwrap() {
                event[key] = value.clone();
            }
        };
        let topic = match dice(14) {
            0..6 => {
                set("view_item", json!({}));
                Topic::Browse
            }
            6 => {
                set("search", json!({ "query": "a thing" }));
                Topic::Browse
            }
            7 => {
                set("add_to_cart", json!({ "quantity": 2 }));
                Topic::Cart
            }
            8 | 9 => {
                let order = json!({ "order_id": format!("o{}", dice(150)), "price": "3.50", "currency": "CNY", "quantity": 1 });
                set(if dice(4) == 0 { "refund" } else { "purchase" }, order);
                Topic::Order
            }
            10 => {
                set("rate_item", json!({ "rating": dice(11) as f64 / 2.0 }));
                Topic::Feedback
            }
            11 => {
                set(
                    "recommendation_feedback",
                    json!({ "feedback": if dice(2) == 0 { "like" } else { "not_interested" } }),
                );
                Topic::Feedback
            }
            12 => {
                set("forum_reply", json!({ "thread_id": format!("t{}", dice(9)), "text": "words" }));
                Topic::Forum
            }
            _ => {
                // Too late to count.
                set("view_item", json!({ "occurred_at": NOW_MS - 200 * DAY_MS }));
                Topic::Browse
            }
        };
        events.push((topic, event));
    }
    events
}

fn of_all_topics(event: &Value) -> Vec<(Topic, Value)> {
    USER_TOPICS.map(|topic| (topic, event.clone())).to_vec()
}

fn identify(anonymous: &str, known: &str) -> Vec<(Topic, Value)> {
    of_all_topics(&json!({
        "event_id": format!("id {anonymous}"), "type": "identify", "user_id": anonymous, "known_user_id": known, "occurred_at": NOW_MS,
    }))
}

fn erase(user: &str) -> Vec<(Topic, Value)> {
    of_all_topics(
        &json!({ "event_id": format!("bye {user}"), "type": "user_erased", "user_id": user, "occurred_at": NOW_MS }),
    )
}

/// What one user owes another goes into the log, as a stream brings it there.
async fn settle(shop: &Shop) {
    for shard in 0..4 {
        let owed = shop.truth.outbox(shard, 1_000).await.unwrap();
        let records: Vec<NewRecord> = owed
            .iter()
            .map(|row| NewRecord {
                topic: row.topic,
                key: row.key.clone().into(),
                value: row.payload.clone().into(),
            })
            .collect();
        shop.log.append(records).await.unwrap();
        let done: Vec<_> = owed.iter().map(|row| (row.topic, row.off)).collect();
        shop.truth.outbox_done(shard, &done).await.unwrap();
    }
    shop.fold(&[]).await;
}

/// The newest published model's bytes.
async fn newest(shop: &Shop) -> (u64, String, Vec<u8>) {
    let row = shop.truth.models().await.unwrap().pop().unwrap();
    let bytes = std::fs::read(shop.models().join(&row.file)).unwrap();
    (row.version, row.kind, bytes)
}

/// The same events in two shops; one trains from its truth, the other from a lake. Beside each other after every step.
struct Two {
    truth: Shop,
    lake: Shop,
    of: Lake,
    _folder: TempDir,
}

impl Two {
    async fn new(threads: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let of = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
        let mut two = Self { truth: Shop::of(4).await, lake: Shop::of(4).await, of, _folder: folder };
        two.lake.context.workers = Workers::new(threads).unwrap();
        for shop in [&mut two.truth, &mut two.lake] {
            shop.params(|p| p.gate.users_min = 1_000);
        }
        two
    }

    async fn fold(&self, events: &[(Topic, Value)]) {
        for shop in [&self.truth, &self.lake] {
            shop.fold(events).await;
            settle(shop).await;
        }
    }

    async fn archive(&self) {
        let done = archiver(&self.of, &self.lake).run().await.unwrap();
        assert!(done.drained && 0 < done.files, "{done:?}");
    }

    async fn train(&self, options: TrainOptions) -> (u64, String, Vec<u8>) {
        let expected = train_as(&self.truth.context, options).await.unwrap();
        let found = train_from_lake(&self.lake.context, &self.of, options).await.unwrap();
        assert_eq!((&expected.outcome, &found.outcome), (&Outcome::Published, &Outcome::Published));
        assert_eq!(expected.model.meta(), found.model.meta());
        assert_eq!(expected.users, found.users);
        let (expected, found) = (newest(&self.truth).await, newest(&self.lake).await);
        assert!(expected == found, "version {} is not the same", expected.0);
        found
    }
}

/// A chain of every kind of version.
async fn chain(threads: usize) -> Vec<(u64, String, Vec<u8>)> {
    let two = Two::new(threads).await;
    let mut made = Vec::new();
    two.fold(&acts(0, 700)).await;
    // u3 was u2 all the while: what he did goes over, and what he does under the old name too.
    two.fold(&identify("u3", "u2")).await;
    two.archive().await;
    two.fold(&acts(700, 300)).await;
    made.push(two.train(WARM).await);
    two.fold(&acts(1_000, 40)).await;
    made.push(two.train(ITEMS).await);
    two.archive().await;
    two.fold(&identify("u5", "u7")).await;
    made.push(two.train(WARM).await);
    // An erasure ends the chain, while its rows are in the lake still and once they are gone.
    two.fold(&erase("u11")).await;
    made.push(two.train(WARM).await);
    two.archive().await;
    two.fold(&acts(1_040, 60)).await;
    made.push(two.train(ITEMS).await);
    made.push(two.train(TrainOptions { mode: Mode::Full, candidate: false }).await);
    let all = list(&*two.lake.truth).await.unwrap();
    let last = all.last().unwrap();
    assert!(matches!(last.report.source, Source::Lake { commit } if 1 < commit), "{:?}", last.report.source);
    made
}

#[tokio::test]
async fn a_chain_from_the_lake_has_the_bytes_of_one_from_the_truth_at_any_number_of_threads() {
    let once = chain(4).await;
    let kinds: Vec<&str> = once.iter().map(|one| one.1.as_str()).collect();
    assert_eq!(kinds, ["full", "delta", "full", "full", "delta", "full"]);
    assert!(once == chain(1).await, "threads are seen in the bytes");
}

#[tokio::test]
async fn the_folded_parts_are_those_of_the_truth() {
    let two = Two::new(2).await;
    two.fold(&acts(0, 900)).await;
    two.fold(&identify("u3", "u2")).await;
    two.fold(&erase("u9")).await;
    two.archive().await;
    let file_max = FileMax { rows: 1_000, bytes: 1 << 20 };
    two.of.settle(&*two.lake.log, file_max, NOW_MS).await.unwrap();
    two.fold(&acts(900, 200)).await;
    let folded = fold_lake(&two.lake.context, &two.of).await.unwrap();
    let shown = two.lake.context.progress.look();
    assert_eq!((shown.phase.as_str(), shown.done), ("reading events", folded.records));
    assert!(folded.records <= shown.total && shown.total < folded.records + 50, "{shown:?}");
    assert!(0 < folded.tail && folded.tail < folded.records, "{} of {}", folded.tail, folded.records);
    // What training reads of a part: prices, queries and the window of ids are not asked for.
    let bare = |data: &[u8]| {
        let part = Part::decode(data).unwrap();
        Part { recent: Default::default(), spend: Vec::new(), queries: Vec::new(), ..part }
    };
    let mut expected: Vec<PartRow> = Vec::new();
    two.lake.truth.scan_parts(&[], &mut |row| expected.push(row)).await.unwrap();
    let found = folded.parts();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        let key = |row: &PartRow| (row.shard, row.user.clone(), row.topic, row.upto);
        assert_eq!(key(found), key(expected));
        assert_eq!(bare(&found.data), bare(&expected.data), "{:?}", key(found));
    }
}

#[tokio::test]
async fn a_lake_that_begins_too_late_is_refused_by_its_offsets() {
    let (shop, folder) = (Shop::of(1).await, TempDir::new().unwrap());
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    shop.fold(&acts(0, 300)).await;
    shop.log.truncate_below(Topic::Browse, 0, 50).await.unwrap();
    archiver(&lake, &shop).run().await.unwrap();
    let error = train_from_lake(&shop.context, &lake, WARM).await.unwrap_err();
    let TrainError::Lake(LakeError::Gap { topic: Topic::Browse, partition: 0, cut: 0, first: 50 }) = error
    else {
        panic!("{error}")
    };
    assert_eq!(shop.truth.model_pointer().await.unwrap(), None, "nothing half done");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_nothing_is_published() {
    let (shop, folder) = (Shop::of(1).await, TempDir::new().unwrap());
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    shop.fold(&acts(0, 300)).await;
    archiver(&lake, &shop).run().await.unwrap();
    let file =
        lake.snapshot().await.unwrap().files.iter().find(|f| f.topic == Topic::Browse).unwrap().path.clone();
    std::fs::write(folder.path().join(&file), b"no Parquet").unwrap();
    let error = train_from_lake(&shop.context, &lake, WARM).await.unwrap_err();
    assert!(matches!(&error, TrainError::Lake(LakeError::Damaged { path, .. }) if *path == file), "{error}");
    assert_eq!(shop.truth.model_pointer().await.unwrap(), None);
}
