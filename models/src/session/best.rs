//! The best session model for a set of sessions, found on the most recent of them and then fitted to all.

mod cut;
mod tuning;

use std::sync::Arc;

use cut::Cut;
use tuning::Tuning;

use super::index::SessionIndex;
use super::knn::{KnnParams, SessionKnn};
use super::linear::{Linear, LinearParams};
use super::ranker::{SessionRanker, candidates};
use super::recent::{RecentItems, RecentParams};
use super::sources::{Sources, index};
use super::transitions::{TransitionParams, Transitions};
use crate::evaluate::{Query, SessionQuality, answer_all};
use crate::model::{NextItem, Scored};
use crate::params::{BadParam, check};
use crate::sessions::{Sessions, SessionsError};
use crate::trees::{Candidates, TreeParams, Trees};
use crate::tune::{Point, Tunable};

/// Queries that trees are trained on: more hardly help, and their rows are held in memory (about 10 kB each).
const TRAINING_QUERIES: usize = 30_000;
/// Queries that one trial of the search asks.
const TRIAL_QUERIES: usize = 4_000;
/// Trials of the kNN and of the transitions.
const KNN_TRIALS: usize = 50;
const WALK_TRIALS: usize = 25;
/// Share of the budget after which a part of the search ends; what remains is for the last fit.
const KNN_UNTIL: f64 = 0.2;
const WALK_UNTIL: f64 = 0.3;
const CHECKED_TREES_UNTIL: f64 = 0.55;
const TREES_UNTIL: f64 = 0.9;
/// Share of the queries set aside that decides how many trees there are and which model wins: the latest.
const CHECK_SHARE: f64 = 0.3;
/// Fewer queries than this to train on, and trees are not tried.
const TRAINING_QUERIES_MIN: usize = 300;
/// Trees grown without a better loss on the check before the last better one is taken.
const PATIENCE: usize = 12;

/// Longest list that can be aimed at.
pub const K_MAX: usize = 1000;

/// Checked parameters of [`find`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchParams {
    k: usize,
    valid_share: f64,
    exclude_current: Option<bool>,
    seed: u64,
    tune: bool,
}

impl SearchParams {
    /// - `k`: length of the lists that are to be good, 1 to 1000
    /// - `valid_share`: share of the sessions (the most recent) set aside at a time, 0.001 to 0.5
    /// - `exclude_current`: whether the current item must stay off the list; `None`: as is better
    /// - `seed` of the search
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        k: usize,
        valid_share: f64,
        exclude_current: Option<bool>,
        seed: u64,
    ) -> Result<Self, BadParam> {
        Ok(Self {
            k: check("session_search.k", k, (1..=K_MAX).contains(&k), "1 to 1000")?,
            valid_share: check(
                "session_search.valid_share",
                valid_share,
                (0.001..=0.5).contains(&valid_share),
                "0.001 to 0.5",
            )?,
            exclude_current,
            seed,
            tune: true,
        })
    }

    /// No search: the models keep their defaults, only the trees are trained.
    pub fn trees_only(self) -> Self {
        Self { tune: false, ..self }
    }
}

/// One step of a search.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A point was tried.
    Trial(Trial),
    /// A tuned model was measured on the check, where the winner is found.
    Contest(Trial),
    /// A tree was grown; the loss is that of the check while their number is sought, else that of the training.
    Tree { trees: usize, loss: f64 },
}

/// What was tried and what it was worth on sessions that it had not seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub model: &'static str,
    pub point: Point,
    pub quality: SessionQuality,
}

/// The winner, fitted to all sessions.
pub struct Best {
    pub model: Box<dyn NextItem + Send>,
    /// Its name: `knn`, `transitions`, `linear`, `recent` or `trees`.
    pub name: &'static str,
    /// Whether the current item is to be left off its lists.
    pub exclude_current: bool,
    /// What it was worth on the check.
    pub quality: SessionQuality,
    /// Parameters by name, those of the models it is made of.
    pub params: Point,
}

