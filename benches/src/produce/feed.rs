//! A fixed rate that takes refusals as answers: what the server cannot take is counted and not sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::events::{body, ready};
use super::{Ask, Gauges, gauges};
use crate::http::Connection;

/// Bodies that may wait for a connection; more are dropped by the producer itself, and counted.
const WAITING_MAX: usize = 1_000;

pub async fn run(ask: &Ask) -> anyhow::Result<Value> {
    let events = ready(ask, ask.rate * ask.seconds)?;
    let (send, take) = mpsc::channel::<(Vec<u8>, u64)>(WAITING_MAX);
    let take = Arc::new(Mutex::new(take));
    let (accepted, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..ask.connections.max(1) {
        let (take, mut connection) = (take.clone(), Connection::open(&ask.host).await?);
        let (accepted, refused) = (accepted.clone(), refused.clone());
        workers.spawn(async move {
            loop {
                let next = take.lock().await.recv().await;
                let Some((body, events)) = next else { return Ok::<(), anyhow::Error>(()) };
                match connection.post("/v1/events", &body).await?.0 {
                    200 => accepted.fetch_add(events, Ordering::Relaxed),
                    429 | 503 => refused.fetch_add(1, Ordering::Relaxed),
                    status => anyhow::bail!("the collector answered {status}"),
                };
            }
        });
    }
    let (began, mut unsent) = (Instant::now(), 0_u64);
    for (n, chunk) in events.chunks(ask.batch.max(1)).enumerate() {
        let due = Duration::from_secs_f64((n * ask.batch) as f64 / ask.rate.max(1) as f64);
        tokio::time::sleep_until((began + due).into()).await;
        unsent += u64::from(send.try_send((body(chunk), chunk.len() as u64)).is_err());
    }
    drop(send);
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut folded = Value::Null;
    // A collector alone does not fold.
    let mut connection = Connection::open(&ask.host).await?;
    if 0.0 < Gauges::read(&mut connection).await?.records {
        gauges::settled(&mut connection).await?;
        folded = json!(Gauges::read(&mut connection).await?.records);
    }
    Ok(json!({
        "accepted": accepted.load(Ordering::Relaxed), "refused_requests": refused.load(Ordering::Relaxed), "unsent_requests": unsent,
        "seconds": seconds, "folded": folded,
    }))
}
