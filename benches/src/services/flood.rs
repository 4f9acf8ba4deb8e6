//! Three times more than the path takes: what is refused, what is kept, and what it costs in memory.

use std::path::Path;

use serde_json::json;

use super::{Services, Shop, ask, held, produce};
use crate::figure::{Figure, Row};
use crate::produce::Ask;
use crate::rows::sustained::number;

const TIMES: f64 = 3.0;
const RSS_MAX_MIB: f64 = 768.0;

/// `most`: the sustained maximum, events a second.
///
/// # Errors
/// If servers or producer fail.
pub fn rows(
    services: &Services,
    shoptide: &Path,
    pinned: bool,
    seconds: u64,
    most: f64,
) -> anyhow::Result<Row> {
    let shop = Shop::new(services, shoptide, "flood")?;
    let server = shop.start("up", &[])?;
    let rate = (most * TIMES) as u64;
    let ask = Ask { seconds, rate, connections: 64, ..ask("feed", &server.host, "flood") };
    let fed = produce(&ask)?;
    let rss = server.peak_rss_mib();
    let (accepted, refused, folded) =
        (number(&fed, "accepted"), number(&fed, "refused_requests"), number(&fed, "folded"));
    Ok(Row::Measured(Figure {
        what: "overload, three times the sustained maximum".to_owned(),
        measured: format!(
            "{accepted:.0} events accepted, **{folded:.0}** of them folded; {refused:.0} requests got 429 or 503; peak RSS {rss:.0} MiB"
        ),
        bar: "429 or 503, nothing accepted is lost, RSS within its cap (768 MiB)".to_owned(),
        met: Some(accepted == folded && rss <= RSS_MAX_MIB),
        reference: String::new(),
        how: format!(
            "{}; {seconds} s at {:.0} events/s in batches of 100 on 64 connections, then until everything is folded",
            held(pinned),
            most * TIMES
        ),
        values: json!({ "fed": fed, "peak_rss_mib": rss }),
    }))
}
