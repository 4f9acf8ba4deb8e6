//! A whole process with a plan of its own, from its environment.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::plan::{Action, Rule, parse};
use crate::{Break, Point};

static PLAN: OnceLock<Plan> = OnceLock::new();

struct Plan {
    rules: Vec<(Rule, AtomicU64)>,
    broken: Vec<Break>,
    dice: Mutex<u64>,
    /// One line is appended for each action, so that it is known even of a process that is gone.
    hits: Option<std::path::PathBuf>,
    poison: Option<String>,
}

static COUNTS: [[AtomicU64; 2]; Point::ALL.len()] =
    [const { [const { AtomicU64::new(0) }; 2] }; Point::ALL.len()];

/// How often a point was passed by this process, and how often it acted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub point: Point,
    pub passed: u64,
    pub acted: u64,
}

/// What this process has passed so far; points of simulations are counted by their scene.
pub fn counts() -> Vec<Count> {
    let of = |point: &Point| {
        let [passed, acted] = COUNTS
            .get(*point as usize)
            .map_or([0; 2], |count| [count[0].load(Ordering::Relaxed), count[1].load(Ordering::Relaxed)]);
        Count { point: *point, passed, acted }
    };
    Point::ALL.iter().map(of).collect()
}

/// Reads the plan from the environment. To be called once, at the start.
///
/// - `FAILPOINTS`: `POINT=[P%][N*]ACTION;...` with the actions `abort` (as `kill -9`), `sleep(MS)` and `error`
/// - `FAILPOINTS_SEED`: a number that makes the percentages repeatable; without it the process number
/// - `FAILPOINTS_HITS`: a file that gets a line `POINT ACTION PID` for each action
/// - `FAILPOINTS_BREAK`: protections to break, comma-separated
/// - `FAILPOINTS_POISON`: folding an event whose id begins with this panics
///
/// # Errors
/// What is wrong with it.
pub fn setup() -> Result<(), String> {
    plan().map(|_| ())
}

fn plan() -> Result<&'static Plan, String> {
    if let Some(plan) = PLAN.get() {
        return Ok(plan);
    }
    let told = |key: &str| std::env::var(key).unwrap_or_default();
    let rules = parse(&told("FAILPOINTS"))?.into_iter().map(|rule| (rule, AtomicU64::new(0))).collect();
    let named = told("FAILPOINTS_BREAK");
    let broken = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    let broken = broken
        .map(|name| {
            Break::from_name(name).ok_or_else(|| format!("FAILPOINTS_BREAK: {name:?} is no protection"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let seed = told("FAILPOINTS_SEED").parse().unwrap_or_else(|_| u64::from(std::process::id()));
    let hits = std::env::var_os("FAILPOINTS_HITS").map(Into::into);
    let dice = Mutex::new(seed);
    let poison = std::env::var("FAILPOINTS_POISON").ok().filter(|mark| !mark.is_empty());
    Ok(PLAN.get_or_init(|| Plan { rules, broken, dice, hits, poison }))
}

/// The next of a sequence that a seed gives (splitmix64).
fn roll(dice: &Mutex<u64>) -> f64 {
    let mut state = dice.lock().unwrap_or_else(PoisonError::into_inner);
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

pub(crate) fn count(point: Point, which: usize) {
    if let Some(count) = COUNTS.get(point as usize).and_then(|c| c.get(which)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is to be done here now, if anything.
pub(crate) fn due(point: Point) -> Option<Action> {
    count(point, 0);
    let plan = plan().ok()?;
    for (rule, done) in plan.rules.iter().filter(|(rule, _)| rule.point == point) {
        if rule.percent < 100.0 && rule.percent <= roll(&plan.dice) * 100.0 {
            continue;
        }
        if rule.times != 0 && rule.times <= done.fetch_add(1, Ordering::Relaxed) {
            continue;
        }
        count(point, 1);
        plan.tell(point, rule.action);
        return Some(rule.action);
    }
    None
}

impl Plan {
    fn tell(&self, point: Point, action: Action) {
        let verb = match action {
            Action::Abort => "abort",
            Action::Sleep(_) => "sleep",
            Action::Error => "error",
        };
        let Some(path) = &self.hits else { return };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // One write, so that lines of several processes do not mix.
        let line = format!("{} {verb} {}\n", point.name(), std::process::id());
        // A test that reads the file notices that the line is not there.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// How the ids of events begin whose fold is to panic.
pub fn poison() -> Option<&'static str> {
    plan().ok()?.poison.as_deref()
}

pub(crate) fn is_broken(which: Break) -> bool {
    plan().is_ok_and(|plan| plan.broken.contains(&which))
}
