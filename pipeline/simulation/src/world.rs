//! What all processes of one run share beside log, truth and cache: the dice, the time, the outages, who is to die, and what
//! was seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shoptide_faults::{Break, Point, Scene, Verdict};
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_64;

use crate::dice::Dice;

/// 2026-05-04T12:00:00Z.
pub const BEGIN_MS: i64 = 1_777_896_000_000;
/// Lines of the trace that a failing run shows.
const TRACE_KEPT: usize = 4_000;

/// A service that may be away for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Log,
    Truth,
    Cache,
}

#[derive(Default)]
struct Trace {
    hash: u64,
    lines: VecDeque<String>,
}

pub struct World {
    pub broken: Option<Break>,
    dice: Mutex<Dice>,
    now_ms: AtomicI64,
    chaos: AtomicBool,
    /// The oracle's own run: nothing fails, nothing is broken.
    judging: AtomicBool,
    /// The process that runs now.
    current: AtomicU32,
    ends: Mutex<BTreeSet<u32>>,
    sleeps: Mutex<BTreeSet<u32>>,
    counts: Mutex<BTreeMap<Point, [u64; 2]>>,
    seen: Mutex<BTreeMap<&'static str, u64>>,
    away_until: [AtomicI64; 3],
    trace: Mutex<Trace>,
    tracing: bool,
    violations: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    /// Records were appended.
    pub news: Notify,
}

/// A slow call; it ends with its process at the latest.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(calls: &'a AtomicUsize) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(calls)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new(seed: u64, broken: Option<Break>, tracing: bool) -> Arc<Self> {
        Arc::new(Self {
            broken,
            dice: Mutex::new(Dice::new(seed)),
            now_ms: AtomicI64::new(BEGIN_MS),
            chaos: AtomicBool::new(true),
            judging: AtomicBool::new(false),
            current: AtomicU32::new(0),
            ends: Mutex::default(),
            sleeps: Mutex::default(),
            counts: Mutex::default(),
            seen: Mutex::default(),
            away_until: Default::default(),
            under_way: AtomicUsize::new(0),
            trace: Mutex::default(),
            tracing,
            violations: Mutex::default(),
            news: Notify::new(),
        })
    }

    pub fn dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut locked(&self.dice))
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub fn chaos(&self) -> bool {
        self.chaos.load(Ordering::Relaxed)
    }

    /// From now on nothing fails any more.
    pub fn calm(&self) {
        self.chaos.store(false, Ordering::Relaxed);
        self.away_until.iter().for_each(|until| until.store(0, Ordering::Relaxed));
    }

    pub fn judge(&self) {
        self.judging.store(true, Ordering::Relaxed);
    }

    pub fn runs(&self, process: u32) {
        self.current.store(process, Ordering::Relaxed);
    }

    /// Whether this process is to end at the place it is at.
    pub fn is_ending(&self, process: u32) -> bool {
        locked(&self.ends).contains(&process)
    }

    pub fn end(&self, process: u32) {
        locked(&self.ends).insert(process);
    }

    /// Processes that are to end, and those that are to sleep.
    pub fn due(&self) -> (Vec<u32>, Vec<u32>) {
        let ends = locked(&self.ends).iter().copied().collect();
        (ends, std::mem::take(&mut *locked(&self.sleeps)).into_iter().collect())
    }

    pub fn send_away(&self, service: Service, until_ms: i64) {
        self.away_until[service as usize].store(until_ms, Ordering::Relaxed);
    }

    pub fn is_away(&self, service: Service) -> bool {
        self.now_ms() < self.away_until[service as usize].load(Ordering::Relaxed)
    }

    /// Goes on only while the process lives.
    pub async fn alive(&self, process: u32) {
        if self.is_ending(process) {
            std::future::pending::<()>().await;
        }
    }

    /// A call on its way: mostly fast, sometimes slow.
    pub async fn way(&self, process: u32) {
        let ms = self.dice(|d| match d.below(100) {
            0..50 => 0,
            50..93 => d.between(1, 4),
            93..99 => d.between(5, 40),
            _ => d.between(100, 900),
        });
        if 0 < ms {
            let _under_way = UnderWay::begin(&self.under_way);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.alive(process).await;
    }

    /// Calls that are on their way now.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    pub fn note(&self, process: u32, what: impl FnOnce() -> String) {
        let line = format!("{:>7} p{process} {}", self.now_ms() - BEGIN_MS, what());
        let mut trace = locked(&self.trace);
        trace.hash = trace.hash.rotate_left(5) ^ xxh3_64(line.as_bytes());
        if self.tracing {
            if trace.lines.len() == TRACE_KEPT {
                trace.lines.pop_front();
            }
            trace.lines.push_back(line);
        }
    }

    pub fn trace(&self) -> (u64, Vec<String>) {
        let trace = locked(&self.trace);
        (trace.hash, trace.lines.iter().cloned().collect())
    }

    pub fn saw(&self, what: &'static str) {
        *locked(&self.seen).entry(what).or_default() += 1;
    }

    pub fn seen(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.seen).clone()
    }

    pub fn counts(&self) -> BTreeMap<Point, [u64; 2]> {
        locked(&self.counts).clone()
    }

    /// Something that must never happen.
    pub fn violated(&self, what: String) {
        self.note(0, || format!("VIOLATED {what}"));
        locked(&self.violations).push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        locked(&self.violations).clone()
    }

    fn acts(&self, point: Point, verdict: Verdict) -> Verdict {
        if let Some(count) = locked(&self.counts).get_mut(&point) {
            count[1] += 1;
        }
        let process = self.current.load(Ordering::Relaxed);
        self.note(process, || format!("at {}: {verdict:?}", point.name()));
        verdict
    }
}

