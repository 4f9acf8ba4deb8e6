//! A shop that has grown is rebuilt as it was before, as it was after, and as it is; and goes on from there.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use shoptide_jobs::import::Outgoing;
use shoptide_store::{FoldedTable, SqliteTruth, SqliteTruthOptions, Truth};
use tempfile::TempDir;

use crate::common::{
    Ended, client, finish, follow, get, line, lines_of, now_ms, path, post, shop as generated, shoptide,
    until,
};
use crate::shop::Shop;

/// Of those who act most, this one is erased in the end.
const ERASED: usize = 0;
const USERS: usize = 5;

/// Those who act most of a shop.
fn busy(lines: &[String]) -> Vec<String> {
    let mut acts: BTreeMap<String, usize> = BTreeMap::new();
    for event in lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if let Some(user) = event["user_id"].as_str() {
            *acts.entry(user.to_owned()).or_default() += 1;
        }
    }
    let mut users: Vec<_> = acts.into_iter().map(|(user, acts)| (Reverse(acts), user)).collect();
    users.sort_unstable();
    users.into_iter().take(USERS).map(|(_, user)| user).collect()
}

/// Events of the same users and items, without the catalogue.
async fn act(url: &str, seed: u64, events: u64) {
    let lines: Vec<String> =
        generated(seed, events).events().map(|event| line(&Outgoing::Event(event))).collect();
    for batch in lines.chunks(500) {
        assert_eq!(post(url, batch.join("\n")).await.unwrap().status(), 200);
    }
}

/// A moment after which nothing was appended for a while, and what is shown to users then.
async fn shown(url: &str, users: &[String]) -> (String, Vec<Value>) {
    let mut lists = Vec::new();
    for user in users {
        let list = format!("{url}/v1/users/{user}/recommendations?n=7");
        let made = async || Some(get(&list).await).filter(|list| list["model_version"] == 1);
        lists.push(places(&until("a list by the model", made).await));
    }
    let at = now_ms();
    until("the clock goes on", || async { (at + 5 < now_ms()).then_some(()) }).await;
    (at.to_string(), lists)
}

fn places(list: &Value) -> Value {
    assert_ne!(list["made_from"], "fallback", "{list:#}");
    list["items"].as_array().unwrap().iter().map(|item| json!([item["item_id"], item["score"]])).collect()
}

/// A command on a rebuilt shop: embedded, by its defaults but for the partitions.
fn on(dir: &Path, partitions: &Value, args: &[&str]) -> Ended {
    let mut command = shoptide(args);
    command.env("SHOPTIDE_LOG__PARTITIONS", partitions.to_string()).args(["--data-dir", path(dir)]);
    finish(command)
}

fn rebuilt(shop: &Shop, until: &str, into: &Path) -> Value {
    shop.done(&["replay", "--until", until, "--into", path(into), "--json", "--data-dir", "data"]).json()
}

