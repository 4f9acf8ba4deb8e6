//! Killed (-9) at 20 random moments under load: whatever the collector acknowledged is in the log, and the truth is what
//! one clean run over that log makes. `KILL_SEED=… cargo test` repeats a run's moments and load.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use shoptide_jobs::import::Outgoing;
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_log::{Log, ReadMax};
use shoptide_schemas::Topic;
use shoptide_schemas::topic::{ALL_TOPICS, USER_TOPICS};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::common::{PATIENCE, Running, caught_up, line, now_ms, open_log, post, role, total, up, verified};

const KILLS: usize = 20;
/// The proof is made after these, and at the end.
const PROVEN: [usize; 5] = [1, 5, 10, 15, 20];
/// How long after the first acknowledgement since the start.
const MOMENTS_MS: std::ops::Range<u64> = 20..2_000;
const BATCH: usize = 100;
/// Starts of the stream alone until nothing is owed any more.
const STARTS_MAX: usize = 5;

/// SplitMix64: the same moments for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Where the log has an event: topic, partition, offset.
type Place = (String, u64, i64);

/// What the producer knows.
#[derive(Default)]
struct Acknowledged {
    /// Events by where the collector said that they are.
    at: HashMap<Place, String>,
    batches: usize,
    rejected: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_counts_twice() {
    let seed = std::env::var("KILL_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| now_ms().unsigned_abs());
    println!("KILL_SEED={seed}");
    let began = Instant::now();
    let mut dice = Dice(seed);
    let dir = tempfile::tempdir().unwrap();
    let (target, aim) = watch::channel(String::new());
    let known = Arc::new(Mutex::new(Acknowledged::default()));
    let producer = tokio::spawn(produce(seed, aim, known.clone()));
    let (mut foreign, mut recomputed) = (0, 0);
    for kill in 1..=KILLS {
        let (mut running, url) = up(dir.path());
        let before = known.lock().await.batches;
        target.send_replace(url);
        answered(&mut running, &producer, &known, before).await;
        let moment = Duration::from_millis(MOMENTS_MS.start + dice.below(MOMENTS_MS.end - MOMENTS_MS.start));
        let due = Instant::now() + moment;
        if kill % 3 == 0 {
            foreign += spoil(dir.path(), &mut dice).await;
        }
        // The moment itself is what is tested.
        tokio::time::sleep_until(due.into()).await;
        running.kill();
        if PROVEN.contains(&kill) {
            let report = verified(dir.path());
            let lists = &report["lists"];
            assert_eq!(lists["different"], serde_json::json!([]), "after kill {kill}");
            recomputed += lists["recomputed"].as_u64().unwrap();
            println!(
                "kill {kill}: proven over {} records, {lists} at {:.1?}",
                report["records"],
                began.elapsed()
            );
        }
    }
    assert_ne!(recomputed, 0, "no list was made again, so nothing was proven of lists");
    let (mut running, url) = up(dir.path());
    let before = known.lock().await.batches;
    target.send_replace(url);
    // The batch that the last kill cut off must still get through.
    answered(&mut running, &producer, &known, before).await;
    producer.abort();
    let _ = producer.await;
    caught_up(dir.path()).await;
    running.stop();
    let mut report = verified(dir.path());
    let (in_log, mut records) = ids_in_log(dir.path()).await;
    // What the program itself owes the log (a login's parts, items that only events name) may have come in last.
    for _ in 0..STARTS_MAX {
        if total(&report, "logged") == records {
            break;
        }
        let (stream, _) = role("stream", dir.path());
        caught_up(dir.path()).await;
        stream.stop();
        report = verified(dir.path());
        records = ids_in_log(dir.path()).await.1;
    }
    let known = known.lock().await;
    let lost: Vec<_> = known.at.iter().filter(|(place, id)| in_log.get(*place) != Some(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged events are not in the log: {lost:?}",
        lost.len(),
        known.at.len()
    );
    // A login and an erasure concern every part of a user, so each topic has its copy, or none is acknowledged.
    let mut copies: HashMap<&str, usize> = HashMap::new();
    in_log.values().for_each(|id| *copies.entry(id).or_default() += 1);
    let everywhere = known.at.values().filter(|id| id.ends_with("-login") || id.ends_with("-erase"));
    for id in everywhere {
        assert!(USER_TOPICS.len() <= copies[id.as_str()], "{id} has {} copies", copies[id.as_str()]);
    }
    assert_eq!(total(&report, "logged"), records, "all of the log is folded");
    let sum: i64 =
        ["applied", "duplicate", "late", "erased", "dead_lettered"].map(|c| total(&report, c)).iter().sum();
    assert_eq!(sum, records);
    assert!(foreign <= total(&report, "dead_lettered"), "every foreign record is a dead letter");
    for column in ["applied", "duplicate", "late", "erased"] {
        assert_ne!(total(&report, column), 0, "the load has none that is {column}: {report:#}");
    }
    println!(
        "{} acknowledged, {} rejected, {records} records, {foreign} foreign, {:.1?}",
        known.at.len(),
        known.rejected,
        began.elapsed()
    );
}

/// Waits for the first answer to a batch since this start.
async fn answered(
    running: &mut Running,
    producer: &JoinHandle<()>,
    known: &Mutex<Acknowledged>,
    before: usize,
) {
    let until = Instant::now() + PATIENCE;
    while known.lock().await.batches == before {
        assert!(!producer.is_finished(), "the producer did not like an answer");
        assert!(running.is_running() && Instant::now() < until, "{}", running.err.text());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sends without end, each batch again until it is answered.
async fn produce(seed: u64, mut aim: watch::Receiver<String>, known: Arc<Mutex<Acknowledged>>) {
    let mut options = ShopOptions::demo(seed, now_ms());
    (options.users, options.items, options.events) = (300, 120, 10_000_000);
    (options.duplicate_per_mille, options.late_per_mille, options.bad_per_mille) = (40, 5, 10);
    let shop = Shop::new(ShopParams::new(options).unwrap());
    let mut all =
        shop.catalogue().map(Outgoing::Item).chain(shop.events().map(Outgoing::Event)).map(|one| line(&one));
    for number in 0_u64.. {
        let mut batch: Vec<String> = all.by_ref().take(BATCH).collect();
        batch.extend(special(number));
        let body = batch.join("\n");
        loop {
            let url = aim.borrow_and_update().clone();
            if !url.is_empty()
                && let Ok(answer) = post(&url, body.clone()).await
                && answer.status() == 200
                && let Ok(answer) = answer.json::<Value>().await
            {
                acknowledge(&answer, &mut *known.lock().await);
                break;
            }
            // Either it is starting again, or it has no room at the moment.
            let _ = tokio::time::timeout(Duration::from_millis(50), aim.changed()).await;
        }
    }
}

fn acknowledge(answer: &Value, known: &mut Acknowledged) {
    for verdict in answer["verdicts"].as_array().unwrap() {
        if verdict["status"] == "accepted" {
            let text =
                |field: &str| verdict[field].as_str().unwrap_or_else(|| panic!("{verdict}")).to_owned();
            let (partition, offset) =
                (verdict["partition"].as_u64().unwrap(), verdict["offset"].as_i64().unwrap());
            known.at.insert((text("topic"), partition, offset), text("event_id"));
        } else {
            known.rejected += 1;
        }
    }
    known.batches += 1;
}

/// Somebody logs in, somebody is erased and goes on, somebody buys the same line twice.
fn special(number: u64) -> Vec<String> {
    let event = |id: &str, kind: &str, user: &str, more: Value| {
        let mut event =
            serde_json::json!({ "event_id": id, "type": kind, "user_id": user, "occurred_at": now_ms() });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event.to_string()
    };
    let (anonymous, known) = (format!("anon-{number}"), format!("known-{}", number % 40));
    let gone = format!("gone-{}", number % 7);
    let view = |item: u64| serde_json::json!({ "item_id": format!("SP{item}") });
    let order = serde_json::json!({ "item_id": "SP1", "order_id": format!("o-{}", number / 2), "price": "12.50", "currency": "CNY" });
    let mut events = vec![
        event(&format!("sp{number}-view"), "view_item", &anonymous, view(number % 5)),
        event(&format!("sp{number}-cart"), "add_to_cart", &anonymous, view(number % 3)),
        event(&format!("sp{number}-buy"), "purchase", &known, order),
        event(&format!("sp{number}-gone"), "view_item", &gone, view(number % 5)),
    ];
    if number.is_multiple_of(3) {
        let who = serde_json::json!({ "known_user_id": known });
        events.push(event(&format!("sp{number}-login"), "identify", &anonymous, who));
    }
    if number.is_multiple_of(11) {
        events.push(event(&format!("sp{number}-erase"), "user_erased", &gone, serde_json::json!({})));
    }
    events
}

/// What no producer of ours writes, into the log of the running process. How many must become dead letters.
async fn spoil(dir: &Path, dice: &mut Dice) -> i64 {
    let log = open_log(dir).await;
    let text = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    let topic = USER_TOPICS[dice.below(5) as usize];
    let good = format!(
        r#"{{"event_id":"f{}","type":"view_item","user_id":"U1","item_id":"A","occurred_at":1}}"#,
        dice.next()
    );
    let wrong_partition = (shoptide_schemas::partition::partition_of(b"U1", 4) + 1) % 4;
    let records = [
        (topic, 0, None, text("{}")),
        (topic, 1, text("U1"), None),
        (topic, 2, text("U2"), Some(Bytes::from_static(&[0xff, 0, 0x80, b'{']))),
        (Topic::Browse, wrong_partition, text("U1"), text(&good)),
        (Topic::Catalogue, 0, text("I1"), text(r#"{"type":"item_upsert"}"#)),
    ];
    let n = records.len() as i64;
    for (topic, partition, key, value) in records {
        log.append_foreign(topic, partition, key, value).await.unwrap();
    }
    log.close().await;
    n
}

/// Every event id of the log by its place, and how many records the log has.
async fn ids_in_log(dir: &Path) -> (HashMap<Place, String>, i64) {
    let log = open_log(dir).await;
    let (mut ids, mut records) = (HashMap::new(), 0);
    for topic in ALL_TOPICS {
        for partition in 0..log.partitions(topic) {
            let (mut from, end) = (0, log.watermarks(topic, partition).await.unwrap().next);
            records += end;
            while from < end {
                let read = log
                    .read(topic, partition, from, ReadMax { records: 1_000, bytes: 1 << 22 })
                    .await
                    .unwrap();
                from = read.last().unwrap().offset + 1;
                for record in &read {
                    let value = record.value.as_deref().unwrap_or_default();
                    let value: Value = serde_json::from_slice(value).unwrap_or_default();
                    if let Some(id) = value["event_id"].as_str() {
                        let place = (topic.name().to_owned(), u64::from(partition), record.offset);
                        ids.insert(place, id.to_owned());
                    }
                }
            }
        }
    }
    log.close().await;
    (ids, records)
}