impl Scene for World {
    fn at(&self, point: Point) -> Verdict {
        if self.judging.load(Ordering::Relaxed) {
            return Verdict::Go;
        }
        locked(&self.counts).entry(point).or_default()[0] += 1;
        let process = self.current.load(Ordering::Relaxed);
        if point == Point::W6Fenced {
            return self.acts(point, Verdict::Go);
        }
        if !self.chaos() {
            return Verdict::Go;
        }
        // Ends and failures of a hundred passes.
        let (ends, fails) = match point {
            Point::W1 | Point::W2 => (1.5, 0.0),
            Point::W3 => (0.7, 0.7),
            Point::W4Lost => (0.0, 0.8),
            Point::W4Sent => (0.5, 0.0),
            Point::W4 => (0.5, 1.0),
            Point::W5 => (0.8, 0.0),
            Point::W5Offsets | Point::W6 | Point::W7 => (0.3, 0.0),
            Point::W6Fenced => (0.0, 0.0),
            Point::W11 => (15.0, 0.0),
            Point::W12 => (10.0, 10.0),
            Point::W13File | Point::W13Row | Point::W13Pointer => (12.0, 0.0),
        };
        if matches!(point, Point::W6 | Point::W7) && self.dice(|d| d.chance(0.8)) {
            locked(&self.sleeps).insert(process);
            return self.acts(point, Verdict::Go);
        }
        let in_store = matches!(
            point,
            Point::W3 | Point::W4Lost | Point::W4Sent | Point::W4 | Point::W12 | Point::W13Row
        );
        if self.dice(|d| d.chance(ends)) {
            self.end(process);
            // The database goes on as it would without its client: nothing committed that was not sent.
            let goes_on = matches!(point, Point::W4Sent | Point::W4);
            let verdict = match in_store {
                true if goes_on => Verdict::Go,
                true => Verdict::Fail,
                false => Verdict::End,
            };
            return self.acts(point, verdict);
        }
        if self.dice(|d| d.chance(fails)) { self.acts(point, Verdict::Fail) } else { Verdict::Go }
    }

    fn is_broken(&self, which: Break) -> bool {
        self.broken == Some(which) && !self.judging.load(Ordering::Relaxed)
    }
}
