//! A shop grows from 4 to 8 partitions under load, while a stream process and the growing command itself are killed: nothing
//! that was acknowledged is lost, nothing counts twice, everybody lives where he belongs.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use serde_json::{Value, json};
use shoptide_schemas::partition::partition_of;

use crate::common::{PATIENCE, Running, client, get, now_ms, total_of_users};
use crate::shop::{PARTITIONS, Shop};

const GROWN: u32 = 8;
const USERS: usize = 150;
/// Events of one request.
const BATCH: usize = 25;
const TOPICS: [&str; 5] = ["browse", "cart", "order", "forum", "feedback"];
/// Events that are acknowledged before the growth begins, while it goes on, and after it.
const LEG: usize = 1_500;

/// What a producer has been told, and whether it is to go on.
#[derive(Default)]
struct Load {
    acked: Mutex<BTreeSet<String>>,
    count: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
}

fn event(n: usize) -> Value {
    let user = format!("user-{}", n * 7_919 % USERS);
    let id = format!("e{n}");
    let (item, at) = (format!("i{}", n % 23), now_ms());
    let mut event = json!({ "event_id": id, "user_id": user, "occurred_at": at });
    let more = match n % 5 {
        0 => json!({ "type": "add_to_cart", "item_id": item }),
        1 => {
            json!({ "type": "purchase", "item_id": item, "order_id": format!("o{n}"), "price": "3.50", "currency": "CNY" })
        }
        2 => json!({ "type": "rate_item", "item_id": item, "rating": 4 }),
        _ => json!({ "type": "view_item", "item_id": item }),
    };
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

/// Posts until told to stop; whatever was not acknowledged is sent again as it was.
async fn produce(load: Arc<Load>, url: String) {
    let client = client();
    let mut next = 0;
    while !load.stop.load(Ordering::SeqCst) {
        let events: Vec<Value> = (next..next + BATCH).map(event).collect();
        next += BATCH;
        loop {
            let answer = client.post(format!("{url}/v1/events")).json(&events).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                break;
            }
            load.refused.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let ids = events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned());
        load.acked.lock().unwrap().extend(ids);
        load.count.fetch_add(BATCH, Ordering::SeqCst);
    }
}

