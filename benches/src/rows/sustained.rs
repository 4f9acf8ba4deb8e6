//! The embedded path end to end: HTTP collector, log, fold, a list for every user that an event touched, store, cache;
//! server and producer are two processes on the same two cores.

use std::path::Path;

use serde_json::{Value, json};

use crate::figure::{Figure, Row};
use crate::machine::TWO_CORES;
use crate::produce::Ask;
use crate::server::Server;

/// Each bar, and what to reach for.
const BAR_PER_S: f64 = 5_000.0;
/// Events made ready before the clock starts: more than the path takes.
const READY_PER_S: u64 = 20_000;
const STEADY_PER_S: u64 = 500;
/// Connections that send single events: each waits for the disk, so many must wait at once.
const SINGLES: usize = 64;

/// # Errors
/// If server or producer fail.
pub fn rows(shoptide: &Path, set: &[String], seconds: u64) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(shoptide, Some(TWO_CORES), set)?;
    let ask = |mode: &str, run: &str| Ask { run: run.to_owned(), ..Ask::new(mode, &server.host) };
    let shared = ask("load", "load");
    shared.run_pinned(Some(TWO_CORES))?;
    let cpu = server.cpu_s();
    let most = Ask { seconds, rate: READY_PER_S, ..ask("most", "most") }.run_pinned(Some(TWO_CORES))?;
    let cpu = server.cpu_s() - cpu;
    let shorter = (seconds / 3).max(5);
    let single =
        Ask { seconds: shorter, rate: READY_PER_S, batch: 1, connections: SINGLES, ..ask("most", "single") }
            .run_pinned(Some(TWO_CORES))?;
    let slow =
        Ask { seconds: shorter, batch: 1, connections: 8, rate: STEADY_PER_S, ..ask("steady", "slow") }
            .run_pinned(Some(TWO_CORES))?;
    let rate = number(&most, "events_per_s");
    let half = Ask { seconds: shorter, rate: (rate / 2.0) as u64, ..ask("steady", "half") }
        .run_pinned(Some(TWO_CORES))?;
    let held = if server.pinned {
        "one process each, both held to the same 2 cores by taskset"
    } else {
        "NOT pinned: no taskset"
    };
    let rss = server.peak_rss_mib();
    let (early, late) = (number(&most, "lag_first_third"), number(&most, "lag_last_third"));
    // Flat: not growing by more than a tenth of a second of events.
    let flat = late < early + rate / 10.0;
    let sustained = Figure {
        what: "embedded, full path collector -> list remade per event, sustained on 2 cores".to_owned(),
        measured: format!(
            "**{rate:.0} events/s** in batches of 100 ({:.0} in batches of 1); {:.2} lists made an event; lag {early:.0} -> {late:.0} \
             records, {}",
            number(&single, "events_per_s"),
            number(&most, "lists_per_event"),
            if flat { "flat" } else { "GROWING" }
        ),
        bar: ">= 5,000 events/s, reach for 10,000".to_owned(),
        met: Some(BAR_PER_S <= rate && flat),
        reference: String::new(),
        how: format!(
            "server and producer: {held}; {} s after a warm-up of 5 s, 4 connections ({SINGLES} for batches of 1) that hold back while over \
             4,000 records wait; {} users, {} items, users drawn at random for each event, {} events before, seed {}; fsync on, \
             trainer on ({:.0} model versions meanwhile); events of one user in one commit share a list; the producer took {:.2} \
             of the 2 cores, the server {:.2}; server's peak RSS {rss:.0} MB",
            number(&most, "seconds") as u64,
            shared.users,
            shared.items,
            shared.events,
            shared.seed,
            number(&most, "models"),
            number(&most, "producer_cores"),
            cpu / (number(&most, "seconds") + 5.0)
        ),
        values: json!({ "batch_100": most, "batch_1": single, "peak_rss_mb": rss }),
    };
    let p99 = |v: &Value| number(v, "p99_ms");
    let say = |v: &Value| {
        format!(
            "{:.1} / **{:.1} ms** at {:.0} events/s",
            number(v, "p50_ms"),
            p99(v),
            number(v, "events_per_s")
        )
    };
    let freshness = Figure {
        what: "freshness p50 / p99, collector's 2xx until the list containing the event is read".to_owned(),
        measured: format!("{}; {}", say(&slow), say(&half)),
        bar: "p99 <= 100 ms at 500 events/s, <= 500 ms at half the measured maximum".to_owned(),
        met: Some(p99(&slow) <= 100.0 && p99(&half) <= 500.0),
        reference: String::new(),
        how: format!(
            "same server, {shorter} s each, 50 single events a second followed by looking every ms ({} and {} of them); the rest in \
             batches of 1 at {STEADY_PER_S}/s and of 100 at half; lists an event {:.2} and {:.2}",
            number(&slow, "followed"),
            number(&half, "followed"),
            number(&slow, "lists_per_event"),
            number(&half, "lists_per_event")
        ),
        values: json!({ "at_500": slow, "at_half": half }),
    };
    Ok(vec![Row::Measured(sustained), Row::Measured(freshness)])
}

pub(crate) fn number(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}
