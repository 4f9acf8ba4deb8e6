//! The models that know something of how a session goes on, asked together: their candidates, and what each of them says
//! of a candidate, as a row of features for the trees.

use std::cell::RefCell;

use super::index::{IndexParams, SessionIndex};
use super::knn::{KnnParams, SessionKnn};
use super::linear::{Linear, LinearParams};
use super::pairs::ages;
use super::recent::{RecentItems, RecentParams};
use super::transitions::{TransitionParams, Transitions};
use crate::model::{NextItem, Scored, best};
use crate::params::BadParam;
use crate::sessions::Sessions;
use crate::tune::{Point, Tunable};

/// Candidates taken from each model.
const CANDIDATES_EACH: usize = 40;
/// Candidates of a query at the least: what the models leave open is filled with what is clicked everywhere.
const CANDIDATES_MIN: usize = 40;
/// Items of the current session that are candidates, the latest first.
const SEEN_MAX: usize = 40;
/// Sessions kept by the index of a fit, clicks kept of each, sessions listed under an item.
const INDEX_BOUNDS: (usize, usize, usize) = (4_000_000, 100, 2000);
/// Stands for "never" where a feature counts clicks or is a share of time.
const NEVER: f32 = 200.0;
/// The logarithm of a share that is nought.
const NOUGHT: f32 = -14.0;

/// What an item does by itself, from all sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Habit {
    /// How often it is clicked again at once, and again later in the session: smoothed shares.
    again_at_once: f32,
    again: f32,
    /// Age of its last session, 0 to 1.
    age: f32,
}

/// Models fitted to the same sessions.
#[derive(Debug, Clone)]
pub struct Sources {
    knn: [SessionKnn<std::sync::Arc<SessionIndex>>; 3],
    walk: Transitions,
    linear: Linear,
    recent: [RecentItems; 3],
    clicks: [f32; 3],
    habits: Vec<Habit>,
    usual: Habit,
}

/// The index over `sessions` that [`Sources`] and the search use.
///
/// # Errors
/// [`BadParam`] if there are more items than an index may have.
pub fn index(sessions: &Sessions) -> Result<SessionIndex, BadParam> {
    let (all, clicks, listed) = INDEX_BOUNDS;
    let params = IndexParams::new(sessions.len().clamp(1, all), clicks, listed, sessions.n_items().max(1))?;
    Ok(SessionIndex::of(sessions, params))
}

/// What one query needs, kept per thread.
#[derive(Default)]
struct Scratch {
    said: [Scored; 5],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a model said of one session, by item.
struct Said<'a> {
    scored: &'a [(u32, f32)],
    sum: f32,
    max: f32,
}

impl<'a> Said<'a> {
    fn of(scored: &'a mut Scored) -> Self {
        scored.sort_unstable_by_key(|x| x.0);
        let sum = scored.iter().map(|x| x.1).sum::<f32>().max(f32::MIN_POSITIVE);
        let max = scored.iter().map(|x| x.1).fold(f32::MIN_POSITIVE, f32::max);
        Self { scored, sum, max }
    }

    fn score(&self, item: u32) -> f32 {
        self.scored.binary_search_by_key(&item, |x| x.0).map_or(0.0, |place| self.scored[place].1)
    }
}

fn log_share(share: f32) -> f32 {
    if 0.0 < share { share.ln().max(NOUGHT) } else { NOUGHT }
}

impl Sources {
    /// Values of a row of features.
    pub const WIDTH: usize = 38;

