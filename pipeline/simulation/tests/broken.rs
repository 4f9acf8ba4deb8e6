//! Each protection broken on purpose, one at a time: the simulation must notice, or it would not notice a mistake either.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use shoptide_faults::Break;
use shoptide_simulation::Lab;

/// Seeds tried for each; the rarest took 16.
const SEEDS_MAX: u64 = 600;
/// Broken by the store's own suites: two need a real server; behind the test of the epoch that of the offsets is never alone in
/// what it refuses here; and what a late reader brings back is mostly removed once more before a run ends.
const ELSEWHERE: [Break; 4] =
    [Break::TransactionOfCaller, Break::KeepHalf, Break::NoOffsetTest, Break::NoGraves];

/// Which seed noticed first, and what it said.
fn noticed(lab: &Lab, broken: Break) -> Option<(u64, String)> {
    (1..=SEEDS_MAX).find_map(|seed| {
        let outcome = lab.run(seed, Some(broken), false);
        Some((seed, outcome.violations.into_iter().next()?))
    })
}

#[test]
fn every_broken_protection_is_noticed() {
    let only = std::env::var("FAILPOINTS_BREAK").ok();
    let wanted = |which: &&Break| {
        !ELSEWHERE.contains(which) && only.as_deref().is_none_or(|name| name == which.name())
    };
    let breaks: Vec<Break> = Break::ALL.iter().filter(wanted).copied().collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let lab = Lab::new();
                while let Some(which) = breaks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let first = noticed(&lab, *which);
                    found.lock().unwrap().insert(*which, first);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    println!("| broken | how | noticed at seed | by |\n|---|---|---|---|");
    for (which, first) in &found {
        let (seed, by) = match first {
            Some((seed, by)) => (seed.to_string(), by.lines().next().unwrap_or_default()),
            None => ("never".to_owned(), ""),
        };
        println!("| {} | {} | {seed} | {by} |", which.name(), which.what());
    }
    let missed: Vec<&str> = found.iter().filter(|(_, f)| f.is_none()).map(|(w, _)| w.name()).collect();
    assert!(missed.is_empty(), "not noticed within {SEEDS_MAX} seeds: {missed:?}");
}
