//! A fixed rate, whatever the server does, and how fresh lists are under it: single events are followed from the
//! collector's 2xx until the user's list says that it contains them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::events::{Ready, body, place, ready};
use super::{Ask, Gauges, own_cpu_s};
use crate::http::Connection;
use crate::spread::Spread;

/// Events a second that are followed; each look costs the server a request.
const FOLLOWED_PER_S: u64 = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// A list that is not there by then counts as this late.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);
/// Connections that follow: one a probe under way.
const FOLLOWERS: usize = 32;
/// Bodies that may wait for a connection: a second of them, or the rate is not held and that is said.
const WAITING_MAX: usize = 1_000;

pub async fn run(ask: &Ask) -> anyhow::Result<Value> {
    let seconds = ask.seconds + WARM_UP.as_secs();
    let (mut events, mut probes) = (Vec::new(), Vec::new());
    let every = usize::try_from(ask.rate / FOLLOWED_PER_S).unwrap_or(usize::MAX).max(1);
    for (n, event) in ready(ask, ask.rate * seconds)?.into_iter().enumerate() {
        if n % every == 0 { probes.push(event) } else { events.push(event) }
    }
    let (send, take) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
    let take = Arc::new(Mutex::new(take));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..ask.connections.max(1) {
        let (take, mut connection) = (take.clone(), Connection::open(&ask.host).await?);
        workers.spawn(async move {
            loop {
                let next = take.lock().await.recv().await;
                let Some(body) = next else { return Ok::<(), anyhow::Error>(()) };
                let (status, _) = connection.post("/v1/events", &body).await?;
                anyhow::ensure!(status == 200, "the collector answered {status}");
            }
        });
    }
    let mut metrics = Connection::open(&ask.host).await?;
    let (first, cpu, began) = (Gauges::read(&mut metrics).await?, own_cpu_s(), Instant::now());
    let background = async {
        let rate = (ask.rate - FOLLOWED_PER_S.min(ask.rate)).max(1);
        for (n, chunk) in events.chunks(ask.batch.max(1)).enumerate() {
            let due = Duration::from_secs_f64((n * ask.batch) as f64 / rate as f64);
            tokio::time::sleep_until((began + due).into()).await;
            send.send(body(chunk)).await?;
        }
        drop(send);
        Ok::<Duration, anyhow::Error>(began.elapsed())
    };
    let (lasted, waits) = tokio::join!(background, follow_all(ask, probes, began));
    let lasted = lasted?.as_secs_f64();
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    // A connection that was idle for so long the server has closed.
    let mut metrics = Connection::open(&ask.host).await?;
    super::gauges::settled(&mut metrics).await?;
    let (last, cpu) = (Gauges::read(&mut metrics).await?, own_cpu_s() - cpu);
    let waits = Spread::new(waits?);
    Ok(json!({
        "rate_asked": ask.rate, "events_per_s": ask.rate as f64 * seconds as f64 / lasted.max(seconds as f64),
        "p50_ms": waits.median(), "p99_ms": waits.p99(), "max_ms": waits.max(), "followed": waits.len(),
        "lists_per_event": (last.lists - first.lists) / (last.records - first.records), "producer_cores": cpu / lasted,
    }))
}

/// Sends each probe when it is due and follows it; the waits in milliseconds, without those of the warm-up.
async fn follow_all(ask: &Ask, probes: Vec<Ready>, began: Instant) -> anyhow::Result<Vec<f64>> {
    let (give_back, mut free) = mpsc::channel(FOLLOWERS);
    for _ in 0..FOLLOWERS {
        give_back.send(Connection::open(&ask.host).await?).await?;
    }
    let mut looks = tokio::task::JoinSet::new();
    for (n, probe) in probes.into_iter().enumerate() {
        let due = Duration::from_micros(1_000_000 / FOLLOWED_PER_S * n as u64);
        tokio::time::sleep_until((began + due).into()).await;
        let Some(mut connection) = free.recv().await else { break };
        let give_back = give_back.clone();
        looks.spawn(async move {
            let waited = follow(&mut connection, &probe).await?;
            // The run may be over.
            let _ = give_back.send(connection).await;
            Ok::<_, anyhow::Error>((WARM_UP <= due).then_some(waited.as_secs_f64() * 1_000.0))
        });
    }
    let mut waits = Vec::new();
    while let Some(look) = looks.join_next().await {
        waits.extend(look??);
    }
    Ok(waits)
}

async fn follow(connection: &mut Connection, probe: &Ready) -> anyhow::Result<Duration> {
    let (status, answer) = connection.post("/v1/events", &probe.json).await?;
    let since = Instant::now();
    anyhow::ensure!(status == 200, "the collector answered {status}");
    let Some((topic, offset)) = place(answer) else { anyhow::bail!("an event without a place in the log") };
    let path = format!("/v1/users/{}/recommendations?n=1", probe.user);
    loop {
        let (_, list) = connection.get(&path).await?;
        let list: Value = serde_json::from_slice(list)?;
        let next = list.get("as_of").and_then(|a| a.get(&topic)).and_then(Value::as_i64);
        if next.is_some_and(|next| offset < next) || GIVE_UP <= since.elapsed() {
            return Ok(since.elapsed());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