    /// Fits all of them.
    ///
    /// # Errors
    /// [`BadParam`] if there are more items than an index may have.
    pub fn fit(
        sessions: &Sessions,
        knn: KnnParams,
        walk: TransitionParams,
        linear: LinearParams,
    ) -> Result<Self, BadParam> {
        let index = std::sync::Arc::new(index(sessions)?);
        let like = |change: &[(&str, f64)]| {
            let changed: Point = change.iter().map(|&(name, value)| (name.to_string(), value)).collect();
            KnnParams::at(&changed)
        };
        // beside the tuned one: only what is like the current click and new, and what is like all clicks
        let sharp = like(&[("position", 0.3), ("recency", 0.1), ("near", 1.0), ("before", 0.2)])?;
        let wide =
            like(&[("position", 20.0), ("recency", 5.0), ("near", 20.0), ("before", 1.0), ("length", 0.5)])?;
        let recent = [
            RecentItems::fit(sessions, RecentParams::new(1000.0)?),
            RecentItems::fit(sessions, RecentParams::new(0.1)?),
            RecentItems::fit(sessions, RecentParams::new(0.01)?),
        ];
        let total = |r: &RecentItems| {
            (0..sessions.n_items() as u32).map(|item| f64::from(r.clicks(item))).sum::<f64>().max(1e-9) as f32
        };
        let (habits, usual) = habits(sessions);
        Ok(Self {
            knn: [knn, sharp, wide].map(|params| SessionKnn::new(index.clone(), params)),
            walk: Transitions::fit(sessions, walk),
            linear: Linear::fit(sessions, linear),
            clicks: [total(&recent[0]), total(&recent[1]), total(&recent[2])],
            recent,
            habits,
            usual,
        })
    }

    /// Fills in the candidates of a session, ascending, and a row of features for each.
    pub fn ask(&self, session: &[u32], candidates: &mut Vec<u32>, features: &mut Vec<f32>) {
        candidates.clear();
        features.clear();
        SCRATCH.with_borrow_mut(|Scratch { said }| {
            let [tuned, sharp, wide, walk, linear] = said;
            self.knn[0].score(session, tuned);
            self.knn[1].score(session, sharp);
            self.knn[2].score(session, wide);
            self.walk.score(session, walk);
            self.linear.score(session, linear);
            for scored in [&*tuned, &*sharp, &*wide, &*walk, &*linear] {
                candidates.extend(best(scored.clone(), &[], CANDIDATES_EACH).iter().map(|x| x.0));
            }
            candidates.extend(session.iter().rev().take(SEEN_MAX));
            candidates.sort_unstable();
            candidates.dedup();
            let missing = CANDIDATES_MIN.saturating_sub(candidates.len());
            let fill: Vec<u32> = (self.recent[1].top().iter().map(|x| x.0))
                .filter(|item| candidates.binary_search(item).is_err())
                .take(missing)
                .collect();
            candidates.extend(fill);
            candidates.sort_unstable();
            let said = [Said::of(tuned), Said::of(sharp), Said::of(wide), Said::of(walk), Said::of(linear)];
            let whole = Whole::of(self, session, &said);
            for &item in candidates.iter() {
                self.row(session, &whole, &said, item, features);
            }
        });
    }

    fn habit(&self, item: u32) -> Habit {
        self.habits.get(item as usize).copied().unwrap_or(self.usual)
    }

    /// The features of one candidate.
    fn row(&self, session: &[u32], whole: &Whole, said: &[Said; 5], item: u32, out: &mut Vec<f32>) {
        let start = out.len();
        for said in said {
            let score = said.score(item);
            out.push(log_share(score / said.sum));
            out.push(score / said.max);
        }
        for &seen in &whole.latest {
            let forth = seen.map_or(0.0, |seen| self.walk.share(seen, item));
            out.push(log_share(forth));
        }
        out.push(log_share(whole.latest[0].map_or(0.0, |current| self.walk.share(item, current))));
        let popular = [0, 1, 2].map(|r| log_share(self.recent[r].clicks(item) / self.clicks[r]));
        out.extend([popular[0], popular[1], popular[2], popular[2] - popular[0]]);
        let distance = |found: Option<usize>| found.map_or(NEVER, |d| d as f32);
        let count = session.iter().filter(|&&seen| seen == item).count();
        let last = session.iter().rev().position(|&seen| seen == item);
        out.push(distance(last));
        // the click before that one: how often the session comes back
        out.push(distance(
            last.and_then(|d| session[..session.len() - 1 - d].iter().rev().position(|&seen| seen == item)),
        ));
        out.push(distance(session.iter().position(|&seen| seen == item)));
        out.push(count as f32);
        out.push(count as f32 / session.len().max(1) as f32);
        let habit = self.habit(item);
        out.extend([habit.again_at_once, habit.again, habit.age]);
        out.extend(whole.features);
        debug_assert_eq!(out.len() - start, Self::WIDTH);
    }
}

