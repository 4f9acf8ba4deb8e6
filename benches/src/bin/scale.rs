//! What each step costs by size: archive, a funnel by SQL, interactions, half-steps, each on one process and on a scheduler and
//! two executors of this machine. `docs/scale.md` says what follows from it.
//!
//! ```sh
//! cargo run --release -p shoptide-benches --features scale --bin scale -- --events 100000,1000000,10000000
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use clap::Parser;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use futures::TryStreamExt;
use serde_json::json;
use shoptide_benches::machine::Machine;
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_lake::{Archiver, Lake, LakeOptions};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, NewRecord};
use shoptide_models::als::{Training, train};
use shoptide_models::matrix::Interactions;
use shoptide_query::lake::LakeKind;
use shoptide_query::ready::Ready;
use shoptide_query::scale::als::{AlsJob, AlsReport, run};
use shoptide_query::scale::{
    Cluster, ClusterShop, Executor, ExecutorOptions, Scheduler, SchedulerOptions, interactions_sql,
    lake_parts, lake_url,
};
use shoptide_query::{LakeSource, SessionOptions, Shop as Asked, Sources, Statement, functions, open};

const END_MS: i64 = 1_769_817_600_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// Events a user has, and events an item has, whatever the size: a shop grows by users and items.
const EVENTS_OF_A_USER: u64 = 50;
const EVENTS_OF_AN_ITEM: u64 = 500;

#[derive(Parser)]
struct Args {
    /// Sizes, in events.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000,10000000")]
    events: Vec<u64>,
    /// Executors, of two vcores each.
    #[arg(long, default_value_t = 2)]
    executors: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!(
        "{}",
        json!({ "machine": Machine::here().to_string(), "load": shoptide_benches::machine::load() })
    );
    for events in args.events {
        println!("{}", measure(events, args.executors).await?);
    }
    Ok(())
}

async fn measure(events: u64, executors: usize) -> anyhow::Result<serde_json::Value> {
    let folder = tempfile::tempdir()?;
    let (lake, archive_s) = archived(folder.path(), events).await?;
    let snapshot = lake.snapshot().await?;
    let funnel = Ready::named("funnel").context("the funnel")?.sql;
    let source = LakeSource {
        store: lake.store(),
        events: lake_parts(&snapshot, LakeKind::Events)?,
        records: lake_parts(&snapshot, LakeKind::Records)?,
    };
    let local = open(&SessionOptions::default(), Sources { lake: Some(source), truth: None })?;
    let funnel_local_s = asked(&local, funnel).await?;

    let cluster = Cluster::new(lake.store(), functions::all(), 8 << 30);
    let any = "127.0.0.1:0".parse()?;
    let scheduler = Scheduler::start(&cluster, &SchedulerOptions { bind: any }).await?;
    let work = tempfile::tempdir()?;
    let mut running = Vec::new();
    for _ in 0..executors {
        let options = ExecutorOptions {
            scheduler: scheduler.url(),
            bind: any,
            host: None,
            vcores: 2,
            memory_bytes: 3 << 30,
            work_dir: work.path().to_owned(),
            work_bytes_max: 64 << 30,
            patience: PATIENCE,
        };
        running.push(Executor::start(&cluster, &options).await?);
    }
    let remote = ClusterShop::open(&cluster, &scheduler.url(), PATIENCE, &snapshot).await?;
    let funnel_cluster_s = median3(|| async {
        let began = Instant::now();
        let rows: Vec<_> = remote.run(statement(funnel)?).await?.batches.try_collect().await?;
        anyhow::ensure!(!rows.is_empty(), "the funnel has no answer");
        Ok(began.elapsed().as_secs_f64())
    })
    .await?;

    let config = shoptide_config::Config::load(None, std::iter::empty())?;
    let mut one_sweep = serde_json::to_value(config.als)?;
    one_sweep["sweeps"] = json!(1);
    let params = serde_json::from_value(one_sweep)?;
    let job =
        AlsJob { interactions_sql: interactions_sql(&config.tastes), params, run: format!("bench-{events}") };
    let report =
        run(&cluster, remote.session(), &job, &mut |what, s| eprintln!("{events}: {what}: {s:.2} s")).await?;
    let local_train_s = locally(remote.session(), &report).await?;
    drop(running);
    let sweep = report.sweeps.first().context("a sweep")?;
    Ok(json!({
        "events": events, "users": report.users.rows, "items": report.items.rows, "interactions": report.interactions,
        "lake_bytes": snapshot.files.iter().map(|file| file.bytes).sum::<u64>(), "archive_s": archive_s,
        "funnel_local_s": funnel_local_s, "funnel_cluster_s": funnel_cluster_s,
        "strengths_s": report.build_s, "numbers_s": report.number_s,
        "users_half_step_s": sweep.users_s, "items_half_step_s": sweep.items_s, "rank": report.items.params.rank(),
        "local_sweep_and_users_s": local_train_s, "executors": executors,
    }))
}

