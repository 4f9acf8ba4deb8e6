//! Many seeds: nothing that is promised may break, every window must be met, and a seed must do the same twice.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use shoptide_faults::Point;
use shoptide_simulation::{Lab, Outcome};

const SEEDS: u64 = 2_000;

fn number(key: &str) -> Option<u64> {
    std::env::var(key)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{key} is {text:?}, expected a number")))
}

fn told(outcome: &Outcome) -> String {
    format!(
        "seed {}: {:#?}\nagain, with its trace: SHOPTIDE_SEED={} cargo test --release -p shoptide-simulation --features faults --test seeds -- --nocapture",
        outcome.seed, outcome.violations, outcome.seed
    )
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("SHOPTIDE_SEED") {
        let outcome = Lab::new().run(seed, None, true);
        outcome.lines.iter().for_each(|line| println!("{line}"));
        assert!(outcome.violations.is_empty(), "{}", told(&outcome));
        return;
    }
    let seeds = number("SHOPTIDE_SEEDS").unwrap_or(SEEDS);
    let threads = number("SHOPTIDE_THREADS").unwrap_or(2);
    let (next, failed) = (AtomicU64::new(1), AtomicBool::new(false));
    let (points, seen) =
        (Mutex::new(BTreeMap::<Point, [u64; 2]>::new()), Mutex::new(BTreeMap::<&str, u64>::new()));
    let failures = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let lab = Lab::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seeds < seed || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = lab.run(seed, None, false);
                    for (point, [passed, acted]) in &outcome.points {
                        let mut points = points.lock().unwrap();
                        let count = points.entry(*point).or_default();
                        *count = [count[0] + passed, count[1] + acted];
                    }
                    for (what, n) in &outcome.seen {
                        *seen.lock().unwrap().entry(what).or_default() += n;
                    }
                    if !outcome.violations.is_empty() {
                        let mut failures = failures.lock().unwrap();
                        failures.push(told(&outcome));
                        failed.store(10 <= failures.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let (points, seen) = (points.into_inner().unwrap(), seen.into_inner().unwrap());
    println!("{} seeds in {seconds:.1} s on {threads} threads", next.load(Ordering::Relaxed) - threads - 1);
    for (what, n) in &seen {
        println!("{n:>9}  {what}");
    }
    println!("   passed     acted  point");
    for point in Point::ALL {
        let [passed, acted] = points.get(point).copied().unwrap_or_default();
        println!("{passed:>9} {acted:>9}  {:<12} {}", point.name(), point.what());
    }
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} seeds:\n{}", failures.len(), failures.join("\n"));
    if SEEDS <= seeds {
        for point in Point::ALL {
            assert!(20 <= points.get(point).map_or(0, |p| p[1]), "{} was hit too rarely", point.name());
        }
    }
}

#[test]
fn a_seed_does_the_same_twice() {
    let (one, other) = (Lab::new(), Lab::new());
    for seed in [3, 77, 930, 4_711, 4_712, 4_713, 4_714, 4_715] {
        let traces = [one.run(seed, None, true), other.run(seed, None, true), other.run(seed, None, true)];
        for again in &traces[1..] {
            let parted = traces[0].lines.iter().zip(&again.lines).find(|(a, b)| a != b);
            assert_eq!(traces[0].trace, again.trace, "seed {seed}: {parted:?}");
        }
    }
}
