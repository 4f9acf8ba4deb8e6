//! The clean run over an embedded log, on one core: from the log's file to the truth's, everything that a replay reads, folds and writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::json;
use sha2::{Digest, Sha256};
use shoptide_jobs::import::LogSink;
use shoptide_live::fold::{LogFeed, Stretch, WholeRun, first_bases, replay};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};
use shoptide_schemas::Topic;
use shoptide_store::{FoldedTable, SqliteTruth, SqliteTruthOptions, Truth};

use crate::figure::{Figure, Row};
use crate::shop::{clock, everything, generated, send};
use crate::spread::Spread;

const SEED: u64 = 7;
const USERS: u64 = 20_000;
const ITEMS: u64 = 5_000;
const EVENTS: u64 = 1_000_000;
const PARTITIONS: u32 = 4;
const RUNS: usize = 3;
const BAR_PER_S: f64 = 200_000.0;
/// The core that all of it runs on.
const CORE: usize = 0;

/// # Errors
/// If log or truth fail, or the two ways differ.
pub async fn row() -> anyhow::Result<Row> {
    let folder = tempfile::Builder::new().prefix("shoptide-replay-").tempdir()?;
    let log = open(folder.path()).await?;
    let shop = generated(SEED, USERS, ITEMS, EVENTS)?;
    let mut sink = LogSink::new(log.clone() as Arc<dyn Log>);
    send(&mut sink, everything(&shop)).await?;
    log.close().await;
    drop(log);
    let path = folder.path().to_owned();
    let measured = std::thread::spawn(move || on_one_core(&path)).join();
    let Measured { records, fast, slow_s, digest } =
        measured.map_err(|_| anyhow::anyhow!("the measured thread panicked"))??;
    let fast = Spread::new(fast);
    let (rate, old) = (records as f64 / fast.median(), records as f64 / slow_s);
    Ok(Row::Measured(Figure {
        what: "replay of the folded state, log file to truth file, one thread".to_owned(),
        measured: format!("**{rate:.0} events/s** (batch by batch, as the proof does: {old:.0})"),
        bar: ">= 200,000 events/s".to_owned(),
        met: Some(BAR_PER_S <= rate),
        reference: String::new(),
        how: format!(
            "{records} records of the generated shop ({USERS} users, {ITEMS} items, seed {SEED}) in {PARTITIONS} partitions of an embedded log, \
             folded into a fresh SQLite truth; the whole process, SQLite's threads too, held to one core; median of {RUNS}, the old \
             way once; both truths have the same bytes (SHA-256 {})",
            digest.get(..16).unwrap_or_default()
        ),
        values: json!({ "events_per_s": rate, "slow_events_per_s": old, "records": records, "median_s": fast.median() }),
    }))
}

struct Measured {
    records: u64,
    fast: Vec<f64>,
    slow_s: f64,
    digest: String,
}

async fn open(folder: &Path) -> anyhow::Result<Arc<SqliteLog>> {
    let options = SqliteLogOptions::new(folder.join("log.db"), PARTITIONS, clock());
    Ok(SqliteLog::open(SqliteLogOptions { fsync: false, ..options }).await?)
}

fn on_one_core(folder: &Path) -> anyhow::Result<Measured> {
    let mut one = CpuSet::new();
    one.set(CORE);
    // Threads that SQLite's clients begin inherit it.
    sched_setaffinity(None, &one)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let log = open(folder).await?;
        let (mut fast, mut records, mut digest) = (Vec::new(), 0, String::new());
        for run in 0..RUNS {
            let path = folder.join(format!("fast-{run}.db"));
            let began = Instant::now();
            let truth = SqliteTruth::open(SqliteTruthOptions::rebuilt(path)).await?;
            records = whole(&log, &truth).await?;
            fast.push(began.elapsed().as_secs_f64());
            digest = sha256(&truth).await?;
            truth.close().await;
        }
        let truth = SqliteTruth::open(SqliteTruthOptions::new(folder.join("slow.db"))).await?;
        let began = Instant::now();
        for shard in 0..PARTITIONS {
            replay(&*log, &*truth, shard, &first_bases(shard, |_| 0), &until(&log, shard).await?, None)
                .await?;
        }
        let slow_s = began.elapsed().as_secs_f64();
        anyhow::ensure!(sha256(&truth).await? == digest, "the two ways differ");
        truth.close().await;
        log.close().await;
        Ok(Measured { records, fast, slow_s, digest })
    })
}

async fn until(log: &SqliteLog, shard: u32) -> anyhow::Result<BTreeMap<u8, i64>> {
    let mut until = BTreeMap::new();
    for (topic, _) in first_bases(shard, |_| 0) {
        until.insert(Topic::code(topic), log.watermarks(topic, shard).await?.next);
    }
    Ok(until)
}

async fn whole(log: &Arc<SqliteLog>, truth: &Arc<SqliteTruth>) -> anyhow::Result<u64> {
    let feed = LogFeed { log: &**log };
    let mut records = 0;
    for shard in 0..PARTITIONS {
        let (bases, until) = (first_bases(shard, |_| 0), until(log, shard).await?);
        let run = WholeRun {
            feed: &feed,
            truth: &**truth,
            shard,
            partitions: PARTITIONS,
            bases: &bases,
            until: &until,
            inspect: None,
            stretch: Stretch::default(),
        };
        records += run.run().await?;
    }
    Ok(records)
}

async fn sha256(truth: &SqliteTruth) -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    for table in FoldedTable::ALL {
        truth
            .dump(table, &mut |row| {
                digest.update((row.len() as u64).to_le_bytes());
                digest.update(row);
            })
            .await?;
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