/// Why there is no best model.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Param(#[from] BadParam),
    #[error(transparent)]
    Sessions(#[from] SessionsError),
}

/// A search under way.
struct Search<'a> {
    params: SearchParams,
    /// Share of the budget that is spent: 0 to 1, above 1 when it is overdrawn.
    spent: &'a mut dyn FnMut() -> f64,
    observe: &'a mut dyn FnMut(Step),
}

/// Tunes the models on the most recent sessions, each asked of what came before it, takes the best of them (by the sum of
/// hit rate and MRR on the very latest) and fits it to all.
/// - `spent` tells what share of the budget is used up; with one that stays below 0.2 the result depends on nothing but
///   sessions and parameters
/// - `observe` hears of each step
///
/// Sessions of one click teach only what is popular; without any other, the most clicked items win.
///
/// # Errors
/// [`SearchError::Param`] if there are more items than an index may have.
pub fn find(
    sessions: &Sessions,
    params: SearchParams,
    spent: &mut dyn FnMut() -> f64,
    observe: &mut dyn FnMut(Step),
) -> Result<Best, SearchError> {
    let cut = Cut::new(sessions, params.valid_share, TRAINING_QUERIES);
    let mut search = Search { params, spent, observe };
    let latest = cut.before(0)?;
    let queries = cut.queries(0);
    let few: Vec<Query> =
        queries.iter().step_by(queries.len().div_ceil(TRIAL_QUERIES).max(1)).copied().collect();
    let (knn, knn_point) = search.knn(&Arc::new(index(&latest)?), &few)?;
    let linear = LinearParams::default();
    let (walk, walk_point) = search.walk(&latest, &few)?;

    // the check: the latest queries; the trees that compete on it have not seen it
    let check = &queries[queries.len() - (queries.len() as f64 * CHECK_SHARE) as usize..];
    let sources = Sources::fit(&latest, knn, walk, linear)?;
    let mut data = Candidates { width: Sources::WIDTH, ..Candidates::default() };
    for block in (1..cut.blocks()).rev() {
        if CHECKED_TREES_UNTIL < (search.spent)() {
            continue;
        }
        let sources = Sources::fit(&cut.before(block)?, knn, walk, linear)?;
        data.append(candidates(&sources, &cut.queries(block)));
    }
    data.append(candidates(&sources, &queries[..queries.len() - check.len()]));
    let checked = candidates(&sources, check);

    let mut contest: Vec<(&'static str, Box<dyn NextItem + Send>)> = vec![
        ("recent", Box::new(RecentItems::fit(&latest, RecentParams::default()))),
        ("transitions", Box::new(Transitions::fit(&latest, walk))),
        ("linear", Box::new(Linear::fit(&latest, linear))),
        ("knn", Box::new(SessionKnn::new(index(&latest)?, knn))),
    ];
    let mut trees_wanted = 0;
    if TRAINING_QUERIES_MIN <= data.queries.len() && !checked.queries.is_empty() {
        let trees = search.checked_trees(&data, &checked)?;
        trees_wanted = trees.len();
        contest.push(("trees", Box::new(SessionRanker::new(sources, trees))));
    }
    let mut winner: Option<(&'static str, bool, SessionQuality)> = None;
    for (name, model) in contest {
        for exclude in search.excludes() {
            let quality = search.quality(&*model, check, exclude);
            (search.observe)(Step::Contest(Trial { model: name, point: Point::new(), quality }));
            if winner.is_none_or(|(_, _, best)| worth(&best) < worth(&quality)) {
                winner = Some((name, exclude, quality));
            }
        }
    }
    let (name, exclude_current, quality) =
        winner.unwrap_or(("recent", search.excludes()[0], SessionQuality::default()));

    let mut params = Point::new();
    let model: Box<dyn NextItem + Send> = match name {
        "trees" => {
            data.append(checked);
            let trees = search.trees(&data, trees_wanted)?;
            params.insert("trees".into(), trees.len() as f64);
            params.extend(knn_point.into_iter().map(|(name, value)| (format!("knn.{name}"), value)));
            params.extend(walk_point.into_iter().map(|(name, value)| (format!("transitions.{name}"), value)));
            Box::new(SessionRanker::new(Sources::fit(sessions, knn, walk, linear)?, trees))
        }
        "knn" => {
            params.extend(knn_point);
            Box::new(SessionKnn::new(index(sessions)?, knn))
        }
        "linear" => Box::new(Linear::fit(sessions, linear)),
        "transitions" => {
            params.extend(walk_point);
            Box::new(Transitions::fit(sessions, walk))
        }
        _ => Box::new(RecentItems::fit(sessions, RecentParams::default())),
    };
    Ok(Best { model, name, exclude_current, quality, params })
}

/// What is to be as high as can be.
fn worth(quality: &SessionQuality) -> f64 {
    quality.hit_rate + quality.mrr
}

impl Search<'_> {
    fn excludes(&self) -> Vec<bool> {
        self.params.exclude_current.map_or(vec![false, true], |exclude| vec![exclude])
    }

    fn quality(&self, model: &dyn NextItem, queries: &[Query<'_>], exclude: bool) -> SessionQuality {
        SessionQuality::of(&answer_all(model, queries, self.params.k, exclude), self.params.k, 1)
    }

    /// Searches the best point of one model.
    fn tune<P: Tunable>(
        &mut self,
        name: &'static str,
        trials: usize,
        until: f64,
        queries: &[Query<'_>],
        fit: &dyn Fn(P) -> Box<dyn NextItem>,
    ) -> Result<(P, Point), BadParam> {
        let trials = if self.params.tune { trials } else { 1 };
        let params = self.params;
        let (spent, observe) = (&mut *self.spent, &mut *self.observe);
        Tuning { name, params, trials, until, queries, fit, spent, observe }.run()
    }

    fn knn(
        &mut self,
        index: &Arc<SessionIndex>,
        queries: &[Query<'_>],
    ) -> Result<(KnnParams, Point), BadParam> {
        self.tune("knn", KNN_TRIALS, KNN_UNTIL, queries, &|params| {
            Box::new(SessionKnn::new(index.clone(), params))
        })
    }

    fn walk(
        &mut self,
        before: &Sessions,
        queries: &[Query<'_>],
    ) -> Result<(TransitionParams, Point), BadParam> {
        self.tune("transitions", WALK_TRIALS, WALK_UNTIL, queries, &|params| {
            Box::new(Transitions::fit(before, params))
        })
    }

    /// Grows trees for as long as the check gains from them.
    fn checked_trees(&mut self, data: &Candidates, check: &Candidates) -> Result<Trees, BadParam> {
        let mut lowest = (f64::INFINITY, 0);
        let Self { spent, observe, .. } = self;
        let mut grown = Trees::fit(data, &tree_params()?, Some(check), &mut |trees, loss| {
            observe(Step::Tree { trees, loss });
            if loss < lowest.0 {
                lowest = (loss, trees);
            }
            trees < lowest.1 + PATIENCE && spent() < CHECKED_TREES_UNTIL
        });
        grown.truncate(lowest.1);
        Ok(grown)
    }

    fn trees(&mut self, data: &Candidates, wanted: usize) -> Result<Trees, BadParam> {
        let Self { spent, observe, .. } = self;
        Ok(Trees::fit(data, &tree_params()?, None, &mut |trees, loss| {
            observe(Step::Tree { trees, loss });
            trees < wanted && spent() < TREES_UNTIL
        }))
    }
}

/// Wanted on all sets that were tried; their number is found anew for each.
fn tree_params() -> Result<TreeParams, BadParam> {
    TreeParams::new(400, 5, 0.1, 5.0)
}

impl NextItem for Best {
    fn score(&self, session: &[u32], out: &mut Scored) {
        self.model.score(session, out);
    }
}