/// The median of three, the first run's files read before.
async fn median3<F: Future<Output = anyhow::Result<f64>>>(mut of: impl FnMut() -> F) -> anyhow::Result<f64> {
    let mut seconds = [of().await?, of().await?, of().await?];
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[1])
}

fn statement(sql: &str) -> anyhow::Result<Statement> {
    Statement::all(sql)?.pop().context("no statement")
}

async fn asked(shop: &Asked, sql: &str) -> anyhow::Result<f64> {
    median3(|| async {
        let began = Instant::now();
        let rows: Vec<_> = shop.run(statement(sql)?).await?.batches.try_collect().await?;
        anyhow::ensure!(!rows.is_empty(), "no answer");
        Ok(began.elapsed().as_secs_f64())
    })
    .await
}

/// A shop of so many events in a lake, and how long the archiver took.
async fn archived(folder: &std::path::Path, events: u64) -> anyhow::Result<(Lake, f64)> {
    let mut options = ShopOptions::demo(7, END_MS);
    options.events = events;
    options.users = (events / EVENTS_OF_A_USER).max(100);
    options.items = (events / EVENTS_OF_AN_ITEM).clamp(100, 100_000);
    let shop = Shop::new(ShopParams::new(options)?);
    let clock: shoptide_log::Clock = Arc::new(|| END_MS);
    let log = MemoryLog::new(MemoryLogOptions {
        partitions: 4,
        clock: clock.clone(),
        queue_records_max: usize::MAX,
    });
    let mut batch = Vec::with_capacity(1_000);
    for event in shop.events() {
        let value = serde_json::to_vec(&event)?;
        let decoded = shoptide_schemas::wire::decode(&value).map_err(|r| anyhow::anyhow!("{r:?}"))?;
        batch.push(NewRecord {
            topic: decoded.event_type.topic(),
            key: decoded.user.as_bytes().to_vec().into(),
            value: value.into(),
        });
        if batch.len() == 1_000 {
            log.append(std::mem::take(&mut batch)).await?;
        }
    }
    log.append(batch).await?;
    let lake = Lake::open(&LakeOptions::local(folder.join("lake"))).await?;
    let archiver = Archiver { lake: lake.clone(), log, clock, limits: Default::default() };
    let began = Instant::now();
    archiver.run().await?;
    Ok((lake, began.elapsed().as_secs_f64()))
}

/// The same sweep by the local trainer, on all cores, with the interactions in memory.
async fn locally(session: &SessionContext, report: &AlsReport) -> anyhow::Result<f64> {
    let path = lake_url(&format!("{}/", report.interactions_at));
    let frame = session.read_parquet(path, ParquetReadOptions::default()).await?;
    let mut rows = vec![Vec::new(); report.users.rows as usize];
    let mut batches = frame.execute_stream().await?;
    while let Some(batch) = batches.try_next().await? {
        let (users, items) =
            (batch.column(0).as_primitive::<UInt32Type>(), batch.column(1).as_primitive::<UInt32Type>());
        let strengths = batch.column(2).as_primitive::<Float32Type>();
        for i in 0..batch.num_rows() {
            if let Some(row) = rows.get_mut(users.value(i) as usize) {
                row.push((items.value(i), strengths.value(i)));
            }
        }
    }
    let data = Interactions::from_rows(report.items.rows as usize, rows)?;
    let began = Instant::now();
    train(&data, &report.items.params, Training::default(), &mut |_| ())?;
    Ok(began.elapsed().as_secs_f64())
}
