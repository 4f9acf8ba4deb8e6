//! Memory of one stream process that has all users, once their histories no longer fit.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::restart::present;
use super::{Services, Shop, USERS, ask, held, produce};
use crate::figure::{Figure, Row};
use crate::http::Connection;
use crate::produce::{Ask, Gauges};
use crate::spread::Spread;

/// Events before memory is watched: histories of 20 events a user are more than the packed users may take.
const FIRST_EVENTS: u64 = 4_000_000;
/// Of the sustained maximum: nothing waits.
const BUSY_SHARE: f64 = 0.75;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RSS_MAX_MIB: f64 = 512.0;
/// A twentieth more is what an allocator does.
const FLAT: f64 = 1.05;

/// Waits until nothing is left to fold. Returns the records folded so far, more than `before`.
async fn folded(host: &str, before: f64) -> anyhow::Result<f64> {
    let mut connection = Connection::open(host).await?;
    present(&mut connection, before).await?;
    Ok(Gauges::read(&mut connection).await?.records)
}

/// `most`: the sustained maximum, events a second.
///
/// # Errors
/// If servers or producer fail.
pub async fn row(
    services: &Services,
    shoptide: &Path,
    pinned: bool,
    seconds: u64,
    most: f64,
) -> anyhow::Result<Row> {
    let shop = Shop::new(services, shoptide, "memory")?;
    let (serve, _jobs) = (shop.start("serve", &[])?, shop.start("jobs", &[])?);
    let stream = shop.start("stream", &[])?;
    let ask = Ask { batch: 100, ..ask("load", &serve.host, "load") };
    produce(&Ask { events: FIRST_EVENTS, ..ask.clone() })?;
    let before = folded(&stream.host, 0.0).await?;
    let rate = (most * BUSY_SHARE) as u64;
    let ask = Ask { mode: "feed".to_owned(), seconds, rate, connections: 4, run: "busy".to_owned(), ..ask };
    let feed = std::thread::spawn(move || produce(&ask));
    let (began, mut seen) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        seen.push(stream.rss_mib());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    feed.join().map_err(|_| anyhow::anyhow!("the producer panicked"))??;
    let after = folded(&stream.host, before).await?;
    let third = |n: usize| {
        let (from, to) = (seen.len() * n / 3, seen.len() * (n + 1) / 3);
        Spread::new(seen.get(from..to).unwrap_or_default().to_vec()).median()
    };
    let (early, late, peak) = (third(0), third(2), stream.peak_rss_mib());
    let folded = after - before;
    Ok(Row::Measured(Figure {
        what: "resident memory of a stream process".to_owned(),
        measured: format!(
            "**{late:.0} MiB** over the last third of the run, {early:.0} MiB over its first; peak {peak:.0} MiB, loading included; {folded:.0} events folded meanwhile, lag 0 at the end"
        ),
        bar: "<= 512 MiB at 200,000 users, flat over the run".to_owned(),
        met: Some(peak <= RSS_MAX_MIB && late <= early * FLAT),
        reference: String::new(),
        how: format!(
            "{}; VmRSS every second, medians, and VmHWM of /proc; {seconds} s at {rate} events/s after {FIRST_EVENTS} events of {USERS} users; four shards of up to 50,000 users",
            held(pinned)
        ),
        values: json!({ "peak_rss_mib": peak, "early_mib": early, "late_mib": late, "folded": folded, "seen_mib": seen }),
    }))
}