/// What is the same for all candidates of a session.
struct Whole {
    /// The latest three distinct items, latest first.
    latest: [Option<u32>; 3],
    features: [f32; 12],
}

impl Whole {
    fn of(sources: &Sources, session: &[u32], said: &[Said; 5]) -> Self {
        let mut distinct = vec![];
        for &item in session.iter().rev().take(SEEN_MAX) {
            if !distinct.contains(&item) {
                distinct.push(item);
            }
        }
        let latest = [distinct.first().copied(), distinct.get(1).copied(), distinct.get(2).copied()];
        let habit = latest[0].map_or(sources.usual, |item| sources.habit(item));
        let long = session.len().max(1) as f32;
        let repeats = session.windows(2).filter(|pair| pair[0] == pair[1]).count() as f32;
        let again_now = session.len() >= 2 && session[session.len() - 1] == session[session.len() - 2];
        let come_back =
            latest[0].is_some_and(|current| session[..session.len() - 1].contains(&current) && !again_now);
        let support = latest[0].map_or(0.0, |item| sources.recent[0].clicks(item) / sources.clicks[0]);
        let support_now = latest[0].map_or(0.0, |item| sources.recent[2].clicks(item) / sources.clicks[2]);
        let features = [
            long,
            distinct.len() as f32,
            distinct.len() as f32 / long,
            repeats / long,
            if again_now { 1.0 } else { 0.0 },
            if come_back { 1.0 } else { 0.0 },
            habit.again_at_once,
            habit.again,
            log_share(support),
            log_share(support_now),
            (said[0].sum).ln(),
            said[0].max / said[0].sum,
        ];
        Self { latest, features }
    }
}

/// Habits of each item, and those of an item that is not known.
fn habits(sessions: &Sessions) -> (Vec<Habit>, Habit) {
    /// Clicks that an item must have before its own habits outweigh the usual ones.
    const PRIOR: f32 = 10.0;
    let ages = ages(sessions);
    // clicks that another follows, how many of those are of the same item, of an item that comes back, age
    let mut counts = vec![(0f32, 0f32, 0f32, 1f32); sessions.n_items()];
    let mut all = (0f64, 0f64, 0f64);
    for (session, &age) in ages.iter().enumerate() {
        let items = sessions.items(session);
        let mut later = std::collections::HashSet::new();
        for (at, &item) in items.iter().enumerate().rev() {
            let count = &mut counts[item as usize];
            count.3 = count.3.min(age);
            if let Some(&next) = items.get(at + 1) {
                let (at_once, again) = (next == item, later.contains(&item));
                count.0 += 1.0;
                count.1 += if at_once { 1.0 } else { 0.0 };
                count.2 += if again { 1.0 } else { 0.0 };
                all.0 += 1.0;
                all.1 += if at_once { 1.0 } else { 0.0 };
                all.2 += if again { 1.0 } else { 0.0 };
            }
            later.insert(item);
        }
    }
    let usual = Habit {
        again_at_once: (all.1 / all.0.max(1.0)) as f32,
        again: (all.2 / all.0.max(1.0)) as f32,
        age: 1.0,
    };
    let habit = |&(clicks, at_once, again, age): &(f32, f32, f32, f32)| Habit {
        again_at_once: (at_once + PRIOR * usual.again_at_once) / (clicks + PRIOR),
        again: (again + PRIOR * usual.again) / (clicks + PRIOR),
        age,
    };
    (counts.iter().map(habit).collect(), usual)
}
