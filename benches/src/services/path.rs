//! The whole path, collector to Kafka to MariaDB and Redis: as much as goes through, and how fresh lists are under it.

use serde_json::{Value, json};

use super::{ITEMS, Services, Shop, USERS, ask, held, produce};
use crate::figure::{Figure, Row};
use crate::produce::Ask;
use crate::rows::sustained::number;

const BAR_PER_S: f64 = 5_000.0;
const COALESCED_BAR_PER_S: f64 = 10_000.0;
/// Time between two lists of a user when they are coalesced.
const COALESCED_MS: u64 = 500;
const AGE_MAX_S: f64 = 2.0;
const STEADY_PER_S: u64 = 1_000;
/// Of so many users one is busy where lists are coalesced.
const BUSY: u64 = 100;
/// Events made ready before the clock starts: more than the path takes; a run that runs out ends early and says so.
const READY_PER_S: u64 = 12_000;
/// Events that fill the shop before anything is measured: every user has a list.
const FIRST_EVENTS: u64 = 400_000;

/// Sustained load, memory, freshness and 16 clients at once. Returned too: events a second.
///
/// # Errors
/// If servers or producer fail.
pub fn sustained(
    services: &Services,
    shoptide: &std::path::Path,
    pinned: bool,
    seconds: u64,
) -> anyhow::Result<(Vec<Row>, f64)> {
    let shop = Shop::new(services, shoptide, "sustained")?;
    let server = shop.start("up", &[])?;
    produce(&Ask { events: FIRST_EVENTS, ..ask("load", &server.host, "load") })?;
    let cpu = server.cpu_s();
    let most = produce(&Ask { seconds, rate: READY_PER_S, ..ask("most", &server.host, "most") })?;
    let cpu = (server.cpu_s() - cpu) / (number(&most, "seconds") + 5.0);
    let (rate, rss) = (number(&most, "events_per_s"), server.peak_rss_mib());
    let (early, late) = (number(&most, "lag_first_third"), number(&most, "lag_last_third"));
    let flat = late < early + rate / 10.0;
    let shorter = (seconds / 6).clamp(10, 60);
    let many = produce(&Ask {
        seconds: shorter,
        rate: READY_PER_S,
        connections: 16,
        ..ask("most", &server.host, "sixteen")
    })?;
    let steady = |rate: u64, batch: usize, run: &str| {
        produce(&Ask { seconds: shorter, batch, connections: 8, rate, ..ask("steady", &server.host, run) })
    };
    let slow = steady(STEADY_PER_S, 10, "slow")?;
    let half = steady((rate / 2.0) as u64, 100, "half")?;
    let place = held(pinned);
    let rows = vec![
        Figure {
            what: "sustained, collector -> Kafka -> MariaDB + Redis, list remade at each event".to_owned(),
            measured: format!(
                "**{rate:.0} events/s**, {:.2} lists an event; lag {early:.0} -> {late:.0} records, {}",
                number(&most, "lists_per_event"),
                if flat { "flat" } else { "GROWING" }
            ),
            bar: ">= 5,000 events/s, lag flat; reach for 10,000".to_owned(),
            met: Some(BAR_PER_S <= rate && flat),
            reference: String::new(),
            how: format!(
                "{place}; {seconds} s after a warm-up of 5 s, {USERS} users drawn at random for each event, {ITEMS} items, {FIRST_EVENTS} \
                 events before; batches of 100 on 4 connections that hold back while over 4,000 records wait; trainer on ({:.0} \
                 versions meanwhile); the program took {cpu:.2} of the 2 cores",
                number(&most, "models")
            ),
            values: most.clone(),
        },
        Figure {
            what: "resident memory of the process, all roles in it, after that run".to_owned(),
            measured: format!("peak **{rss:.0} MiB**"),
            bar: "none; that of a stream process alone is below".to_owned(),
            met: None,
            reference: String::new(),
            how: "VmHWM of /proc".to_owned(),
            values: json!({ "peak_rss_mib": rss }),
        },
        Figure {
            what: "16 clients posting batches at once".to_owned(),
            measured: format!(
                "{:.0} events/s, **{:.0}** refused requests, {:.0} dead letters, no error",
                number(&many, "events_per_s"),
                number(&many, "refused_requests"),
                number(&many, "dead")
            ),
            bar: "0 errors".to_owned(),
            met: Some(number(&many, "refused_requests") == 0.0 && number(&many, "dead") == 0.0),
            reference: "Gorse 0.5 answers such inserts with deadlock errors (1213)".to_owned(),
            how: format!("{shorter} s, batches of 100; an answer that is none of 200, 429, 503 ends the run"),
            values: many,
        },
        freshness(&slow, &half, shorter),
    ];
    Ok((rows.into_iter().map(Row::Measured).collect(), rate))
}

