//! A stored list over HTTP with Redis behind it, beside Redis' own GET.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Services, Shop, held, produce};
use crate::figure::{Figure, Row};
use crate::http::Connection;
use crate::machine::beside;
use crate::produce::Ask;
use crate::shop::generated;
use crate::spread::Spread;

const USERS: u64 = 1_000;
const READS: usize = 20_000;
const TIME: Duration = Duration::from_secs(10);
const MANY: usize = 16;
/// Gorse 0.5 on a machine of two cores: on one connection, and on 16.
const GORSE_PER_S: (f64, f64) = (785.0, 1_414.0);
const P50_MAX_MS: f64 = 0.2;

/// # Errors
/// If a server fails.
pub fn row(services: &Services, shoptide: &Path, pinned: bool) -> anyhow::Result<Row> {
    let shop = Shop::new(services, shoptide, "reads")?;
    let server = shop.start("up", &[])?;
    let load = Ask { users: USERS, events: 50_000, ..Ask::new("load", &server.host) };
    produce(&load)?;
    let users = generated(load.seed, USERS, load.items, 1)?;
    let paths: Vec<String> =
        (0..USERS).map(|u| format!("/v1/users/{}/recommendations", users.user_id(u))).collect();
    let waits = beside(|| one_by_one(&server.host, &paths))?;
    let one = 1_000.0 / waits.mean();
    let many = beside(|| http(&server.host, &paths))?;
    let raw = beside(|| raw(&services.redis, &shop.name, &users, USERS))?;
    let (first, second) = (one / GORSE_PER_S.0, many / GORSE_PER_S.1);
    Ok(Row::Measured(Figure {
        what: "cached list over HTTP, Redis behind it".to_owned(),
        measured: format!(
            "1 connection: p50 **{:.3} ms**, p99 {:.3} ms, {one:.0}/s; {MANY} connections: **{many:.0}/s**, {:.2} of raw Redis GET ({raw:.0}/s)",
            waits.median(),
            waits.p99(),
            many / raw
        ),
        bar: ">= 10x Gorse's rates, reach for 20x; p50 <= 0.2 ms; >= 0.6 of raw GET".to_owned(),
        met: Some(10.0 <= first && 10.0 <= second && waits.median() <= P50_MAX_MS && 0.6 <= many / raw),
        reference: format!(
            "Gorse 0.5: p50 1.08 ms, 785/s on one connection, 1,414/s on 16: {first:.0}x and {second:.0}x"
        ),
        how: format!(
            "{}; {USERS} users in turn, 10 places with titles, hard rules applied at each read; {READS} reads by the own keep-alive \
             client, then {} s; after the first round lists are held near (redis.near_mib); raw: {MANY} connections, one GET at a time, the same keys",
            held(pinned),
            TIME.as_secs()
        ),
        values: json!({ "p50_ms": waits.median(), "p99_ms": waits.p99(), "per_s_16": many, "raw_get_per_s_16": raw }),
    }))
}

async fn one_by_one(host: &str, paths: &[String]) -> anyhow::Result<Spread> {
    let mut connection = Connection::open(host).await?;
    let mut waits = Vec::with_capacity(READS);
    for path in paths.iter().cycle().take(USERS as usize + READS) {
        let began = Instant::now();
        let (status, _) = connection.get(path).await?;
        anyhow::ensure!(status == 200, "{path} answered {status}");
        waits.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(Spread::new(waits.split_off(USERS as usize)))
}

async fn http(host: &str, paths: &[String]) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..MANY {
        let (mut connection, paths) = (Connection::open(host).await?, paths.to_vec());
        workers.spawn(async move {
            let mut n = 0_u64;
            for path in paths.iter().cycle().skip(worker * 61) {
                if TIME <= began.elapsed() {
                    break;
                }
                connection.get(path).await?;
                n += 1;
            }
            Ok::<u64, anyhow::Error>(n)
        });
    }
    per_s(workers, began).await
}

async fn raw(url: &str, prefix: &str, users: &shoptide_jobs::shop::Shop, n: u64) -> anyhow::Result<f64> {
    let keys: Vec<Vec<u8>> = (0..n)
        .map(|user| {
            let id = users.user_id(user).to_string();
            let shard = shoptide_schemas::partition::partition_of(id.as_bytes(), super::PARTITIONS);
            format!("{prefix}:{shard}:{id}").into_bytes()
        })
        .collect();
    let client = redis::Client::open(url)?;
    let found: Option<Vec<u8>> = redis::cmd("GET")
        .arg(keys.first())
        .query_async(&mut client.get_multiplexed_async_connection().await?)
        .await?;
    anyhow::ensure!(found.is_some(), "no list of the first user in Redis");
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..MANY {
        let (mut connection, keys) = (client.get_multiplexed_async_connection().await?, keys.clone());
        workers.spawn(async move {
            let mut gets = 0_u64;
            for key in keys.iter().cycle().skip(worker * 61) {
                if TIME <= began.elapsed() {
                    break;
                }
                let _: Option<Vec<u8>> = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
                gets += 1;
            }
            Ok::<u64, anyhow::Error>(gets)
        });
    }
    per_s(workers, began).await
}

async fn per_s(
    mut workers: tokio::task::JoinSet<anyhow::Result<u64>>,
    began: Instant,
) -> anyhow::Result<f64> {
    let mut sum = 0;
    while let Some(n) = workers.join_next().await {
        sum += n??;
    }
    Ok(sum as f64 / began.elapsed().as_secs_f64())
}