/// What is rebuilt shows what was shown, but nothing of whom was erased since.
fn as_shown(dir: &Path, report: &Value, users: &[String], lists: &[Value]) {
    for (number, (user, list)) in users.iter().zip(lists).enumerate() {
        let now = on(dir, &report["partitions"], &["recommend", user, "-n", "7", "--json"]).json();
        match number == ERASED {
            true => assert_eq!(now["made_from"], "fallback", "{now:#}"),
            false => assert_eq!(places(&now), *list, "{user}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_moment_of_a_grown_shop_is_rebuilt() {
    let Some(shop) = Shop::open() else { return };
    let (stream, _) = shop.start("stream");
    let (serve, url) = shop.start("serve");
    let lines = lines_of(&generated(31, 900));
    let users = busy(&lines);
    assert_eq!(post(&url, lines.join("\n")).await.unwrap().status(), 200);
    shop.caught_up(&[&stream]);
    shop.done(&["jobs", "train", "--json", "--data-dir", "data"]);
    let before = shown(&url, &users).await;
    shop.done(&["topics", "grow", "--partitions", "8"]);
    act(&url, 32, 600).await;
    shop.caught_up(&[&stream]);
    let after = shown(&url, &users).await;
    let erased = &users[ERASED];
    let answer = client().delete(format!("{url}/v1/users/{erased}")).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    act(&url, 33, 300).await;
    shop.caught_up(&[&stream]);
    stream.stop();
    serve.stop();
    shop.verified();

    let home = TempDir::new().unwrap();
    let [first, second, all] = ["first", "second", "all"].map(|name| home.path().join(name));
    let report = rebuilt(&shop, &before.0, &first);
    assert_eq!((&report["generation"], &report["partitions"]), (&json!(1), &json!(4)), "{report:#}");
    assert_eq!((&report["log_copied"], &report["erased_since"]), (&json!(true), &json!(1)));
    as_shown(&first, &report, &users, &before.1);
    let proof = on(&first, &json!(4), &["state", "verify", "--json"]).json();
    assert_eq!((&proof["ok"], &proof["records"]), (&json!(true), &report["records"]), "{proof:#}");

    let report = rebuilt(&shop, &after.0, &second);
    assert_eq!((&report["generation"], &report["partitions"]), (&json!(2), &json!(8)), "{report:#}");
    assert_eq!((&report["without_log"], &report["erased_since"]), (&json!("grown"), &json!(1)));
    as_shown(&second, &report, &users, &after.1);
    // By its own offsets.
    let cut = home.path().join("cut.json");
    std::fs::write(&cut, report.to_string()).unwrap();
    let again = home.path().join("again");
    let said =
        shop.done(&["replay", "--until", path(&cut), "--into", path(&again), "--data-dir", "data"]).out;
    for part in ["had grown to larger topics", "SHOPTIDE_LOG__PARTITIONS=8", "goes on from here"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let tables = (tables(&again).await, tables(&second).await);
    assert!(tables.0 == tables.1);

    let report = rebuilt(&shop, "2099-01-01T00:00:00Z", &all);
    assert_eq!(report["erased_since"], 0);
    let truth = shop.truth().await;
    for (table, rows) in self::tables(&all).await {
        let mut live = Vec::new();
        truth.dump(table, &mut |row| live.push(row.to_vec())).await.unwrap();
        assert!(rows == live, "{}: {} rows, expected {}", table.name(), rows.len(), live.len());
    }
    truth.close().await;
    goes_on(&second, &report, &users[1]).await;

    for (at, lists) in [&before, &after] {
        for (number, (user, list)) in users.iter().zip(lists).enumerate() {
            let then =
                shop.done(&["recommend", user, "--at", at, "-n", "7", "--json", "--data-dir", "data"]).json();
            match number == ERASED {
                true => assert_eq!(then["at"]["user"], "erased_since", "{then:#}"),
                false => assert_eq!(places(&then), *list, "{user} at {at}"),
            }
        }
    }
}

async fn tables(dir: &Path) -> Vec<(FoldedTable, Vec<Vec<u8>>)> {
    let truth = SqliteTruth::open_read_only(SqliteTruthOptions::new(dir.join("truth.db"))).await.unwrap();
    let mut all = Vec::new();
    for table in FoldedTable::ALL {
        let mut rows = Vec::new();
        truth.dump(table, &mut |row| rows.push(row.to_vec())).await.unwrap();
        all.push((table, rows));
    }
    truth.close().await;
    all
}

/// A shop without the records of before takes new events where the log was cut, once.
async fn goes_on(dir: &Path, report: &Value, user: &str) {
    let mut up = shoptide(&["--log-json", "up", "--data-dir", path(dir), "--port", "0"]);
    up.env("SHOPTIDE_LOG__PARTITIONS", report["partitions"].to_string());
    let (running, url) = follow(up);
    let list = format!("{url}/v1/users/{user}/recommendations?n=7");
    let next = |list: &Value| list["as_of"]["shop.browse"].as_i64().unwrap();
    let now = get(&list).await;
    let (was, item) = (next(&now), &now["items"][0]["item_id"]);
    assert!(1 << 40 <= was);
    let event = json!({ "event_id": "next", "type": "view_item", "user_id": user, "item_id": item, "occurred_at": now_ms() });
    for _ in 0..2 {
        assert_eq!(post(&url, event.to_string()).await.unwrap().status(), 200);
    }
    until("both are folded", || async { (next(&get(&list).await) == was + 2).then_some(()) }).await;
    running.stop();
    let truth = SqliteTruth::open_read_only(SqliteTruthOptions::new(dir.join("truth.db"))).await.unwrap();
    let rows = truth.offsets().await.unwrap();
    let row = rows.iter().find(|row| row.topic.name() == "shop.browse" && row.next_off == was + 2).unwrap();
    assert!(1 <= row.tally.duplicate, "the second is the first again: {row:?}");
    truth.close().await;
}
