//! Starting, asking and stopping the program.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use shoptide_jobs::import::Outgoing;
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

pub use crate::running::{PATIENCE, Running};

/// Between two looks at something that another process does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Of a small shop.
pub const USERS: u64 = 60;
/// A small model, soon and often: the build under test is not optimised.
const SMALL: [(&str, &str); 5] = [
    ("SHOPTIDE_ALS__RANK", "8"),
    ("SHOPTIDE_ALS__SWEEPS", "2"),
    ("SHOPTIDE_TRAIN__FIRST_AFTER_EVENTS", "100"),
    ("SHOPTIDE_TRAIN__REFRESH_EVERY_MS", "300"),
    ("SHOPTIDE_LOG__PARTITIONS", "4"),
];

pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The binary, with nothing of the tester's own configuration.
pub fn shoptide(args: &[&str]) -> Command {
    let mut command = as_shipped(args);
    command.envs(SMALL);
    command
}

/// The same with every default as it is shipped.
pub fn as_shipped(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoptide"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SHOPTIDE_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ended {
    /// The one line of JSON that it printed.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// It was refused at the start, at once, and says why.
    pub fn refused(&self, why: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.took < Duration::from_secs(5), "{self:?}");
        for part in why {
            assert!(self.err.contains(part), "{part}: {self:?}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
    }
}

pub fn run(args: &[&str]) -> Ended {
    finish(shoptide(args))
}

/// Runs a command to its end.
pub fn finish(command: Command) -> Ended {
    let began = Instant::now();
    let mut running = Running::start(command);
    let status = running.wait(PATIENCE);
    let took = began.elapsed();
    Ended { code: status.code(), out: running.out.whole(), err: running.err.whole(), took }
}

pub fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

/// A role on a free port: the process, and its address if it serves.
pub fn role(role: &str, dir: &Path) -> (Running, String) {
    started(shoptide, role, dir)
}

fn started(made: fn(&[&str]) -> Command, role: &str, dir: &Path) -> (Running, String) {
    let mut args = vec!["--log-json", role, "--data-dir", path(dir)];
    if matches!(role, "up" | "serve") {
        args.extend(["--port", "0"]);
    }
    follow(made(&args))
}

/// A role that logs JSON, once it is up: the process, and where it listens.
pub fn follow(command: Command) -> (Running, String) {
    let running = Running::start(command);
    let url = running.err.find(|line| {
        let log: Value = serde_json::from_str(line).ok()?;
        let up = log.pointer("/fields/message")?.as_str()? == "shoptide is up";
        up.then(|| log.pointer("/fields/url").and_then(Value::as_str).unwrap_or_default().to_owned())
    });
    let Some(url) = url else { panic!("it did not start:\n{}", running.err.text()) };
    (running, url)
}

pub fn up(dir: &Path) -> (Running, String) {
    role("up", dir)
}

/// `up` with every default as it is shipped, but a free port.
pub fn up_as_shipped(dir: &Path) -> (Running, String) {
    started(as_shipped, "up", dir)
}

/// Looks again and again until there is something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

pub async fn get(url: &str) -> Value {
    let answer = client().get(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.json().await.unwrap()
}

pub async fn get_text(url: &str) -> String {
    client().get(url).send().await.unwrap().text().await.unwrap()
}

/// JSON lines to the collector; the answer.
pub async fn post(url: &str, lines: String) -> reqwest::Result<reqwest::Response> {
    let request = client().post(format!("{url}/v1/events")).header("content-type", "application/x-ndjson");
    request.body(lines).send().await
}

pub fn line(one: &Outgoing) -> String {
    match one {
        Outgoing::Event(event) => serde_json::to_string(event).unwrap(),
        Outgoing::Item(item) => serde_json::to_string(item).unwrap(),
    }
}

/// A small shop up to now.
pub fn shop(seed: u64, events: u64) -> Shop {
    let mut options = ShopOptions::demo(seed, now_ms());
    (options.users, options.items, options.events) = (USERS, 40, events);
    Shop::new(ShopParams::new(options).unwrap())
}

/// Everything of a shop, in the order of sending.
pub fn lines_of(shop: &Shop) -> Vec<String> {
    let all = shop.catalogue().map(Outgoing::Item).chain(shop.events().map(Outgoing::Event));
    all.map(|one| line(&one)).collect()
}

/// Sends a shop through the collector.
pub async fn send(url: &str, shop: &Shop) {
    for batch in lines_of(shop).chunks(500) {
        let answer = post(url, batch.join("\n")).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

pub async fn open_log(dir: &Path) -> Arc<SqliteLog> {
    SqliteLog::open(SqliteLogOptions::new(dir.join("log.db"), 4, Arc::new(now_ms))).await.unwrap()
}

/// Waits until all that is in the log is in the truth.
pub async fn caught_up(dir: &Path) {
    let log = open_log(dir).await;
    let truth = until("the truth", || async {
        SqliteTruth::open_read_only(SqliteTruthOptions::new(dir.join("truth.db"))).await.ok()
    })
    .await;
    until("the stream catches up", || async {
        let rows = truth.offsets().await.ok()?;
        for topic in ALL_TOPICS {
            for partition in 0..log.partitions(topic) {
                let end = log.watermarks(topic, partition).await.ok()?.next;
                let row = rows.iter().find(|r| r.shard == partition && r.topic == topic);
                if row.map_or(0, |r| r.next_off) != end {
                    return None;
                }
            }
        }
        Some(())
    })
    .await;
    log.close().await;
    truth.close().await;
}

/// `state verify` must find the truth to be what the log says; its report.
pub fn verified(dir: &Path) -> Value {
    proven(shoptide, dir)
}

/// The same of a shop that ran with the defaults: lists made by other rules are not compared.
pub fn verified_as_shipped(dir: &Path) -> Value {
    proven(as_shipped, dir)
}

fn proven(made: fn(&[&str]) -> Command, dir: &Path) -> Value {
    let ended = finish(made(&["state", "verify", "--json", "--data-dir", path(dir)]));
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    assert!(ended.code == Some(0) && report["ok"] == true, "{report:#}");
    report
}

/// One column of the report's sums, added up.
pub fn total(report: &Value, column: &str) -> i64 {
    sum(report, column, |_| true)
}

/// The same of the user topics alone: the trainer tells the catalogue of items that only events name, when it comes to it.
pub fn total_of_users(report: &Value, column: &str) -> i64 {
    sum(report, column, |topic| topic != "shop.catalogue")
}

fn sum(report: &Value, column: &str, of: impl Fn(&str) -> bool) -> i64 {
    let rows = report["sums"].as_array().unwrap().iter();
    rows.filter(|row| of(row["topic"].as_str().unwrap())).map(|row| row[column].as_i64().unwrap()).sum()
}

/// Waits until there is a model in use.
pub async fn trained(url: &str) {
    until("a model", || async {
        (get(&format!("{url}/health")).await["model_loaded"] == true).then_some(())
    })
    .await;
}

/// A data directory with a small shop, streamed and trained, and nothing running.
pub async fn rested_shop(dir: &Path) {
    let (running, url) = up(dir);
    send(&url, &shop(7, 400)).await;
    caught_up(dir).await;
    trained(&url).await;
    running.stop();
}

/// A hash of every file that has a name among `names`, to see that none was touched.
pub fn fingerprint(dir: &Path, names: &[&str]) -> Vec<Option<Vec<u8>>> {
    names.iter().map(|name| std::fs::read(dir.join(name)).ok()).collect()
}
