//! Full training from an event lake of the generated shop, in a process of its own: seconds, and the most memory it ever had.
//!
//! ```sh
//! cargo run --release -p shoptide-benches --features lake --bin train_lake -- --events 10000000
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::json;
use shoptide_benches::shop::{clock, config, everything, generated, send, train_params};
use shoptide_jobs::import::LogSink;
use shoptide_jobs::train::{Mode, TrainContext, TrainOptions, Workers, fold_lake, train_from_lake};
use shoptide_lake::{ArchiveLimits, Archiver, Lake, LakeOptions};
use shoptide_live::{Live, Metrics, ModelFiles};
use shoptide_log::{Log, LogCopy, MemoryLog, MemoryLogOptions, SqliteLog, SqliteLogOptions};
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

/// Events that are in memory at a time while the lake is made.
const AT_ONCE: usize = 250_000;
const SEED: u64 = 7;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    #[arg(long, default_value_t = 200_000)]
    users: u64,
    #[arg(long, default_value_t = 20_000)]
    items: u64,
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    /// A lake of an earlier run; a temporary one is made otherwise.
    #[arg(long)]
    lake: Option<PathBuf>,
    /// Keys of the configuration, as `als.factors=64`.
    #[arg(long)]
    set: Vec<String>,
    /// Only folds, and says how long that took.
    #[arg(long)]
    fold: bool,
    /// What the child does.
    #[arg(long, hide = true)]
    train: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.train {
        return train(&args).await;
    }
    let folder = tempfile::Builder::new().prefix("shoptide-lake-").tempdir()?;
    let lake = args.lake.clone().unwrap_or_else(|| folder.path().join("lake"));
    if !lake.exists() {
        make(&args, &lake).await?;
    }
    // Its own process, so that the peak is of training alone.
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--train", "--partitions", &args.partitions.to_string(), "--lake"]).arg(&lake);
    for set in &args.set {
        child.args(["--set", set]);
    }
    if args.fold {
        child.arg("--fold");
    }
    ensure!(child.status()?.success(), "training failed");
    Ok(())
}

fn memory(partitions: u32) -> Arc<MemoryLog> {
    MemoryLog::new(MemoryLogOptions { partitions, clock: clock(), queue_records_max: 20_000 })
}

/// The shop's events into a log, archived and forgotten some at a time.
async fn make(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    let shop = generated(SEED, args.users, args.items, args.events)?;
    let log = memory(args.partitions);
    let lake = Lake::open(&LakeOptions::local(folder)).await?;
    let archiver =
        Archiver { lake: lake.clone(), log: log.clone(), clock: clock(), limits: ArchiveLimits::default() };
    let mut outgoing = everything(&shop).peekable();
    let mut sink = LogSink::new(log.clone());
    let mut accepted = 0;
    while outgoing.peek().is_some() {
        accepted += send(&mut sink, outgoing.by_ref().take(AT_ONCE)).await?;
        archiver.run().await?;
        for topic in USER_TOPICS.into_iter().chain([Topic::Catalogue]) {
            for partition in 0..log.partitions_at(topic, 0) {
                let next = log.watermarks(topic, partition).await?.next;
                log.truncate_below(topic, partition, next).await?;
            }
        }
        eprint!("\r{accepted} records in the lake, {:.0} s", began.elapsed().as_secs_f64());
    }
    let bytes: u64 = lake.snapshot().await?.files.iter().map(|file| file.bytes).sum();
    eprintln!(
        "\r{accepted} records in the lake, {:.1} MB, {:.0} s",
        bytes as f64 / 1e6,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// A log whose retention has dropped all that the lake has.
async fn behind(lake: &Lake, partitions: u32, path: &Path) -> anyhow::Result<Arc<dyn Log>> {
    let (snapshot, mut made) = (lake.snapshot().await?, LogCopy::create(path, partitions).await?);
    for topic in USER_TOPICS {
        for partition in 0..partitions {
            let cut = snapshot.cut_of(topic, partition).unwrap_or(0);
            made.head(topic, partition, cut, cut, 0).await?;
        }
    }
    made.finish().await?;
    Ok(SqliteLog::open(SqliteLogOptions::new(path, partitions, clock())).await?)
}

async fn train(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(&args.set)?;
    let lake = Lake::open(&LakeOptions::local(args.lake.as_deref().context("--lake")?)).await?;
    let log = behind(&lake, args.partitions, &folder.path().join("log.db")).await?;
    let truth: Arc<dyn Truth> =
        SqliteTruth::open(SqliteTruthOptions::new(folder.path().join("truth.db"))).await?;
    let models = folder.path().join("models");
    let live = Live::start(log.clone(), truth.clone(), models.clone(), Arc::new(Metrics::new()?)).await?;
    let context = TrainContext {
        log,
        truth,
        live,
        files: ModelFiles::new(models),
        params: Arc::new(train_params(&config)),
        workers: Workers::all_cores()?,
        clock: clock(),
        progress: Default::default(),
    };
    let began = Instant::now();
    if args.fold {
        let folded = fold_lake(&context, &lake).await?;
        let (seconds, records) = (began.elapsed().as_secs_f64(), folded.records);
        println!("{}", json!({ "fold_s": seconds, "records": records, "peak_rss_mib": peak_mib()? }));
        return Ok(());
    }
    let trained =
        train_from_lake(&context, &lake, TrainOptions { mode: Mode::Full, candidate: false }).await?;
    let whole = began.elapsed().as_secs_f64();
    let peak = peak_mib()?;
    println!(
        "{}",
        json!({
            "whole_s": whole, "train_s": trained.seconds, "read_s": whole - trained.seconds, "peak_rss_mib": peak,
            "users": trained.users, "items": trained.model.n_items(), "dim": config.als.rank(), "sweeps": config.als.sweeps(),
            "interactions": trained.model.meta().metrics.get("interactions"), "bar_s": 60, "bar_mib": 4096,
            "met": whole <= 60.0 && peak <= 4096.0,
        })
    );
    Ok(())
}

fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}
