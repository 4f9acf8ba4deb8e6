//! `taskset -c 0,1 cargo run --release -p shoptide-benches --features lake --bin sql_funnel`: the ready question `funnel` over
//! 10 million events of the generated shop, and the same question to DuckDB on the same Parquet files with as many threads. The two
//! must give one answer; medians and their ratio are printed. `--python` names one with DuckDB: `python3 -m venv v && v/bin/pip
//! install duckdb`. `--dir` keeps the lake for another run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use futures::TryStreamExt;
use shoptide_benches::shop::{clock, everything, generated, send};
use shoptide_jobs::import::LogSink;
use shoptide_lake::{ArchiveLimits, Archiver, FileKind, Lake, LakeOptions, Snapshot};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};
use shoptide_query::output::Rows;
use shoptide_query::ready::Ready;
use shoptide_query::{LakeSource, SessionOptions, Shop, Sources};

/// Of the shop.
const SEED: u64 = 7;
const PARTITIONS: u32 = 4;

#[derive(Debug, Parser)]
struct Args {
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    #[arg(long, default_value_t = 200_000)]
    users: u64,
    #[arg(long, default_value_t = 20_000)]
    items: u64,
    /// Of both engines.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Measured after one that is not.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Another ready question.
    #[arg(long, default_value = "funnel")]
    ready: String,
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Prints the plan with what each step took.
    #[arg(long)]
    explain: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let temporary = tempfile::Builder::new().prefix("shoptide-funnel-").tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir)?;
    let lake = Lake::open(&LakeOptions::local(dir.join("lake"))).await?;
    if lake.snapshot().await?.commit == 0 {
        make(&args, &dir, &lake).await?;
    }
    let snapshot = lake.snapshot().await?;
    let files: Vec<PathBuf> = snapshot
        .files
        .iter()
        .filter(|file| file.kind == FileKind::Events)
        .map(|file| dir.join("lake").join(&file.path))
        .collect();
    println!("{} events in {} files, {} threads", rows_of(&snapshot), files.len(), args.threads);
    let sql = Ready::named(&args.ready).context("there is no such ready question")?.sql;
    let (ours, answer) = ask(&args, &lake, &snapshot, sql).await?;
    let (theirs, other) = duckdb(&args, &dir, &files, sql)?;
    println!("shoptide  {answer:?}");
    println!("duckdb    {other:?}");
    ensure!(alike(&answer, &other), "the answers differ");
    println!("shoptide {ours:.3} s, duckdb {theirs:.3} s, ratio {:.2}", ours / theirs);
    Ok(())
}

fn rows_of(snapshot: &Snapshot) -> u64 {
    snapshot.files.iter().filter(|file| file.kind == FileKind::Events).map(|file| file.rows).sum()
}

/// The shop's events through a log into the lake, by the archiver that ships.
async fn make(args: &Args, dir: &Path, lake: &Lake) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut options = SqliteLogOptions::new(dir.join("log.db"), PARTITIONS, clock());
    options.fsync = false;
    let log: Arc<dyn Log> = SqliteLog::open(options).await?;
    let shop = generated(SEED, args.users, args.items, args.events)?;
    let accepted = send(&mut LogSink::new(log.clone()), everything(&shop)).await?;
    println!("{accepted} records in the log after {:.0} s", began.elapsed().as_secs_f64());
    let archiver =
        Archiver { lake: lake.clone(), log: log.clone(), clock: clock(), limits: ArchiveLimits::default() };
    let archived = archiver.run().await?;
    println!(
        "{} rows, {} bytes in the lake after {:.0} s",
        archived.rows,
        archived.bytes,
        began.elapsed().as_secs_f64()
    );
    log.close().await;
    Ok(())
}

type Row = Vec<String>;

async fn ask(args: &Args, lake: &Lake, snapshot: &Snapshot, sql: &str) -> anyhow::Result<(f64, Vec<Row>)> {
    let options = SessionOptions { threads: Some(args.threads), ..SessionOptions::default() };
    let source = LakeSource::of(lake, snapshot);
    let shop = shoptide_query::open(&options, Sources { lake: Some(source), truth: None })?;
    if args.explain {
        for row in answer(&shop, &format!("EXPLAIN ANALYZE {sql}")).await? {
            println!("{}", row.join("\n"));
        }
    }
    let mut seconds = Vec::new();
    let mut rows = Vec::new();
    for _ in 0..=args.runs {
        let began = Instant::now();
        rows = answer(&shop, sql).await?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    println!("shoptide  {seconds:.3?}");
    Ok((median(seconds.split_off(1)), rows))
}

async fn answer(shop: &Shop, sql: &str) -> anyhow::Result<Vec<Row>> {
    let mut answer = shop.ask(sql).await?;
    let mut rows = Rows::new(&answer.schema, 1_000_000);
    while let Some(batch) = answer.batches.try_next().await? {
        rows.take(&batch)?;
    }
    Ok(rows.cells)
}

const SCRIPT: &str = r#"
import duckdb, json, sys, time
task = json.load(open(sys.argv[1]))
con = duckdb.connect()
con.execute(f"SET threads = {task['threads']}")
con.execute("SET enable_progress_bar = false")
con.execute("CREATE VIEW events AS SELECT * FROM read_parquet(" + json.dumps(task["files"]).replace('"', "'") +
            ", hive_partitioning = true, hive_types = {'date': DATE, 'type': VARCHAR})")
seconds = []
for _ in range(task["runs"] + 1):
    began = time.perf_counter()
    rows = con.execute(task["sql"]).fetchall()
    seconds.append(time.perf_counter() - began)
print(json.dumps({"version": duckdb.__version__, "seconds": seconds, "rows": [[str(v) for v in row] for row in rows]}))
"#;

#[derive(Debug, serde::Deserialize)]
struct Theirs {
    version: String,
    seconds: Vec<f64>,
    rows: Vec<Row>,
}

fn duckdb(args: &Args, dir: &Path, files: &[PathBuf], sql: &str) -> anyhow::Result<(f64, Vec<Row>)> {
    let task = dir.join("duckdb.json");
    let told = serde_json::json!({"threads": args.threads, "runs": args.runs, "files": files, "sql": sql});
    std::fs::write(&task, told.to_string())?;
    let done = Command::new(&args.python).arg("-c").arg(SCRIPT).arg(&task).output()?;
    ensure!(done.status.success(), "DuckDB: {}", String::from_utf8_lossy(&done.stderr));
    let mut theirs: Theirs = serde_json::from_slice(&done.stdout)
        .with_context(|| format!("what DuckDB says: {}", String::from_utf8_lossy(&done.stdout)))?;
    println!("duckdb    {:.3?} ({})", theirs.seconds, theirs.version);
    Ok((median(theirs.seconds.split_off(1)), theirs.rows))
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Numbers by what they are worth, for one writes 3.10 and the other 3.1.
fn alike(a: &[Row], b: &[Row]) -> bool {
    let same = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 0.011,
        _ => a == b,
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(same))
}