async fn acked(load: &Load, count: usize) {
    let began = Instant::now();
    while load.count.load(Ordering::SeqCst) < count {
        assert!(
            began.elapsed() < PATIENCE,
            "{} of {count} events are acknowledged",
            load.count.load(Ordering::SeqCst)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ids of the events in a topic, as another client reads them.
fn ids(shop: &Shop, topic: &str) -> Vec<String> {
    let mut kcat = Command::new("kcat");
    let kcat = kcat.args(["-C", "-e", "-q", "-b", &shop.kafka, "-t", topic]).output().unwrap();
    let text = String::from_utf8(kcat.stdout).unwrap();
    let id =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["event_id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

struct Told(Mutex<Option<RDKafkaErrorCode>>);

impl rdkafka::ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        *self.0.lock().unwrap() = result.as_ref().err().and_then(|(error, _)| error.rdkafka_error_code());
    }
}

/// What a producer hears who has not been told of the growth.
fn late(shop: &Shop) -> Option<RDKafkaErrorCode> {
    let producer: BaseProducer<Told> = ClientConfig::new()
        .set("bootstrap.servers", &shop.kafka)
        .create_with_context(Told(Mutex::new(None)))
        .unwrap();
    let topic = shop.topic("browse");
    producer.send(BaseRecord::to(&topic).key("late").payload("{}")).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    let told = producer.context().0.lock().unwrap();
    *told
}

/// An event in a transaction of another producer: it leaves a mark behind it that is an offset and no record.
fn in_transaction(shop: &Shop, topic: &str, user: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &shop.kafka)
        .set("partitioner", "murmur2_random")
        .set("transactional.id", &shop.name)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    let event = json!({ "event_id": "e-tx", "type": "forum_like", "user_id": user, "thread_id": "t", "occurred_at": now_ms() });
    let topic = shop.topic(topic);
    let event = event.to_string();
    producer.send(BaseRecord::to(&topic).key(user).payload(&event)).map_err(|(error, _)| error).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
}

async fn erase(url: &str, user: &str) {
    let answer = client().delete(format!("{url}/v1/users/{user}")).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_grows_under_load_and_kills() {
    let Some(shop) = Shop::open() else { return };
    let (first, _) = shop.start("stream");
    let (mut second, _) = shop.start("stream");
    let (serve, url) = shop.start("serve");
    let load = Arc::new(Load::default());
    let producer = tokio::spawn(produce(Arc::clone(&load), url.clone()));
    acked(&load, LEG / 2).await;
    // A user who is gone before the growth, a budget, and a dead letter whose user will live elsewhere.
    let mover = (0..)
        .map(|n| format!("mover-{n}"))
        .find(|u| PARTITIONS <= partition_of(u.as_bytes(), GROWN))
        .unwrap();
    erase(&url, &mover).await;
    let spender =
        (0..USERS).map(|n| format!("user-{n}")).find(|u| PARTITIONS <= partition_of(u.as_bytes(), GROWN));
    let spender = spender.unwrap();
    let budget = json!({ "month": "50.00", "currency": "CNY" });
    let answer = client().put(format!("{url}/v1/users/{spender}/budget")).json(&budget).send().await.unwrap();
    assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
    let mut kcat = Command::new("kcat");
    kcat.args([
        "-P",
        "-b",
        &shop.kafka,
        "-t",
        &shop.topic("cart"),
        "-K",
        "\t",
        "-X",
        "partitioner=murmur2_random",
    ]);
    Shop::fed(kcat, &[format!("{spender}\t{}", json!({ "event_id": "bad", "type": "teleport" }))]);
    in_transaction(&shop, "forum", &spender);
    acked(&load, LEG).await;

    // The command is killed as soon as the old topics are sealed, and a stream process with it.
    let mut growing = Running::start(shop.command(&["topics", "grow", "--partitions", "8"]));
    let sealed = |line: &str| line.contains("takes no more events").then_some(());
    growing.out.find(sealed).unwrap_or_else(|| panic!("{}", growing.err.text()));
    growing.kill();
    second.kill();
    let half = shop.ended(&["topics", "status"]);
    assert!(half.code == Some(1) && half.out.contains("is not finished"), "{half:?}");
    assert_eq!(late(&shop), Some(RDKafkaErrorCode::MessageSizeTooLarge), "a sealed topic takes nothing");
    let wrong = shop.ended(&["topics", "grow", "--partitions", "16"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("to 8 partitions is not finished"), "{wrong:?}");
    acked(&load, 2 * LEG).await;
    let (third, _) = shop.start("stream");
    let began = Instant::now();
    shop.done(&["topics", "grow"]);
    println!(
        "the growth took {:?}, with {} requests refused",
        began.elapsed(),
        load.refused.load(Ordering::SeqCst)
    );
    assert!(shop.done(&["topics", "status"]).out.contains("0 behind the seal"));
    acked(&load, load.count.load(Ordering::SeqCst) + LEG).await;
    load.stop.store(true, Ordering::SeqCst);
    producer.await.unwrap();

    // Whoever was gone stays gone, whichever generation his events come in.
    let of_gone = json!({ "event_id": "gone", "type": "view_item", "user_id": mover, "item_id": "i1", "occurred_at": now_ms() });
    let answer = client().post(format!("{url}/v1/events")).json(&of_gone).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    shop.caught_up(&[&first, &third]);
    let list = get(&format!("{url}/v1/users/{spender}/recommendations?n=5")).await;
    assert!(list["as_of"]["shop.browse"].as_i64().is_some_and(|next| 1 << 40 < next), "{list}");
    let kept = get(&format!("{url}/v1/users/{spender}/budget")).await;
    assert_eq!(kept["limit"], "50.00", "{kept}");
    first.stop();
    third.stop();
    serve.stop();
    let report = shop.verified();

    let (mut logged, mut unique) = (Vec::new(), BTreeSet::new());
    let mut behind_seal = 0;
    for topic in TOPICS {
        let (old, new) = (ids(&shop, &shop.topic(topic)), ids(&shop, &format!("{}.g2", shop.topic(topic))));
        assert!(topic == "forum" || !old.is_empty() && !new.is_empty(), "{topic} has events of both");
        behind_seal += new.len();
        logged.extend(old.into_iter().chain(new));
    }
    unique.extend(logged.iter().filter(|id| id.starts_with('e')).cloned());
    let missing: Vec<String> = load.acked.lock().unwrap().difference(&unique).cloned().collect();
    assert!(missing.is_empty(), "acknowledged and not in the log: {missing:?}");
    let sum = |column| total_of_users(&report, column);
    let erasures = TOPICS.len() as i64;
    assert_eq!(sum("logged"), logged.len() as i64, "{report:#}");
    assert_eq!(sum("applied"), unique.len() as i64 + erasures, "each event counts once: {report:#}");
    assert_eq!([sum("dead_lettered"), sum("erased"), sum("late")], [1, 1, 0], "{report:#}");
    assert!(LEG < behind_seal, "{behind_seal} events in the new generation");

    // Everybody lives where his key says.
    for table in ["user_part", "order_line", "user_list", "user_budget"] {
        let rows = shop.sql(&format!("SELECT DISTINCT shard, user_id FROM {}.{table}", shop.name));
        assert!(!rows.is_empty(), "{table}");
        for row in rows.lines() {
            let (shard, user) = row.split_once('\t').unwrap();
            assert_eq!(
                shard.parse::<u32>().unwrap(),
                partition_of(user.as_bytes(), GROWN),
                "{user} in {table}"
            );
        }
    }
    let home = partition_of(spender.as_bytes(), GROWN);
    assert_eq!(shop.sql(&format!("SELECT shard FROM {}.dead_letter", shop.name)).trim(), home.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_grow_is_told_why() {
    let Some(shop) = Shop::open() else { return };
    let refused = |args: &[&str], why: &str| {
        let ended = shop.ended(args);
        assert!(ended.code != Some(0) && ended.err.contains(why), "{args:?}: {ended:?}");
    };
    refused(&["topics", "grow"], "say --partitions");
    refused(&["topics", "grow", "--partitions", "6"], "expected a multiple of 4");
    refused(&["topics", "grow", "--partitions", "4"], "expected a multiple of 4 and more");
    // Nobody folds what is in the log.
    let mut kcat = Command::new("kcat");
    kcat.args(["-P", "-b", &shop.kafka, "-t", &shop.topic("cart"), "-K", "\t"]);
    Shop::fed(kcat, &["somebody\t{}".to_owned()]);
    refused(&["topics", "grow", "--partitions", "8", "--wait-s", "1"], "do stream processes run?");
    let mut embedded = shop.command(&["topics", "grow", "--partitions", "8"]);
    embedded.env("SHOPTIDE_LOG__KIND", "embedded");
    let ended = crate::common::finish(embedded);
    assert!(ended.code == Some(2) && ended.err.contains("log.kind is \"embedded\""), "{ended:?}");
}
