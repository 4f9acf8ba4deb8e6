//! `cargo run --release -p shoptide-benches --bin figures [-- --only NAME]`: measures what the README promises and prints
//! each figure beside its bar, as a Markdown table and, if asked, as JSON.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::json;
use shoptide_benches::figure::{Row, markdown};
use shoptide_benches::machine::{Machine, load};
use shoptide_benches::produce::Ask;
use shoptide_benches::rows::{
    archive, cached, chat, demo, exact, held_out, one_user, online_retail, quality, replay, retailrocket,
    search, skew, sustained, training,
};
use shoptide_benches::server::build_shoptide;

/// The rows, in the order of the table.
const NAMES: [&str; 16] = [
    "demo",
    "training",
    "retailrocket",
    "retail",
    "sustained",
    "one-user",
    "cached",
    "search",
    "chat",
    "fold-in",
    "held-out",
    "quality-generated",
    "quality-movielens",
    "archive",
    "replay",
    "skew",
];
/// A minute's load above which somebody else's work is measured too.
const LOAD_MAX: f64 = 0.5;

/// Measures Shoptide. Real data is read from the folder that SHOPTIDE_DATA names; what needs it is skipped without.
#[derive(Debug, Parser)]
struct Args {
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of the sustained run; the runs beside it take a third each.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// A configuration key over the defaults, such as `als.alpha=0.2`; may be given again.
    #[arg(long = "set")]
    set: Vec<String>,
    /// Also writes the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The producer that a row starts as a process of its own.
    #[command(hide = true)]
    Produce(Ask),
    /// The archiver that a row starts as a process of its own.
    #[command(hide = true)]
    Archive(archive::Archive),
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut runtime = match &args.part {
        // One thread: the producer's share of the measured cores should be small.
        Some(Part::Produce(_)) => tokio::runtime::Builder::new_current_thread(),
        Some(Part::Archive(_)) | None => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build().context("the runtime")?.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match &args.part {
        Some(Part::Produce(ask)) => println!("{}", ask.run().await?),
        Some(Part::Archive(archive)) => println!("{}", archive.run().await?),
        None => return measure(args).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(unknown) = args.only.iter().find(|n| !NAMES.contains(&n.as_str())) {
        eprintln!("figures: {unknown} is no row; expected one of {}", NAMES.join(", "));
        return Ok(ExitCode::from(2));
    }
    let machine = Machine::here();
    let (mut rows, mut failed) = (Vec::new(), false);
    let mut shoptide: Option<PathBuf> = None;
    for name in NAMES.into_iter().filter(|n| args.only.is_empty() || args.only.iter().any(|o| o == n)) {
        if matches!(name, "demo" | "sustained" | "cached" | "chat") && shoptide.is_none() {
            shoptide = Some(build_shoptide()?);
        }
        if LOAD_MAX < load() {
            eprintln!("note: the machine is busy (load {:.1} in the last minute)", load());
        }
        eprintln!("measuring {name} ...");
        let (set, shoptide) = (&args.set, shoptide.clone().unwrap_or_default());
        let measured = match name {
            "demo" => demo::row(&shoptide).map(|r| vec![r]),
            "training" => training::row(set).await.map(|r| vec![r]),
            "retailrocket" => retailrocket::row(set).await.map(|r| vec![r]),
            "retail" => online_retail::row(set).await.map(|r| vec![r]),
            "sustained" => sustained::rows(&shoptide, set, args.seconds),
            "one-user" => one_user::row(set).await.map(|r| vec![r]),
            "cached" => cached::row(&shoptide, set).await.map(|r| vec![r]),
            "search" => search::rows(set).await,
            "chat" => chat::row(&shoptide, set).await.map(|r| vec![r]),
            "replay" => replay::row().await.map(|r| vec![r]),
            "skew" => skew::row(set).await.map(|r| vec![r]),
            "fold-in" => exact::row(set).map(|r| vec![r]),
            "held-out" => held_out::row(set).map(|r| vec![r]),
            "quality-generated" => quality::generated::row(set).await.map(|r| vec![r]),
            "archive" => archive::row(set).await.map(|r| vec![r]),
            _ => quality::movielens::row(set).await.map(|r| vec![r]),
        };
        match measured {
            Ok(measured) => {
                for row in &measured {
                    match row {
                        Row::Measured(f) => eprintln!("  {}: {} (bar: {})", f.what, f.measured, f.bar),
                        Row::Skipped { name, reason } => eprintln!("  skipped {name}: {reason}"),
                    }
                }
                rows.extend(measured);
            }
            Err(error) => {
                failed = true;
                eprintln!("  {name} failed: {error:#}");
            }
        }
    }
    println!("{}", markdown(&machine, &rows));
    if let Some(path) = &args.json {
        let all = json!({ "machine": machine, "set": args.set, "rows": rows });
        std::fs::write(path, serde_json::to_vec_pretty(&all)?).with_context(|| path.display().to_string())?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
