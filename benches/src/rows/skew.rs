//! The stream under a load of which one user makes 30 % and one item takes 50 %, beside the same load spread evenly: how long it takes to fold what
//! waits, make every list anew, and commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use shoptide_config::Config;
use shoptide_jobs::import::{LogSink, Outgoing};
use shoptide_jobs::train::train_once;
use shoptide_live::Live;
use shoptide_log::Log;
use shoptide_schemas::USER_TOPICS;
use shoptide_schemas::wire::{WireEvent, WireTime};
use shoptide_store::{LocalCache, LocalCacheOptions, Truth};
use shoptide_stream::{StreamContext, StreamOptions};
use tokio::sync::watch;

use crate::dice::Dice;
use crate::figure::{Figure, Row};
use crate::shop::{Folded, clock, config, everything, generated, send};
use crate::spread::Spread;

const SEED: u64 = 7;
const USERS: u64 = 5_000;
const ITEMS: u64 = 2_000;
/// Events before, so that there is a model and users have a past.
const BEFORE: u64 = 100_000;
const EVENTS: usize = 60_000;
const PARTITIONS: u32 = 4;
const RUNS: usize = 3;
const BAR: f64 = 0.7;
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(300);

/// # Errors
/// If training or the stream fails.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let config = config(set)?;
    let (mut even, mut skewed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        // One after the other, so that what the machine does meanwhile is done to both.
        let one = drained(&config, run, false).await?;
        let other = drained(&config, run, true).await?;
        ratios.push(other / one);
        even.push(one);
        skewed.push(other);
    }
    let (even, skewed, ratio) = (Spread::new(even), Spread::new(skewed), Spread::new(ratios));
    Ok(Row::Measured(Figure {
        what: "one user makes 30 %, one item takes 50 % of the events, beside an even load".to_owned(),
        measured: format!(
            "**{:.2}** of the even load's throughput: {:.0} of {:.0} events/s",
            ratio.median(),
            skewed.median(),
            even.median()
        ),
        bar: ">= 0.7".to_owned(),
        met: Some(BAR <= ratio.median()),
        reference: String::new(),
        how: format!(
            "{EVENTS} events that wait in an embedded shop's stream of {PARTITIONS} shards, until all are folded, every list is remade and \
             committed; {USERS} users and {ITEMS} items with {BEFORE} events and a model before; seed {SEED}, median of {RUNS} pairs"
        ),
        values: json!({ "ratio": ratio.median(), "even_per_s": even.median(), "skewed_per_s": skewed.median() }),
    }))
}

/// Events a second of one run.
async fn drained(config: &Config, run: usize, skewed: bool) -> anyhow::Result<f64> {
    let shop = generated(SEED, USERS, ITEMS, BEFORE)?;
    let users: Vec<String> =
        shop.events().filter_map(|event| event.user_id).take(USERS as usize * 4).collect();
    let items: Vec<String> = shop.catalogue().filter_map(|item| item.item_id).collect();
    let folded = Folded::of(everything(&shop), PARTITIONS).await?;
    let opened = folded.open(config).await?;
    train_once(&opened.context).await?;
    let (log, truth, live) =
        (opened.context.log.clone(), opened.context.truth.clone(), opened.context.live.clone());
    let mut dice = Dice(SEED + run as u64);
    let (users_drawn, items_drawn) = (users.len(), items.len());
    let events = (0..EVENTS).filter_map(|n| {
        let user = if skewed && n % 10 < 3 { users.first() } else { users.get(dice.below(users_drawn)) }?;
        let item =
            if skewed && dice.below(2) == 0 { items.first() } else { items.get(dice.below(items_drawn)) }?;
        Some(Outgoing::Event(view(n, run, user, item)))
    });
    let events: Vec<Outgoing> = events.collect();
    send(&mut LogSink::new(log.clone()), events.into_iter()).await?;
    let (stop, stopped) = watch::channel(false);
    let began = Instant::now();
    let stream = tokio::spawn(shoptide_stream::run(context(config, &log, &truth, &live), stopped));
    while folded_so_far(&*truth).await? < ends(&*log).await? {
        anyhow::ensure!(
            !stream.is_finished() && began.elapsed() < PATIENCE,
            "the stream does not come to the end"
        );
        tokio::time::sleep(LOOK).await;
    }
    let took = began.elapsed().as_secs_f64();
    stop.send_replace(true);
    stream.await??;
    opened.close().await;
    Ok(EVENTS as f64 / took)
}

fn view(n: usize, run: usize, user: &str, item: &str) -> WireEvent {
    WireEvent {
        event_id: Some(format!("skew:{run}:{n}")),
        event_type: Some("view_item".to_owned()),
        user_id: Some(user.to_owned()),
        item_id: Some(item.to_owned()),
        occurred_at: Some(WireTime::Ms(clock()())),
        ..WireEvent::default()
    }
}

fn context(config: &Config, log: &Arc<dyn Log>, truth: &Arc<dyn Truth>, live: &Arc<Live>) -> StreamContext {
    let cache =
        LocalCacheOptions { entries_max: config.store.cache_entries_max, ttl_ms: 60_000, clock: clock() };
    StreamContext {
        log: log.clone(),
        truth: truth.clone(),
        cache: Arc::new(LocalCache::new(cache)),
        live: live.clone(),
        lists: Arc::new(config.list_params()),
        rules_version: config.rules_version(),
        options: StreamOptions {
            batch_records_max: config.stream.batch_records_max,
            batch_bytes_max: config.stream.batch_bytes_max,
            users_cached_max: config.stream.users_cached_max,
            users_cached_bytes_max: config.stream.users_cached_bytes_max,
            list_versions_behind_max: config.stream.list_versions_behind_max,
            sweep_lists_per_s: config.stream.sweep_lists_per_s,
            list_every_ms: config.stream.list_every_ms,
            chats_kept_ms: i64::MAX,
        },
        clock: clock(),
        inspect: None,
    }
}

async fn folded_so_far(truth: &dyn Truth) -> anyhow::Result<i64> {
    Ok(truth.offsets().await?.iter().filter(|row| row.topic.is_user()).map(|row| row.next_off).sum())
}

async fn ends(log: &dyn Log) -> anyhow::Result<i64> {
    let mut sum = 0;
    for topic in USER_TOPICS {
        for partition in 0..log.partitions(topic) {
            sum += log.watermarks(topic, partition).await?.next;
        }
    }
    Ok(sum)
}
