//! A stored list read over HTTP on the loopback: latency on one connection, throughput with `wrk`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use crate::figure::{Figure, Row};
use crate::http::Connection;
use crate::machine::{TWO_CORES, cores, pinned};
use crate::produce::Ask;
use crate::server::Server;
use crate::shop::generated;
use crate::spread::Spread;

const READS: usize = 20_000;
const WARM_UP: usize = 2_000;
const WRK_S: u64 = 10;
const WRK_CONNECTIONS: usize = 64;
const USERS: u64 = 1_000;
const BAR_P50_MS: f64 = 0.3;
const BAR_PER_S: f64 = 20_000.0;

/// # Errors
/// If the server fails.
pub async fn row(shoptide: &Path, set: &[String]) -> anyhow::Result<Row> {
    let server = Server::start(shoptide, Some(TWO_CORES), set)?;
    let load = Ask { users: USERS, events: 50_000, ..Ask::new("load", &server.host) };
    load.run_pinned(Some(TWO_CORES))?;
    let shop = generated(load.seed, USERS, load.items, 1)?;
    let paths: Vec<String> =
        (0..USERS).map(|u| format!("/v1/users/{}/recommendations", shop.user_id(u))).collect();
    let latency = one_connection(&server.host, &paths).await?;
    let script = script(&paths)?;
    let both = match wrk(&server.host, script.path(), Some(TWO_CORES)) {
        Some(said) => Throughput { per_s: said, client: "wrk -t2".to_owned() },
        None => Throughput {
            per_s: own(&server.host, &paths).await?,
            client: "own keep-alive client, for want of wrk".to_owned(),
        },
    };
    let apart = if 4 <= cores() { wrk(&server.host, script.path(), Some("2,3")) } else { None };
    let beside = apart.map_or(String::new(), |n| format!("; {n:.0}/s with the client on two other cores"));
    Ok(Row::Measured(Figure {
        what: "cached list over HTTP, loopback".to_owned(),
        measured: format!(
            "1 connection: p50 **{:.3} ms**, p99 {:.3} ms; **{:.0}/s** with client and server on the same 2 cores{beside}",
            latency.median(),
            latency.p99(),
            both.per_s
        ),
        bar: "p50 <= 0.3 ms; 2 cores with wrk >= 20,000/s".to_owned(),
        met: Some(latency.median() <= BAR_P50_MS && BAR_PER_S <= both.per_s),
        reference: String::new(),
        how: format!(
            "`GET /v1/users/ID/recommendations` (10 places with titles) of {USERS} users in turn, hard rules applied at each read; \
             latency: {READS} reads by the own keep-alive client after {WARM_UP}; throughput: {}, {WRK_CONNECTIONS} connections, \
             {WRK_S} s; taskset {}",
            both.client,
            if server.pinned { TWO_CORES } else { "is missing, NOT pinned" }
        ),
        values: json!({ "p50_ms": latency.median(), "p99_ms": latency.p99(), "per_s": both.per_s, "per_s_client_apart": apart,
            "client": both.client }),
    }))
}

struct Throughput {
    per_s: f64,
    client: String,
}

async fn one_connection(host: &str, paths: &[String]) -> anyhow::Result<Spread> {
    let mut connection = Connection::open(host).await?;
    let mut waits = Vec::with_capacity(READS);
    for (n, path) in paths.iter().cycle().take(WARM_UP + READS).enumerate() {
        let began = Instant::now();
        let (status, body) = connection.get(path).await?;
        anyhow::ensure!(status == 200, "{path} answered {status}");
        if WARM_UP <= n {
            waits.push(began.elapsed().as_secs_f64() * 1_000.0);
        } else {
            let personal = body.windows(22).any(|w| w == b"\"made_from\":\"personal\"");
            anyhow::ensure!(personal || USERS as usize <= n, "{path} is no list of the user's own");
        }
    }
    Ok(Spread::new(waits))
}

/// Asks for each path in turn.
fn script(paths: &[String]) -> anyhow::Result<tempfile::NamedTempFile> {
    let script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    let quoted: Vec<String> = paths.iter().map(|p| format!("\"{p}\"")).collect();
    let text = format!(
        "local paths = {{{}}}\nlocal n = 0\nrequest = function()\n  n = n % #paths + 1\n  return wrk.format(\"GET\", paths[n])\nend\n",
        quoted.join(",")
    );
    std::fs::write(script.path(), text).context("the script for wrk")?;
    Ok(script)
}

/// Requests a second; none if wrk is missing or fails.
fn wrk(host: &str, script: &Path, cpus: Option<&str>) -> Option<f64> {
    Command::new("wrk").arg("-v").output().ok()?;
    let (mut command, _) = pinned(Path::new("wrk"), cpus);
    command.args(["-t2", &format!("-c{WRK_CONNECTIONS}"), &format!("-d{WRK_S}s"), "-s"]).arg(script);
    let output = command.arg(format!("http://{host}")).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("Non-2xx") {
        return None;
    }
    said.lines().find_map(|l| l.trim().strip_prefix("Requests/sec:")?.trim().parse().ok())
}

async fn own(host: &str, paths: &[String]) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WRK_CONNECTIONS {
        let (mut connection, paths) = (Connection::open(host).await?, paths.to_vec());
        workers.spawn(async move {
            let mut n = 0_u64;
            for path in paths.iter().cycle().skip(worker) {
                if Duration::from_secs(WRK_S) <= began.elapsed() {
                    break;
                }
                connection.get(path).await?;
                n += 1;
            }
            Ok::<u64, anyhow::Error>(n)
        });
    }
    let mut sum = 0;
    while let Some(n) = workers.join_next().await {
        sum += n??;
    }
    Ok(sum as f64 / began.elapsed().as_secs_f64())
}
