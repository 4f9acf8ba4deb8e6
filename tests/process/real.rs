//! Real events, the whole way: all of RetailRocket's through the command line into a shop that learns from them, and the
//! head of the file through a collector. The data is no part of this repository: `SHOPTIDE_DATA` names its folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{
    as_shipped, caught_up, finish, get, get_text, path, total_of_users, trained, until, up_as_shipped,
    verified_as_shipped,
};

/// Rows of the file, each an event.
const EVENTS: i64 = 92_601;
/// Rows of the head, several requests to a collector.
const HEAD: usize = 2_500;
const OUTCOMES: [&str; 5] = ["applied", "duplicate", "late", "erased", "dead_lettered"];

fn file() -> Option<PathBuf> {
    let folder = std::env::var_os("SHOPTIDE_DATA").map(PathBuf::from);
    let file = folder.map(|folder| folder.join("retailrocket/events.csv.gz")).filter(|file| file.exists());
    if file.is_none() {
        println!("skipped: retailrocket/events.csv.gz is not in the folder that SHOPTIDE_DATA names");
    }
    file
}

fn asked(dir: &Path, args: &[&str]) -> Value {
    finish(as_shipped(&[args, &["--json", "--data-dir", path(dir)]].concat())).json()
}

fn import(file: &Path, dir: &Path, more: &[&str]) -> Value {
    asked(dir, &[&["import", path(file), "--mapping", "retailrocket"], more].concat())
}

/// The value of every series of a metric that has a label.
fn series(metrics: &str, name: &str, label: &str) -> Vec<i64> {
    let of = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(label);
    metrics.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// Ready, and nothing in the log that is not folded, as the process itself says.
async fn at_rest(url: &str, shards: usize, events: i64) {
    until("the shop is at rest", || async {
        let ready = crate::common::client().get(format!("{url}/ready")).send().await.ok()?.status() == 200;
        let metrics = get_text(&format!("{url}/metrics")).await;
        let lag = series(&metrics, "shoptide_lag_records", "shard");
        let folded: i64 = series(&metrics, "shoptide_records_total", "topic=\"shop.")
            .iter()
            .sum::<i64>()
            .saturating_sub(series(&metrics, "shoptide_records_total", "shop.catalogue").iter().sum());
        (ready && lag == vec![0; shards] && folded == events).then_some(())
    })
    .await;
}

/// Every list names its items once, and has as many as were asked for.
fn is_a_list(list: &Value, n: usize) {
    let mut ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n, "{list}");
}

fn sums_are(report: &Value, logged: i64) {
    let sums = OUTCOMES.map(|outcome| total_of_users(report, outcome));
    assert_eq!(total_of_users(report, "logged"), logged, "{report:#}");
    assert_eq!(sums.iter().sum::<i64>(), logged, "{report:#}");
    assert_eq!((sums[0] + sums[1], &sums[2..]), (logged, &[0; 3][..]), "the past is never late: {report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_shop_is_imported_learnt_and_proven() {
    let Some(file) = file() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let report = import(&file, dir, &[]);
    assert_eq!(
        ["rows", "events", "accepted", "bad", "ignored", "rejected"].map(|f| report[f].as_i64().unwrap()),
        [EVENTS, EVENTS, EVENTS, 0, 0, 0],
        "{report}"
    );
    // Somebody real, who bought something.
    let last = asked(dir, &["events", "tail", "--topic", "shop.order", "-n", "1"]);
    let user = last["key"].as_str().unwrap();

    let (running, url) = up_as_shipped(dir);
    at_rest(&url, 4, EVENTS).await;
    trained(&url).await;
    let ask = format!("{url}/v1/users/{user}/recommendations?explain=true&n=20");
    // Imported users get their lists one after the other, and the fallback until then.
    let list = until("his own list, made with the model", || async {
        let list = get(&ask).await;
        let trained = list["model_version"].as_u64().is_some_and(|version| 0 < version);
        (trained && list["made_from"] == "personal").then_some(list)
    })
    .await;
    is_a_list(&list, 20);
    let of = |source: &str| {
        let items = list["items"].as_array().unwrap();
        items.iter().any(|item| item["source"] == source && item["reason"]["text"].is_string())
    };
    assert!(of("item_item") || of("factors"), "somebody's taste is in it: {list}");
    let health = get(&format!("{url}/health")).await;
    let similar = list["items"][0]["item_id"].as_str().unwrap();
    let similar = get(&format!("{url}/v1/items/{similar}/similar")).await;
    assert_ne!(similar["items"].as_array().unwrap().len(), 0, "{similar}");
    // Beside the running shop, without a socket.
    let beside = asked(dir, &["recommend", user, "-n", "20"]);
    assert_eq!(
        (&beside["made_from"], &beside["user_id"]),
        (&list["made_from"], &list["user_id"]),
        "{beside}"
    );
    is_a_list(&beside, 20);
    let took = running.stop();
    let resting = asked(dir, &["recommend", user, "-n", "20"]);
    assert_eq!(resting["made_from"], "personal", "{resting}");
    is_a_list(&resting, 20);
    let profile = asked(dir, &["profile", user]);
    assert!(profile["counts"]["purchase"].as_u64().is_some_and(|n| 0 < n), "{profile}");

    let report = verified_as_shipped(dir);
    sums_are(&report, EVENTS);
    assert_ne!(report["lists"]["recomputed"], 0, "{report:#}");
    println!("{health}; ended {took:?} after SIGTERM; lists {}", report["lists"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_real_file_goes_through_a_collector() {
    let Some(file) = file() else { return };
    let temporary = tempfile::tempdir().unwrap();
    // The name of the file is in the ids of its events.
    let head = temporary.path().join("events.csv");
    let mut packed = Command::new("gzip").arg("-dc").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(packed.stdout.take().unwrap()).lines().take(1 + HEAD);
    let text: String = lines.map(|line| line.unwrap() + "\n").collect();
    // It has more to say than anybody reads.
    let _ = packed.kill();
    packed.wait().unwrap();
    std::fs::write(&head, text).unwrap();

    let dir = temporary.path().join("shop");
    let (running, url) = up_as_shipped(&dir);
    let events = HEAD as i64;
    let elsewhere = temporary.path().join("never-made");
    for again in 0..2 {
        let report = import(&head, &elsewhere, &["--to", &url]);
        assert_eq!(
            ["rows", "events", "accepted", "rejected"].map(|f| report[f].as_i64().unwrap()),
            [events, events, events, 0],
            "{report}"
        );
        at_rest(&url, 4, (1 + again) * events).await;
    }
    caught_up(&dir).await;
    running.stop();
    assert!(!elsewhere.exists(), "with a collector there is no data directory");
    let report = verified_as_shipped(&dir);
    sums_are(&report, 2 * events);
    assert!(events <= total_of_users(&report, "duplicate"), "the second time counts for nothing: {report:#}");
}
