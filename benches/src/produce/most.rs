//! As much as goes through: connections send as fast as they are answered, and hold back while too much of what was
//! taken is not folded yet. So the rate that is reported is the whole path's, not the collector's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::events::{body, ready};
use super::{Ask, Gauges, own_cpu_s};
use crate::http::Connection;

/// Records behind at which producers hold back: half a second at the rate to reach for.
const LAG_MAX: f64 = 4_000.0;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const HOLD: Duration = Duration::from_millis(2);
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(5);

pub async fn run(ask: &Ask) -> anyhow::Result<Value> {
    let seconds = ask.seconds + WARM_UP.as_secs();
    let events = ready(ask, ask.rate * seconds)?;
    let bodies: Arc<Vec<Vec<u8>>> = Arc::new(events.chunks(ask.batch.max(1)).map(body).collect());
    drop(events);
    let (next, hold, stop) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..ask.connections.max(1) {
        let (bodies, next, hold, stop) = (bodies.clone(), next.clone(), hold.clone(), stop.clone());
        let mut connection = Connection::open(&ask.host).await?;
        workers.spawn(async move {
            let mut refused = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                if hold.load(Ordering::Relaxed) {
                    tokio::time::sleep(HOLD).await;
                    continue;
                }
                let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                match connection.post("/v1/events", body).await?.0 {
                    200 => {}
                    429 | 503 => {
                        refused += 1;
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    status => anyhow::bail!("the collector answered {status}"),
                }
            }
            Ok(refused)
        });
    }
    let mut connection = Connection::open(&ask.host).await?;
    let watch = async |connection: &mut Connection, until: Instant| -> anyhow::Result<Vec<f64>> {
        let mut seen = Vec::new();
        while Instant::now() < until && next.load(Ordering::Relaxed) < bodies.len() {
            tokio::time::sleep(LOOK_AGAIN).await;
            let now = Gauges::read(connection).await?;
            hold.store(LAG_MAX < now.lag, Ordering::Relaxed);
            seen.push(now.lag);
        }
        Ok(seen)
    };
    watch(&mut connection, Instant::now() + WARM_UP).await?;
    let (first, cpu, began) = (Gauges::read(&mut connection).await?, own_cpu_s(), Instant::now());
    let lags = watch(&mut connection, began + Duration::from_secs(ask.seconds)).await?;
    let (last, seconds) = (Gauges::read(&mut connection).await?, began.elapsed().as_secs_f64());
    let cpu = own_cpu_s() - cpu;
    stop.store(true, Ordering::Relaxed);
    let mut refused = 0;
    while let Some(worker) = workers.join_next().await {
        refused += worker??;
    }
    super::gauges::settled(&mut connection).await?;
    let third = lags.len() / 3;
    let mean = |some: &[f64]| some.iter().sum::<f64>() / some.len().max(1) as f64;
    let (early, late) =
        (mean(lags.get(..third).unwrap_or_default()), mean(lags.get(third * 2..).unwrap_or_default()));
    let (records, collected) = (last.records - first.records, last.collected - first.collected);
    Ok(json!({
        // Neither what was folded of an earlier backlog nor what was taken and not folded counts.
        "events_per_s": records.min(collected) / seconds, "folded_per_s": records / seconds, "collected_per_s": collected / seconds, "seconds": seconds, "lists_per_event": (last.lists - first.lists) / records,
        "lag_first_third": early, "lag_last_third": late, "lag_max": lags.iter().copied().fold(0.0, f64::max),
        "refused_requests": refused, "dead": last.dead - first.dead, "producer_cores": cpu / seconds,
        "ran_out": bodies.len() <= next.load(Ordering::Relaxed),
        "models": last.model_version - first.model_version,
    }))
}
