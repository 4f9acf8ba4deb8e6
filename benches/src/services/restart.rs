//! A stream process that was away, and how fast it comes back to the present while events go on.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Services, Shop, ask, held, produce};
use crate::figure::{Figure, Row};
use crate::http::Connection;
use crate::produce::{Ask, Gauges};

/// How long nobody folds.
const AWAY: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const GIVE_UP: Duration = Duration::from_secs(600);
/// Of the sustained maximum: more could not be caught up at three times of it.
const LIVE_SHARE: f64 = 0.25;
const BAR: f64 = 3.0;
/// Events before anything is measured.
const FIRST_EVENTS: u64 = 400_000;

/// Waits until hardly anything is left to fold; `records` of before.
pub(super) async fn present(connection: &mut Connection, records: f64) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < GIVE_UP {
        let now = Gauges::read(connection).await?;
        if records < now.records && now.lag == 0.0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    anyhow::bail!("the stream does not come to the present")
}

/// `most`: the sustained maximum, events a second.
///
/// # Errors
/// If servers or producer fail.
pub async fn row(services: &Services, shoptide: &Path, pinned: bool, most: f64) -> anyhow::Result<Row> {
    let shop = Shop::new(services, shoptide, "restart")?;
    let (serve, _jobs) = (shop.start("serve", &[])?, shop.start("jobs", &[])?);
    let ask = |mode: &str, run: &str| Ask { batch: 100, ..ask(mode, &serve.host, run) };
    let stream = shop.start("stream", &[])?;
    let live = (most * LIVE_SHARE) as u64;
    let feed = |seconds: u64, rate: u64, run: &str| {
        let ask = Ask { seconds, rate, connections: 4, ..ask("feed", run) };
        std::thread::spawn(move || produce(&ask))
    };
    let joined = |feed: std::thread::JoinHandle<anyhow::Result<serde_json::Value>>| {
        feed.join().map_err(|_| anyhow::anyhow!("the producer panicked"))?
    };
    // So that nearly every user has state and a list before anything is measured.
    produce(&Ask { events: FIRST_EVENTS, ..ask("load", "load") })?;
    present(&mut Connection::open(&stream.host).await?, 0.0).await?;
    drop(stream);
    joined(feed(AWAY.as_secs(), live, "away"))?;
    // Events go on while it catches up.
    let going_on = feed(3 * AWAY.as_secs(), live, "after");
    let stream = shop.start("stream", &[])?;
    let mut connection = Connection::open(&stream.host).await?;
    let began = Instant::now();
    let (mut first, mut last) = (None, Gauges::default());
    while began.elapsed() < GIVE_UP {
        last = Gauges::read(&mut connection).await?;
        if first.is_none() && 0.0 < last.records {
            first = Some((Instant::now(), last.records));
        }
        if first.is_some() && last.lag < live as f64 / 10.0 {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let (since, before) = first.unwrap_or((began, 0.0));
    let took = began.elapsed().as_secs_f64();
    let rate = (last.records - before) / since.elapsed().as_secs_f64();
    joined(going_on)?;
    let times = rate / live as f64;
    let rss = stream.peak_rss_mib();
    Ok(Row::Measured(Figure {
        what: format!("catch-up after {} s without a stream process", AWAY.as_secs()),
        measured: format!(
            "**{times:.1}x** the live rate ({rate:.0} of {live} events/s), at the present after {took:.1} s; {rss:.0} MiB at its peak"
        ),
        bar: ">= 3x the live rate".to_owned(),
        met: Some(BAR <= times),
        reference: String::new(),
        how: format!(
            "{}; serve, stream and jobs apart, {live} events/s all the time, a quarter of the sustained maximum",
            held(pinned)
        ),
        values: json!({ "times": times, "per_s": rate, "live_per_s": live, "seconds": took, "peak_rss_mib": rss }),
    }))
}
