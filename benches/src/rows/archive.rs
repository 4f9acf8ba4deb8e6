//! The archiver from the embedded log into a local lake: a process of its own on two cores, whose memory is its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Value, json};
use shoptide_jobs::archive::{ArchiveContext, archive_once};
use shoptide_jobs::import::LogSink;
use shoptide_jobs::schedule::Progress;
use shoptide_lake::{FileKind, Lake, LakeOptions};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};

use crate::figure::{Figure, Row};
use crate::machine::{TWO_CORES, pinned};
use crate::rows::sustained::number;
use crate::shop;

const SEED: u64 = 7;
const USERS: u64 = 20_000;
const ITEMS: u64 = 2_000;
const EVENTS: u64 = 3_000_000;
const PARTITIONS: u32 = 4;
const BAR_PER_S: f64 = 100_000.0;
const BAR_RSS_MIB: f64 = 300.0;
const BAR_BYTES: f64 = 25.0;
const LOG: &str = "log.db";

/// The archiver's process.
#[derive(Debug, Args)]
pub struct Archive {
    /// Where `log.db` is, and the lake will be.
    dir: PathBuf,
    #[arg(long = "set")]
    set: Vec<String>,
}

impl Archive {
    /// One round; what it took.
    ///
    /// # Errors
    /// If log or lake fail.
    pub async fn run(&self) -> anyhow::Result<Value> {
        let log = open(&self.dir).await?;
        let lake = Lake::open(&LakeOptions::local(self.dir.join("lake"))).await?;
        let config = shop::config(&self.set)?.lake;
        let context = ArchiveContext { lake, log, truth: None, clock: shop::clock(), config, sweep: false };
        let began = Instant::now();
        let outcome = archive_once(&context, &Progress::default()).await?;
        let seconds = began.elapsed().as_secs_f64();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        let rss_mib = peak.map_or(f64::NAN, |kib: f64| kib / 1024.0);
        Ok(json!({ "seconds": seconds, "rss_mib": rss_mib, "outcome": outcome }))
    }
}

async fn open(dir: &Path) -> anyhow::Result<Arc<SqliteLog>> {
    let mut options = SqliteLogOptions::new(dir.join(LOG), PARTITIONS, shop::clock());
    options.fsync = false;
    Ok(SqliteLog::open(options).await?)
}

/// # Errors
/// If log or lake fail, or a record is not in the lake once.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let folder = tempfile::Builder::new().prefix("shoptide-bench-").tempdir()?;
    let log = open(folder.path()).await?;
    let generated = shop::generated(SEED, USERS, ITEMS, EVENTS)?;
    shop::send(&mut LogSink::new(log.clone()), shop::everything(&generated)).await?;
    log.close().await;
    let (mut command, held) = pinned(&std::env::current_exe()?, Some(TWO_CORES));
    command.arg("archive").arg(folder.path());
    for one in set {
        command.args(["--set", one]);
    }
    let ended = command.output().context("the archiver")?;
    ensure!(ended.status.success(), "the archiver failed: {}", String::from_utf8_lossy(&ended.stderr));
    let told: Value = serde_json::from_slice(&ended.stdout).context("what the archiver says")?;

    let lake = Lake::open(&LakeOptions::local(folder.path().join("lake"))).await?;
    let proof = lake.verify().await?;
    ensure!(proof.ok, "the lake is not whole: {:?}", proof.faults);
    let (mut rows, mut bytes, mut ids) = (0, 0, 0);
    for file in lake.snapshot().await?.files.iter().filter(|f| f.kind == FileKind::Events) {
        (rows, bytes) = (rows + file.rows, bytes + file.bytes);
        ids += lake.column_bytes(file).await?.get("event_id").copied().unwrap_or(0);
    }
    let (seconds, rss) = (number(&told, "seconds"), number(&told, "rss_mib"));
    let per_s = proof.records as f64 / seconds;
    let each = (bytes - ids) as f64 / rows as f64;
    let whole = bytes as f64 / rows as f64;
    Ok(Row::Measured(Figure {
        what: "archive: the log into Parquet, merged, from the embedded log on 2 cores".to_owned(),
        measured: format!(
            "**{per_s:.0} events/s**, RSS {rss:.0} MB, {each:.1} bytes an event ({whole:.1} with event_id)"
        ),
        bar: ">= 100,000 events/s, RSS <= 300 MB, <= 25 bytes an event, event_id aside".to_owned(),
        met: Some(BAR_PER_S <= per_s && rss <= BAR_RSS_MIB && each <= BAR_BYTES),
        reference: String::new(),
        how: format!(
            "one round of a process of its own{}; generated shop, {EVENTS} events of {USERS} users, {ITEMS} items, 25 days, {PARTITIONS} \
             partitions, seed {SEED}; {} files; afterwards every offset is read and is there once",
            if held { ", held to 2 cores" } else { ", NOT held to 2 cores: no taskset" },
            proof.files
        ),
        values: json!({ "told": told, "rows": rows, "bytes": bytes, "event_id_bytes": ids, "files": proof.files }),
    }))
}
