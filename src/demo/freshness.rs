//! Freshness as a storefront sees it: from the collector's 2xx until the list that contains the effect can be read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::Client;
use serde_json::Value;
use shoptide_jobs::shop::Visitors;
use shoptide_schemas::wire::WireEvent;
use tokio::sync::{Mutex, Semaphore};

use crate::commands::ask::escaped;

/// Events a second while it is measured, and how many.
const EVENTS_PER_S: u64 = 500;
const EVENTS: usize = 1_000;
/// A list that is not there by then counts as this late.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Between two looks at a list: this, or a sixteenth of the time waited so far, so that looking never becomes the load.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const LOOK_SHARE: u32 = 16;
/// Events looked for at a time, each with a connection of two open files here. A machine that needs more is slower than the
/// rate, and gets its events as fast as it can.
const LOOKS_MAX: usize = 128;

/// Percentiles in milliseconds, and how many events were sent for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Freshness {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub sent: u64,
    pub rejected: u64,
}

/// Sends visitors' events one by one at a fixed rate and looks for each effect.
pub async fn measure(
    client: &Client,
    base: &str,
    visitors: &mut Visitors<'_>,
    clock: &dyn Fn() -> i64,
) -> anyhow::Result<Freshness> {
    let seen: Arc<Mutex<Vec<f64>>> = Arc::default();
    let mut looks = tokio::task::JoinSet::new();
    let room = Arc::new(Semaphore::new(LOOKS_MAX));
    let began = Instant::now();
    let mut freshness = Freshness::default();
    for n in 0..EVENTS {
        let due = began + Duration::from_micros(1_000_000 / EVENTS_PER_S * n as u64);
        tokio::time::sleep_until(due.into()).await;
        let place = room.clone().acquire_owned().await?;
        let event = visitors.next_event(clock());
        let (client, base, seen) = (client.clone(), base.to_owned(), seen.clone());
        looks.spawn(async move {
            let waited = follow(&client, &base, event).await?;
            if let Some(waited) = waited {
                seen.lock().await.push(waited.as_secs_f64() * 1_000.0);
            }
            drop(place);
            Ok::<bool, anyhow::Error>(waited.is_some())
        });
        freshness.sent += 1;
    }
    while let Some(look) = looks.join_next().await {
        freshness.rejected += u64::from(!look??);
    }
    let mut seen = std::mem::take(&mut *seen.lock().await);
    seen.sort_by(f64::total_cmp);
    let at = |share: f64| {
        seen.get(((seen.len() as f64 * share) as usize).min(seen.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    };
    (freshness.p50_ms, freshness.p99_ms) = (at(0.5), at(0.99));
    Ok(freshness)
}

/// `None` if the collector refused the event.
async fn follow(client: &Client, base: &str, event: WireEvent) -> anyhow::Result<Option<Duration>> {
    let user = event.user_id.clone().unwrap_or_default();
    let answer =
        client.post(format!("{base}/v1/events")).json(&event).send().await.context("the collector")?;
    let answer: Value = answer.json().await.context("the collector's answer")?;
    let since = Instant::now();
    let verdict = answer.pointer("/verdicts/0");
    let field = |name: &str| verdict.and_then(|v| v.get(name));
    let (Some(topic), Some(offset)) =
        (field("topic").and_then(Value::as_str), field("offset").and_then(Value::as_i64))
    else {
        return Ok(None);
    };
    let list = format!("{base}/v1/users/{}/recommendations?n=1", escaped(&user));
    loop {
        let answer: Value =
            client.get(&list).send().await.context("the API")?.json().await.context("the API's answer")?;
        let contains = answer
            .get("as_of")
            .and_then(|a| a.get(topic))
            .and_then(Value::as_i64)
            .is_some_and(|next| offset < next);
        if contains || GIVE_UP <= since.elapsed() {
            return Ok(Some(since.elapsed()));
        }
        tokio::time::sleep(LOOK_AGAIN.max(since.elapsed() / LOOK_SHARE)).await;
    }
}
