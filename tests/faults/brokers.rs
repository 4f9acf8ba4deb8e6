//! The log goes away: the broker is stopped cleanly or killed under load, is slow, or has forgotten what was not read.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::load::{Load, client, now_ms};
use crate::oracle;
use crate::proxy::Proxy;
use crate::seed::{Dice, count};
use crate::servers::{Own, Servers};
use crate::shop::{Shop, until};

/// Until a producer hears that the log is away.
const HEARD: Duration = Duration::from_secs(5);
/// Until events are taken and folded again, once the broker answers.
const RESUMED: Duration = Duration::from_secs(10);
/// The same where other tests have their own servers on the same cores.
const RESUMED_BESIDE_OTHERS: Duration = Duration::from_secs(60);

/// Asks the broker itself until it answers.
fn answers(servers: &Servers) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers.kafka).set("reconnect.backoff.max.ms", "100");
    let asker: BaseConsumer = config.create().unwrap();
    let began = Instant::now();
    while asker.fetch_metadata(None, Duration::from_millis(250)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "the broker does not come back");
    }
}

/// Sends single events until one is answered by 503; how long that took.
async fn first_503(url: &str, ledger: &Ledger, began: Instant) -> Duration {
    let http = client();
    for number in 0.. {
        let id = format!("probe-{}-{number}", now_ms());
        let event = json!({ "event_id": id, "type": "view_item", "user_id": "probe", "item_id": "P", "occurred_at": now_ms() });
        let sent = Instant::now();
        let answer = http.post(format!("{url}/v1/events")).json(&event).send().await.unwrap();
        assert!(sent.elapsed() < HEARD + Duration::from_millis(500), "answered after {:?}", sent.elapsed());
        match answer.status().as_u16() {
            503 => return began.elapsed(),
            200 => ledger.answered(&answer.json::<Value>().await.unwrap()),
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!()
}

async fn outages(name: &str, times: usize, resumed: Duration) {
    let Some(own) = Own::start(1) else { return };
    let mut dice = Dice::of(name);
    let shop = Shop::open(&own.servers, 4).await;
    let (stream, serve) = (shop.start("stream"), shop.start("serve"));
    let load = Load::start(&mut dice, 150, &serve.url);
    let mut tables = shop.tables().await;
    for outage in 0..times {
        load.answered(Duration::from_secs(60)).await;
        tokio::time::sleep(dice.moment(100, 1_500)).await;
        let signal = if outage % 2 == 0 { "KILL" } else { "TERM" };
        let ended = tokio::task::block_in_place(|| own.end("kafka-1", signal));
        let heard = first_503(&serve.url, &load.ledger, Instant::now()).await;
        assert!(heard <= HEARD, "producers heard of the outage only after {heard:?}");
        ended.again();
        tokio::task::block_in_place(|| answers(&own.servers));
        let back = Instant::now();
        let before = tables.number("SELECT CAST(SUM(next_off) AS SIGNED) FROM stream_offset").await;
        load.answered(resumed).await;
        let taken = back.elapsed();
        let mut other = shop.tables().await;
        let sum = "SELECT CAST(SUM(next_off) AS SIGNED) FROM stream_offset";
        while other.number(sum).await == before {
            assert!(back.elapsed() < resumed, "nothing is folded {resumed:?} after the broker is back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!(
            "{signal}: 503 after {heard:.1?}, events taken {taken:.1?} and folded {:.1?} after it is back",
            back.elapsed()
        );
    }
    let ledger = load.finish().await;
    println!("{times} broker outages: {}", oracle::all(&shop, &ledger).await);
    drop((stream, serve));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_that_goes_and_comes_loses_nothing() {
    outages("F4", 5, RESUMED_BESIDE_OTHERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: SHOPTIDE_OUTAGES of them, 20 if not said"]
async fn twenty_broker_outages() {
    outages("F4 long", count("SHOPTIDE_OUTAGES", 20), RESUMED).await;
}

/// A log that has lost what was not read yet: that shard stops and says so, the others go on, and nothing is skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn a_truncated_log_stops_its_shard_and_no_other() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F6");
    let shop = Shop::open(&servers, 4).await;
    let serve = shop.start("serve");
    let load = Load::start(&mut dice, 300, &serve.url);
    let stream = shop.start("stream");
    for _ in 0..20 {
        load.answered(Duration::from_secs(60)).await;
    }
    stream.process.stop();
    for _ in 0..20 {
        load.answered(Duration::from_secs(60)).await;
    }
    let mut tables = shop.tables().await;
    let rows = tables.offsets().await;
    let lost = rows.iter().find(|row| row.topic == "shop.browse" && 0 < row.next_off).unwrap().clone();
    crate::log_reader::Reader::new(&shop).truncate(&lost.topic, lost.shard, lost.next_off + 3).await;
    let began = Instant::now();
    let up = shop.start("up");
    let gauge = format!("shoptide_shard_up{{shard=\"{}\"}} 0", lost.shard);
    until("the alert's metric", Duration::from_secs(30), || async {
        let text = client().get(format!("{}/metrics", up.url)).send().await.ok()?.text().await.ok()?;
        text.contains(&gauge).then_some(())
    })
    .await;
    println!("the shard is said to be down after {:.1?}", began.elapsed());
    until("the others go on", Duration::from_secs(30), || async {
        let mut tables = shop.tables().await;
        let now = tables.offsets().await;
        let moved = |shard: u32| {
            let of = |rows: &[crate::tables::OffsetRow]| {
                rows.iter().filter(|row| row.shard == shard).map(|row| row.next_off).sum::<i64>()
            };
            of(&rows) < of(&now)
        };
        let others = (0..shop.partitions).filter(|shard| *shard != lost.shard);
        others.into_iter().all(moved).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stands =
        tables.offsets().await.into_iter().find(|row| (&row.topic, row.shard) == (&lost.topic, lost.shard));
    assert_eq!(stands.unwrap().next_off, lost.next_off, "it jumped");
    drop((load, up, serve));
    shop.close().await;
}

/// Every byte to and from the broker goes through a proxy that is slow, slices, stalls and cuts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn a_slow_or_broken_way_to_the_broker_costs_only_time() {
    let Some(mut own) = Own::start(1) else { return };
    let mut dice = Dice::of("F5");
    let proxy = Proxy::start(&own.servers.kafka).await;
    let file = own.servers.dir.join("kafka-1.properties");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = (
        format!("advertised.listeners=PLAINTEXT://{}", own.servers.kafka),
        format!("advertised.listeners=PLAINTEXT://{}", proxy.address),
    );
    assert!(text.contains(&before));
    std::fs::write(&file, text.replace(&before, &after)).unwrap();
    tokio::task::block_in_place(|| own.end("kafka-1", "TERM").again());
    own.servers.kafka.clone_from(&proxy.address);
    tokio::task::block_in_place(|| answers(&own.servers));
    let shop = Shop::open(&own.servers, 4).await;
    let (stream, serve) = (shop.start("stream"), shop.start("serve"));
    let load = Load::start(&mut dice, 150, &serve.url);
    let minute = Duration::from_secs(60);
    load.answered(minute).await;
    proxy.latency(Duration::from_millis(500));
    for _ in 0..10 {
        load.answered(minute).await;
    }
    println!("500 ms each way: {} batches", load.ledger.batches());
    proxy.latency(Duration::ZERO);
    proxy.slice(7);
    for _ in 0..50 {
        load.answered(minute).await;
    }
    proxy.slice(0);
    println!("in slices of 7 bytes: {} batches", load.ledger.batches());
    for _ in 0..10 {
        proxy.reset();
        load.answered(minute).await;
        tokio::time::sleep(dice.moment(50, 500)).await;
    }
    for _ in 0..3 {
        proxy.stall(true);
        tokio::time::sleep(dice.moment(1_000, 8_000)).await;
        proxy.stall(false);
        load.answered(minute).await;
    }
    proxy.down(true);
    proxy.reset();
    tokio::time::sleep(Duration::from_secs(12)).await;
    proxy.down(false);
    load.answered(minute).await;
    let ledger = load.finish().await;
    let (refused, silent) = {
        let known = ledger.known();
        (known.refused, known.silent)
    };
    let proof = oracle::all(&shop, &ledger).await;
    println!("a broken way: {refused} refused, {silent} without an answer; {proof}");
    drop((stream, serve));
}
