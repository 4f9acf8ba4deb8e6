//! A client that sends again, in another order of users, and an hour's orders once more: the same truth as one that does not.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use shoptide_jobs::import::Outgoing;
use shoptide_jobs::shop::{Shop as Generated, ShopOptions, ShopParams};

use crate::load::{client, line, now_ms};
use crate::oracle::folded;
use crate::seed::Dice;
use crate::servers::Servers;
use crate::shop::Shop;

const EVENTS: u64 = 4_000;
const BATCH: usize = 100;

/// Sends all lines, a batch at a time, and waits until they are folded.
async fn send(shop: &Shop, url: &str, lines: &[String]) {
    let http = client();
    for batch in lines.chunks(BATCH) {
        let request = http.post(format!("{url}/v1/events")).body(batch.join("\n"));
        let answer = request.header("content-type", "application/x-ndjson").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    shop.caught_up(Duration::from_secs(60)).await;
}

/// The same events, users interleaved in another way, each user's own in order.
fn shuffled(lines: &[String], dice: &mut Dice) -> Vec<String> {
    let mut users: BTreeMap<String, VecDeque<String>> = BTreeMap::new();
    for line in lines {
        let event: Value = serde_json::from_str(line).unwrap();
        users.entry(event["user_id"].as_str().unwrap().to_owned()).or_default().push_back(line.clone());
    }
    let mut users: Vec<VecDeque<String>> = users.into_values().collect();
    let mut all = Vec::new();
    while !users.is_empty() {
        let place = dice.below(users.len() as u64) as usize;
        all.extend(users[place].pop_front());
        if users[place].is_empty() {
            users.swap_remove(place);
        }
    }
    all
}

/// Some of them again, a little later.
fn repeated(lines: &[String], dice: &mut Dice) -> Vec<String> {
    let mut all = Vec::new();
    let mut owed: VecDeque<String> = VecDeque::new();
    for line in lines {
        all.push(line.clone());
        if dice.below(10) < 3 {
            owed.push_back(line.clone());
        }
        if dice.below(3) == 0 {
            all.extend(owed.pop_front());
        }
    }
    all.extend(owed);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn repeats_and_another_order_of_users_make_the_same_truth() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F13");
    let mut options = ShopOptions::demo(dice.next(), now_ms());
    (options.users, options.items, options.events) = (200, 100, EVENTS);
    (options.duplicate_per_mille, options.disorder_per_mille) = (0, 0);
    let generated = Generated::new(ShopParams::new(options).unwrap());
    let items: Vec<String> = generated.catalogue().map(|item| line(&Outgoing::Item(item))).collect();
    let once: Vec<String> = generated.events().map(|event| line(&Outgoing::Event(event))).collect();
    let mut again = repeated(&shuffled(&once, &mut dice), &mut dice);
    let orders: Vec<String> = once.iter().filter(|line| line.contains("\"purchase\"")).cloned().collect();
    assert!(!orders.is_empty() && once.len() * 12 / 10 < again.len());
    again.extend(orders);
    let mut states = Vec::new();
    for lines in [&once, &again] {
        let shop = Shop::open(&servers, 4).await;
        let (serve, stream) = (shop.start("serve"), shop.start("stream"));
        send(&shop, &serve.url, &items).await;
        send(&shop, &serve.url, lines).await;
        folded(&shop);
        let mut tables = shop.tables().await;
        let sums = [
            "SELECT COUNT(*) FROM user_part",
            // What a part holds names offsets, which differ; counts and lines are what it is made of.
            "SELECT CAST(SUM(CRC32(CONCAT_WS('/', user_id, kind, order_id, line_id))) AS SIGNED) FROM order_line",
            "SELECT CAST(SUM(CRC32(CONCAT_WS('/', shard, item_id, day, type, n))) AS SIGNED) FROM item_count",
            "SELECT CAST(SUM(CRC32(CONCAT_WS('/', shard, item_id, n, hundredths))) AS SIGNED) FROM item_rating",
        ];
        let mut state = Vec::new();
        for sum in sums {
            state.push(tables.number(sum).await);
        }
        let applied = tables.number("SELECT CAST(SUM(applied) AS SIGNED) FROM stream_offset").await;
        let duplicate = tables.number("SELECT CAST(SUM(duplicate) AS SIGNED) FROM stream_offset").await;
        println!("{} events sent: {applied} applied, {duplicate} duplicate, {state:?}", lines.len());
        states.push((applied, state));
        drop((serve, stream));
        shop.close().await;
    }
    assert_eq!(states[0], states[1]);
}
