//! RetailRocket's 92,601 real events, on the embedded log and store: imported straight to the log, folded by the running
//! stream, trained, and a list of that model made for every user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use shoptide_jobs::import::{Import, LogSink, Mapping, Outgoing, Sink};
use shoptide_jobs::train::{TrainContext, Workers, start};
use shoptide_live::{Live, Metrics, ModelFiles};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};
use shoptide_schemas::USER_TOPICS;
use shoptide_store::{Cache, LocalCache, LocalCacheOptions, SqliteTruth, SqliteTruthOptions, Truth};
use shoptide_stream::{StreamContext, StreamOptions};
use tokio::sync::watch;

use crate::figure::{Figure, Row};
use crate::machine::cores;
use crate::shop::{clock, config, data, train_params};

const NAME: &str = "RetailRocket's 92,601 events: import + train + every user's list";
const FILE: &str = "retailrocket/events.csv.gz";
const BAR_S: f64 = 30.0;
/// Between two looks at how far things are.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Something is broken if it takes longer.
const GIVE_UP: Duration = Duration::from_secs(300);

/// # Errors
/// If log, store or training fail, or something stands still.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let path = match data(FILE) {
        Ok(path) => path,
        Err(reason) => return Ok(Row::Skipped { name: NAME.to_owned(), reason }),
    };
    let config = config(set)?;
    let folder = tempfile::Builder::new().prefix("shoptide-bench-").tempdir()?;
    let began = Instant::now();
    let log =
        SqliteLog::open(SqliteLogOptions::new(folder.path().join("log.db"), config.log.partitions, clock()))
            .await?;
    let truth = SqliteTruth::open(SqliteTruthOptions::new(folder.path().join("truth.db"))).await?;
    let models = folder.path().join("models");
    let live = Live::start(log.clone(), truth.clone(), models.clone(), Arc::new(Metrics::new()?)).await?;
    let cache: Arc<dyn Cache> = Arc::new(LocalCache::new(LocalCacheOptions {
        entries_max: config.store.cache_entries_max,
        ttl_ms: i64::MAX,
        clock: clock(),
    }));
    let (stop, stopped) = watch::channel(false);
    let stream = tokio::spawn(shoptide_stream::run(
        StreamContext {
            log: log.clone(),
            truth: truth.clone(),
            cache,
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
                chats_kept_ms: 0,
            },
            clock: clock(),
            inspect: None,
        },
        stopped.clone(),
    ));
    let trainer = start(
        TrainContext {
            log: log.clone(),
            truth: truth.clone(),
            live: live.clone(),
            files: ModelFiles::new(models),
            params: Arc::new(train_params(&config)),
            workers: Workers::all_cores()?,
            clock: clock(),
            progress: Default::default(),
        },
        stopped,
    );
    let events = import(&path, log.clone()).await?;
    let imported_s = began.elapsed().as_secs_f64();
    let truth_dyn: Arc<dyn Truth> = truth.clone();
    until("folding", async || folded(&log, &*truth_dyn).await).await?;
    let folded_s = began.elapsed().as_secs_f64();
    let trained = trainer.asker().train_now().await?;
    let trained_s = began.elapsed().as_secs_f64();
    let version = trained.model.version();
    let partitions = log.partitions(USER_TOPICS[0]);
    until("the sweep", async || Ok(lists_behind(&*truth_dyn, partitions, version).await? == 0)).await?;
    let total_s = began.elapsed().as_secs_f64();
    let users = truth.count_users().await?;
    stop.send_replace(true);
    stream.await??;
    trainer.join().await;
    live.stop();
    log.close().await;
    truth.close().await;
    Ok(Row::Measured(Figure {
        what: NAME.to_owned(),
        measured: format!(
            "**{total_s:.1} s** (imported after {imported_s:.1} s, folded {folded_s:.1} s, trained {trained_s:.1} s)"
        ),
        bar: "<= 30 s".to_owned(),
        met: Some(total_s <= BAR_S),
        reference: "Gorse 0.5.11 on this machine: 72 s to train on 85 % of them".to_owned(),
        how: format!(
            "{events} events, {users} users, {} items, dim {}; SQLite log and store with fsync, {} cores, one run; every stored \
             list is of the model trained on all events; lists per shard bounded at {} a second",
            trained.model.n_items(),
            config.als.rank(),
            cores(),
            config.stream.sweep_lists_per_s
        ),
        values: json!({ "total_s": total_s, "imported_s": imported_s, "folded_s": folded_s, "trained_s": trained_s,
            "train_s": trained.seconds, "users": users, "events": events }),
    }))
}

async fn import(path: &std::path::Path, log: Arc<dyn Log>) -> anyhow::Result<u64> {
    let mut import = Import::open(path, Mapping::find("retailrocket")?)?;
    let mut sink = LogSink::new(log);
    let mut accepted = 0;
    while let Some(batch) = import.next_batch(1_000)? {
        let outgoing = batch
            .catalogue
            .into_iter()
            .map(Outgoing::Item)
            .chain(batch.events.into_iter().map(Outgoing::Event));
        accepted += sink.send(outgoing.collect()).await?.accepted;
    }
    Ok(accepted)
}

async fn folded(log: &SqliteLog, truth: &dyn Truth) -> anyhow::Result<bool> {
    let rows = truth.offsets().await?;
    for topic in USER_TOPICS {
        for partition in 0..log.partitions(topic) {
            let end = log.watermarks(topic, partition).await?.next;
            let at = rows.iter().find(|r| r.shard == partition && r.topic == topic).map_or(0, |r| r.next_off);
            if at < end {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Users without a list of this version or a later one.
async fn lists_behind(truth: &dyn Truth, partitions: u32, version: u64) -> anyhow::Result<u64> {
    let mut fresh = 0;
    for shard in 0..partitions {
        let mut after = None;
        loop {
            let page = truth.lists_after(shard, after.as_ref(), 1_000).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.user.clone());
            fresh += page.iter().filter(|h| version <= h.model_version).count() as u64;
        }
    }
    Ok(truth.count_users().await?.saturating_sub(fresh))
}

async fn until(what: &str, done: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !done().await? {
        anyhow::ensure!(began.elapsed() < GIVE_UP, "{what} stands still");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
