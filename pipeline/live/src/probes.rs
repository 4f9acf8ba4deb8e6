//! What a process asks of its log, store and cache every few seconds, so that its metrics say how they are even when nobody
//! else asks.

use std::sync::Arc;
use std::time::Duration;

use shoptide_log::Log;
use shoptide_schemas::{Topic, UserId};
use shoptide_store::{Cache, CacheFailures, CacheState, Truth};

use crate::Metrics;

/// Between two rounds: an alert waits for at least two of them.
const EVERY: Duration = Duration::from_secs(5);
/// What answers later than this is not up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks until the task is aborted.
pub(crate) async fn watch(
    metrics: Arc<Metrics>,
    log: Arc<dyn Log>,
    truth: Arc<dyn Truth>,
    cache: Arc<dyn Cache>,
) {
    let mut counted = CacheFailures::default();
    loop {
        let up = |what: &'static str, up: bool| {
            metrics.dependency_up.with_label_values(&[what]).set(i64::from(up));
        };
        // In tasks of their own: a question that is given up must not leave a connection half way.
        let (log_asked, truth_asked, cache_asked) = (log.clone(), truth.clone(), cache.clone());
        let log_up = answered(async move { log_asked.watermarks(Topic::Catalogue, 0).await.is_ok() });
        let store_up = answered(async move { truth_asked.ping().await.is_ok() });
        let cached = answered(async move { probe(&*cache_asked).await });
        let (log_up, store_up, _) = tokio::join!(log_up, store_up, cached);
        up("log", log_up);
        up("store", store_up);
        note(&metrics, &*log, &*truth, &*cache, &mut counted);
        tokio::time::sleep(EVERY).await;
    }
}

/// Reads one key, so that a connection that broke while nobody used it is noticed. Whether the cache answers.
pub async fn probe(cache: &dyn Cache) -> bool {
    cache.get(0, &UserId::from_trusted(b"probe")).await.is_ok()
}

async fn answered(question: impl Future<Output = bool> + Send + 'static) -> bool {
    matches!(tokio::time::timeout(PATIENCE, tokio::spawn(question)).await, Ok(Ok(true)))
}

fn note(metrics: &Metrics, log: &dyn Log, truth: &dyn Truth, cache: &dyn Cache, counted: &mut CacheFailures) {
    let health = cache.health();
    for state in CacheState::ALL {
        metrics.cache_state.with_label_values(&[state.name()]).set(i64::from(state == health.state));
    }
    let failed = health.failed;
    for (kind, now, before) in [
        ("unavailable", failed.unavailable, counted.unavailable),
        ("full", failed.full, counted.full),
        ("unusable", failed.unusable, counted.unusable),
    ] {
        metrics.cache_failures.with_label_values(&[kind]).inc_by(now.saturating_sub(before));
    }
    *counted = failed;
    let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let (connections, queue) = (truth.connections(), log.queue());
    metrics.store_connections.with_label_values(&["busy"]).set(whole(connections.busy));
    metrics.store_connections.with_label_values(&["max"]).set(whole(connections.max));
    metrics.log_queue.with_label_values(&["waiting"]).set(whole(queue.waiting));
    metrics.log_queue.with_label_values(&["max"]).set(whole(queue.max));
    if let Some(bytes) = resident_bytes() {
        metrics.resident_bytes.set(bytes);
    }
}

/// Of this process, where the system says it.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1_024)
}
