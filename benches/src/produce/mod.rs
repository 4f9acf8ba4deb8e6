//! The producer, a process of its own so that it can be held to the same cores as the server and its cost be seen:
//! what `figures` starts itself with. Each mode prints one line of JSON.

mod events;
mod feed;
mod gauges;
mod most;
mod steady;

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use serde_json::Value;
use shoptide_jobs::shop::Shop;

use crate::http::Connection;
use crate::machine::pinned;
use crate::shop::{everything, generated};

pub use gauges::Gauges;

/// What a producer is asked to do.
#[derive(Debug, Clone, clap::Args, serde::Serialize)]
pub struct Ask {
    /// `load`, `most`, `steady` or `feed`.
    #[arg(long)]
    pub mode: String,
    /// `127.0.0.1:8000`
    #[arg(long)]
    pub host: String,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, default_value_t = 5_000)]
    pub users: u64,
    #[arg(long, default_value_t = 600)]
    pub items: u64,
    /// Events of `load`, and the most that `most` may send.
    #[arg(long, default_value_t = 100_000)]
    pub events: u64,
    /// Events of one request.
    #[arg(long, default_value_t = 100)]
    pub batch: usize,
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Events a second of `steady` and `feed`; of `most`, the most that are made ready.
    #[arg(long, default_value_t = 500)]
    pub rate: u64,
    /// Users in the shop at a time; 0: all of them.
    #[arg(long, default_value_t = 0)]
    pub active: u64,
    /// Names the run: no two against one server may share it.
    #[arg(long, default_value = "a")]
    pub run: String,
}

impl Ask {
    pub fn new(mode: &str, host: &str) -> Self {
        Self {
            mode: mode.to_owned(),
            host: host.to_owned(),
            seed: 7,
            users: 5_000,
            items: 600,
            events: 100_000,
            batch: 100,
            connections: 4,
            seconds: 60,
            rate: 500,
            active: 0,
            run: mode.to_owned(),
        }
    }

    /// Runs it in a process of its own.
    ///
    /// # Errors
    /// If it fails or says nothing.
    pub fn run_pinned(&self, cpus: Option<&str>) -> anyhow::Result<Value> {
        let here = std::env::current_exe().context("where this program is")?;
        let (mut command, _) = pinned(Path::new(&here), cpus);
        command.arg("produce");
        if let Value::Object(fields) = serde_json::to_value(self)? {
            for (name, value) in fields {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                command.arg(format!("--{name}={value}"));
            }
        }
        let output = command.stderr(Stdio::inherit()).output().context("the producer")?;
        anyhow::ensure!(output.status.success(), "the producer failed in mode {}", self.mode);
        serde_json::from_slice(&output.stdout).context("the producer's answer")
    }

    /// Runs it here.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses what it is sent.
    pub async fn run(&self) -> anyhow::Result<Value> {
        match self.mode.as_str() {
            "load" => self.load().await,
            "most" => most::run(self).await,
            "steady" => steady::run(self).await,
            "feed" => feed::run(self).await,
            other => anyhow::bail!("no mode {other}: load, most, steady or feed"),
        }
    }

    fn shop(&self, events: u64) -> anyhow::Result<Shop> {
        generated(self.seed, self.users, self.items, events)
    }

    /// Sends a whole shop, and waits until it is folded and a model is there.
    async fn load(&self) -> anyhow::Result<Value> {
        let shop = self.shop(self.events)?;
        let mut sink = shoptide_jobs::import::CollectorSink::new(&format!("http://{}", self.host), None)?;
        let accepted = crate::shop::send(&mut sink, everything(&shop)).await?;
        let mut connection = Connection::open(&self.host).await?;
        gauges::settled(&mut connection).await?;
        Ok(serde_json::json!({ "accepted": accepted }))
    }
}

/// Processor time of this process.
fn own_cpu_s() -> f64 {
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_S
}