fn freshness(slow: &Value, half: &Value, seconds: u64) -> Figure {
    let p99 = |v: &Value| number(v, "p99_ms");
    let say = |v: &Value| {
        format!(
            "{:.1} / **{:.1} ms** at {:.0} events/s",
            number(v, "p50_ms"),
            p99(v),
            number(v, "events_per_s")
        )
    };
    Figure {
        what: "freshness p50 / p99, collector's 2xx until the list with the event is read from Redis"
            .to_owned(),
        measured: format!("{}; {}", say(slow), say(half)),
        bar: "p99 <= 100 ms at 1,000 events/s, <= 500 ms at half the sustained maximum".to_owned(),
        met: Some(p99(slow) <= 100.0 && p99(half) <= 500.0),
        reference: String::new(),
        how: format!(
            "{seconds} s each; 50 single events a second followed over HTTP, looking every ms ({} and {}); the rest in batches of 10 \
             and of 100",
            number(slow, "followed"),
            number(half, "followed")
        ),
        values: json!({ "at_1000": slow, "at_half": half }),
    }
}

/// The same with lists of busy users coalesced. `slowest`: of the bare limits, events a second.
///
/// # Errors
/// If servers or producer fail.
pub fn coalesced(
    services: &Services,
    shoptide: &std::path::Path,
    pinned: bool,
    seconds: u64,
    slowest: f64,
) -> anyhow::Result<Row> {
    let shop = Shop::new(services, shoptide, "coalesced")?;
    let server = shop.start("up", &[format!("stream.list_every_ms={COALESCED_MS}")])?;
    produce(&Ask { events: FIRST_EVENTS, ..ask("load", &server.host, "load") })?;
    // One user in a hundred is in the shop at a time: of 200,000 drawn at random hardly anybody would come twice within a second.
    let busy = |mode: &str, run: &str| Ask { active: USERS / BUSY, ..ask(mode, &server.host, run) };
    let most = produce(&Ask { seconds, batch: 500, rate: 3 * READY_PER_S, ..busy("most", "most") })?;
    let rate = number(&most, "events_per_s");
    let shorter = (seconds / 3).clamp(10, 60);
    let under = produce(&Ask {
        seconds: shorter,
        batch: 500,
        connections: 8,
        rate: COALESCED_BAR_PER_S as u64,
        ..busy("steady", "age")
    })?;
    let age = number(&under, "p99_ms") / 1_000.0;
    Ok(Row::Measured(Figure {
        what: format!("the same, at most one list a user in {COALESCED_MS} ms, state at each event"),
        measured: format!(
            "**{rate:.0} events/s** ({:.2} of the slowest bare limit), {:.2} lists an event; list age p50 / p99 {:.0} / **{:.0} ms** at 10,000 events/s",
            rate / slowest,
            number(&most, "lists_per_event"),
            number(&under, "p50_ms"),
            number(&under, "p99_ms")
        ),
        bar: ">= 10,000 events/s with list age p99 <= 2 s; reach for 20,000 and >= 0.4 of the slowest bare limit".to_owned(),
        met: Some(COALESCED_BAR_PER_S <= rate && age <= AGE_MAX_S),
        reference: format!("slowest bare limit {slowest:.0}/s"),
        how: format!("{}; {seconds} s, {USERS} users with lists, {} of them at a time, each for some 20 events, then the next; batches of 500 on 4 connections; age: events followed until \
             their list is read, {shorter} s", held(pinned), USERS / BUSY),
        values: json!({ "most": most, "under": under }),
    }))
}
