//! `deploy/services run -- cargo run --release -p shoptide-benches --bin services`: the program on Kafka, MariaDB and Redis, all on
//! the same two cores, beside what these servers give to a client that does nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::json;
use shoptide_benches::figure::{Row, markdown};
use shoptide_benches::machine::{Machine, load};
use shoptide_benches::produce::Ask;
use shoptide_benches::server::build_shoptide;
use shoptide_benches::services::{self, Services};

/// The rows, in the order of the table.
const NAMES: [&str; 8] =
    ["redis-bytes", "bare", "sustained", "coalesced", "reads", "catch-up", "memory", "overload"];
/// What stands in for the sustained maximum where it was not measured in this run.
const MOST_PER_S: f64 = 5_000.0;

/// Measures Shoptide on real services.
#[derive(Debug, Parser)]
struct Args {
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of the sustained run; the others take a share of it.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
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
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(Part::Produce(ask)) = &args.part {
        println!("{}", ask.run().await?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = args.only.iter().find(|n| !NAMES.contains(&n.as_str())) {
        eprintln!("services: {unknown} is no row; expected one of {}", NAMES.join(", "));
        return Ok(ExitCode::from(2));
    }
    let (machine, servers, shoptide) = (Machine::here(), Services::from_env()?, build_shoptide()?);
    let pinned = servers.pin();
    let (mut rows, mut failed, mut slowest, mut most) = (Vec::new(), false, f64::NAN, MOST_PER_S);
    for name in NAMES.into_iter().filter(|n| args.only.is_empty() || args.only.iter().any(|o| o == n)) {
        eprintln!("measuring {name} (load {:.1}) ...", load());
        let short = (args.seconds / 20).clamp(5, 30);
        let measured = match name {
            "bare" => services::bare(&servers, &shoptide, pinned, short).await.map(|(rows, least)| {
                slowest = least;
                rows
            }),
            "sustained" => {
                services::sustained(&servers, &shoptide, pinned, args.seconds).map(|(rows, rate)| {
                    most = rate;
                    rows
                })
            }
            "coalesced" => services::coalesced(&servers, &shoptide, pinned, args.seconds / 5, slowest)
                .map(|row| vec![row]),
            "reads" => services::reads(&servers, &shoptide, pinned).map(|row| vec![row]),
            "catch-up" => services::catch_up(&servers, &shoptide, pinned, most).await.map(|row| vec![row]),
            "memory" => {
                services::memory(&servers, &shoptide, pinned, args.seconds, most).await.map(|row| vec![row])
            }
            "overload" => services::overload(&servers, &shoptide, pinned, short, most).map(|row| vec![row]),
            _ => services::redis_bytes(&servers).await.map(|row| vec![row]),
        };
        match measured {
            Ok(measured) => {
                for row in &measured {
                    if let Row::Measured(f) = row {
                        eprintln!("  {}: {} (bar: {})", f.what, f.measured, f.bar);
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
        let text = serde_json::to_vec_pretty(&json!({ "machine": machine, "rows": rows }))?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
