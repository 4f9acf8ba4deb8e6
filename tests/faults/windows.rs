//! Processes that end, or are misled, inside each window of a crash: between two steps that belong together. The program
//! carries its fail points only with the feature `faults`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::oracle::{self, Sampler};
use crate::running::Running;
use crate::seed::{Dice, count};
use crate::servers::Servers;
use crate::shop::{Shop, is_up};

/// Where, in which role, and what happens there. Percentages let some of the work through before.
const WINDOWS: &[(&str, &str, &str)] = &[
    ("w3", "stream", "20%1*abort"),
    ("w4-sent", "stream", "20%1*abort"),
    ("w4", "stream", "20%1*abort"),
    ("w5", "stream", "20%1*abort"),
    ("w5-offsets", "stream", "20%1*abort"),
    ("w6", "stream", "20%1*abort"),
    ("w7", "stream", "20%1*abort"),
    ("w11", "stream", "50%1*abort"),
    ("w1", "serve", "10%1*abort"),
    ("w2", "serve", "10%1*abort"),
    ("w12", "serve", "20%1*abort"),
    ("w13-file", "jobs", "50%1*abort"),
    ("w13-row", "jobs", "50%1*abort"),
    ("w13-pointer", "jobs", "50%1*abort"),
    ("w4-lost", "stream", "5%error"),
    ("w4", "stream", "5%error"),
    ("w7", "stream", "5%sleep(1500)"),
    ("w12", "serve", "10%sleep(6000)"),
];
/// Shops at a time: most of them wait for a dead member's session to end.
const LANES: usize = 6;
/// Until a window was met as often as asked for.
const WITHIN: Duration = Duration::from_secs(60);

/// Meets one window `times` times under load. How often each point was met.
async fn meet(servers: Servers, mut dice: Dice, window: (&str, &str, &str), times: usize) -> usize {
    let (point, role, action) = window;
    let mut shop = Shop::open(&servers, 4).await;
    let hits = shop.folder.path().join("hits");
    let met = || std::fs::read_to_string(&hits).unwrap_or_default().lines().count();
    let mut roles: BTreeMap<&str, Running> = BTreeMap::new();
    let mut url = String::new();
    let load = Load::start(&mut dice, 100, "http://127.0.0.1:1");
    for other in ["serve", "stream", "jobs"].into_iter().filter(|other| *other != role) {
        let started = shop.start(other);
        if other == "serve" {
            load.aim(&started.url);
        }
        roles.insert(other, started.process);
    }
    shop.set("FAILPOINTS", format!("{point}={action}"));
    shop.set("FAILPOINTS_HITS", hits.display());
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let began = Instant::now();
    while met() < times {
        shop.set("FAILPOINTS_SEED", dice.below(1 << 32));
        let before = met();
        let mut process = shop.spawn(role);
        if let Some(at) = is_up(&process).filter(|_| role == "serve") {
            url = at;
            load.aim(&url);
        }
        while process.is_running() && met() < times {
            assert!(began.elapsed() < WITHIN * times as u32, "{point} {action}: met {} times", met());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !process.is_running() {
            assert!(before < met(), "{role} ended outside {point}:\n{}", process.err.text());
        }
        process.kill();
    }
    for key in ["FAILPOINTS", "FAILPOINTS_HITS", "FAILPOINTS_SEED"] {
        shop.unset(key);
    }
    let last = shop.start(role);
    if role == "serve" {
        load.aim(&last.url);
    }
    load.answered(Duration::from_secs(30)).await;
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    println!(
        "{point} {action} of {role}, {} times in {:.0?}: {proof}; {looks} looks",
        met(),
        began.elapsed()
    );
    let met = met();
    drop((roles, last, url));
    shop.close().await;
    met
}

async fn windows(name: &str, times: usize) {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of(name);
    // For whoever looks into one of them.
    let only = std::env::var("SHOPTIDE_ONLY").unwrap_or_default();
    let chosen: Vec<_> = WINDOWS.iter().filter(|(point, ..)| point.starts_with(&only)).collect();
    let mut left = chosen.iter();
    let mut lanes = tokio::task::JoinSet::new();
    let mut coverage: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        while lanes.len() < LANES
            && let Some(window) = left.next()
        {
            let (servers, dice, window) = (servers.clone(), dice.fork(), **window);
            lanes.spawn(async move {
                let met = meet(servers, dice, window, times).await;
                (format!("{} {}", window.0, window.2), met)
            });
        }
        let Some(met) = lanes.join_next().await else { break };
        coverage.extend([met.unwrap()]);
    }
    println!("{name}: {} windows, each met and proven: {coverage:?}", coverage.len());
    assert!(coverage.len() == chosen.len() && coverage.values().all(|met| times <= *met));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_window_is_met_and_shows_nowhere() {
    windows("F2", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long: SHOPTIDE_WINDOWS times each, 20 if not said"]
async fn every_window_many_times() {
    windows("F2 long", count("SHOPTIDE_WINDOWS", 20)).await;
}
