//! The chat by rules over a catalogue of 100,000 items, over HTTP, in open loop: messages come when they are due, whether or not the ones
//! before have been answered, and a wait counts from when a message was due.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::figure::{Figure, Row};
use crate::http::Connection;
use crate::machine::{TWO_CORES, beside};
use crate::produce::Ask;
use crate::server::Server;
use crate::shop::generated;
use crate::spread::Spread;

const ITEMS: u64 = 100_000;
/// At 200 messages a second each speaks every 10 s: below the twenty a minute that one may.
const USERS: u64 = 2_000;
const PER_S: u64 = 200;
const WARM_UP_S: u64 = 10;
const MEASURED_S: u64 = 60;
/// As many as answer at a time: more than the server would ever need at that rate.
const CONNECTIONS: usize = 64;
const BAR_P50_MS: f64 = 10.0;
const BAR_P99_MS: f64 = 50.0;
/// Reading 100,000 rows takes some ten seconds, beside the imports.
const READY_MAX: Duration = Duration::from_secs(300);

/// Dialogues that users go through in turn, each again and again; each begins a session.
const DIALOGUES: [&[&str]; 8] = [
    &["三千以内拍照好的手机", "不要云帆的", "第一个和第二个哪个好", "便宜一点的"],
    &[
        "a laptop under 8000 yuan",
        "show me more",
        "does the first one have a long battery life",
        "something cheaper",
    ],
    &["降噪耳机", "500到1500", "有和第一个类似的吗", "第一个以前多少钱"],
    &["running shoes", "no Swiftstep", "cheapest first", "any price"],
    &["送女朋友的连衣裙，500左右", "还有别的吗", "第二个怎么样", "不限预算"],
    &["tent for outdoor", "below 2000", "compare the first and the second", "I like the first one"],
    &["这个月预算还剩多少", "智能手表", "不要北芯，青鸟", "长续航的"],
    &["推荐点东西", "相机", "一万以内", "怎么退货"],
];

/// What went over the wire.
#[derive(Default)]
struct Measured {
    waits_ms: Vec<f64>,
    shown: u64,
    with_products: u64,
}

/// Of one user: his session, and how many messages he has sent.
#[derive(Default)]
struct Talk {
    session: Option<String>,
    said: usize,
}

/// # Errors
/// If the server fails, or answers anything but 200.
pub async fn row(shoptide: &Path, set: &[String]) -> anyhow::Result<Row> {
    let server = Server::start(shoptide, Some(TWO_CORES), set)?;
    let load = Ask { users: USERS, items: ITEMS, events: 200_000, ..Ask::new("load", &server.host) };
    load.run_pinned(None)?;
    let words_s = ready(&server.host).await?;
    let shop = generated(load.seed, USERS, ITEMS, 1)?;
    let users: Arc<Vec<String>> = Arc::new((0..USERS).map(|u| shop.user_id(u).to_string()).collect());
    let host = server.host.clone();
    let measured = beside(move || async move { open_loop(&host, users).await })?;
    let waits = Spread::new(measured.waits_ms);
    let (p50, p99) = (waits.median(), waits.p99());
    Ok(Row::Measured(Figure {
        what: format!("chat by rules, {ITEMS} items, {PER_S} messages/s"),
        measured: format!("p50 **{p50:.1} ms**, p99 **{p99:.1} ms**, max {:.1} ms", waits.max()),
        bar: format!("p50 <= {BAR_P50_MS} ms; p99 <= {BAR_P99_MS} ms"),
        met: Some(p50 <= BAR_P50_MS && p99 <= BAR_P99_MS),
        reference: String::new(),
        how: format!(
            "generated shop; `POST /v1/chat` in open loop for {MEASURED_S} s after {WARM_UP_S} s, {CONNECTIONS} connections, waits from when a \
             message was due; {USERS} known users in {} dialogues of four messages in two languages, each turn stored and in the log before its \
             answer; {} of {} answers show products, {} in all; words of the catalogue known {words_s:.1} s after the import; taskset {}",
            DIALOGUES.len(),
            measured.with_products,
            waits.len(),
            measured.shown,
            if server.pinned { TWO_CORES } else { "is missing, NOT pinned" }
        ),
        values: json!({ "p50_ms": p50, "p99_ms": p99, "max_ms": waits.max(), "answers": waits.len(),
            "with_products": measured.with_products, "words_s": words_s, "rss_mib": server.peak_rss_mib() }),
    }))
}

/// Waits until the chat knows every item; seconds from the end of the import.
async fn ready(host: &str) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut connection = Connection::open(host).await?;
    let body = json!({"message": "hello"}).to_string();
    while began.elapsed() < READY_MAX {
        let (status, answer) = connection.post("/v1/chat", body.as_bytes()).await?;
        if status == 200 {
            let answer: Value = serde_json::from_slice(answer)?;
            if answer.pointer("/as_of/shop.catalogue").and_then(Value::as_u64) >= Some(ITEMS) {
                return Ok(began.elapsed().as_secs_f64());
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the chat does not know the catalogue after {} s", READY_MAX.as_secs());
}

async fn open_loop(host: &str, users: Arc<Vec<String>>) -> anyhow::Result<Measured> {
    let talks: Arc<Vec<Mutex<Talk>>> = Arc::new(users.iter().map(|_| Mutex::default()).collect());
    let (next, all) = (Arc::new(AtomicU64::new(0)), PER_S * (WARM_UP_S + MEASURED_S));
    let began = tokio::time::Instant::now() + Duration::from_millis(100);
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(host).await?;
        let (users, talks, next) = (users.clone(), talks.clone(), next.clone());
        workers.spawn(async move {
            let mut measured = Measured::default();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if all <= n {
                    return Ok::<_, anyhow::Error>(measured);
                }
                let due = began + Duration::from_micros(n * 1_000_000 / PER_S);
                tokio::time::sleep_until(due).await;
                let place = n as usize % users.len();
                let (Some(user), Some(talk)) = (users.get(place), talks.get(place)) else { continue };
                let mut talk = talk.lock().await;
                let (dialogue, turn) = (place + talk.said / 4, talk.said % 4);
                let Some(message) = DIALOGUES.get(dialogue % DIALOGUES.len()).and_then(|d| d.get(turn))
                else {
                    continue;
                };
                let mut body = json!({ "user_id": user, "message": message });
                if let (Some(session), true) = (&talk.session, 0 < turn) {
                    body["session_id"] = json!(session);
                }
                let (status, answer) = connection.post("/v1/chat", body.to_string().as_bytes()).await?;
                let wait_ms = due.elapsed().as_secs_f64() * 1_000.0;
                anyhow::ensure!(status == 200, "{message}: {status} {}", String::from_utf8_lossy(answer));
                let answer: Value = serde_json::from_slice(answer)?;
                talk.session = answer.get("session_id").and_then(Value::as_str).map(str::to_owned);
                talk.said += 1;
                if PER_S * WARM_UP_S <= n {
                    let shown = answer.get("products").and_then(Value::as_array).map_or(0, Vec::len) as u64;
                    measured.waits_ms.push(wait_ms);
                    measured.shown += shown;
                    measured.with_products += u64::from(0 < shown);
                }
            }
        });
    }
    let mut sum = Measured::default();
    while let Some(one) = workers.join_next().await {
        let one = one??;
        sum.waits_ms.extend(one.waits_ms);
        sum.shown += one.shown;
        sum.with_products += one.with_products;
    }
    Ok(sum)
}
