//! Weights of the served blend, searched on a validation cut of the folded truth.
//!
//! The last fifth of each user's items is set aside, as [`held_out`](super::held_out()) does; the search sees only a cut
//! within the rest, so that what it found is measured on something it never saw.

use shoptide_models::blend::BlendParams;
use shoptide_models::evaluate::Quality;
use shoptide_models::search::{Objective, SearchParams, Trials, search};
use shoptide_models::tune::{Dimension, Point, Range};

use super::feedback::{Learned, SOURCES, learn_weights};
use super::held_out::Cut;
use super::tables::Tables;
use super::{TrainError, TrainParams};
use crate::evaluate::Tried;

/// What is searched. The trend is left as it is: a cut by users has no last days.
const SPACE: &[Dimension] = &[
    Dimension { name: "factors", range: Range::Linear(0.0, 2.0) },
    Dimension { name: "item_item", range: Range::Linear(0.0, 2.0) },
    Dimension { name: "popularity", range: Range::Linear(0.0, 0.5) },
    Dimension { name: "recency_places", range: Range::Log(0.5, 1_000.0) },
];

/// Users that are asked at each rung of the search: every so many.
const EVERY: [usize; 2] = [4, 1];
/// Trials that are drawn evenly.
const RANDOM: usize = 15;

/// What the search may do.
#[derive(Debug, Clone, Copy)]
pub struct TuneOptions {
    /// In all, those of earlier runs included.
    pub trials: usize,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct TunedBlend {
    /// Users with something set aside.
    pub users: usize,
    pub trials: usize,
    /// Keys of the table `[blend]` with their values.
    pub blend: Point,
    /// On what the search never saw: as configured, and as found.
    pub before: Quality,
    pub after: Quality,
    /// What was found without each source.
    pub without: Vec<(&'static str, Quality)>,
    /// What logistic regression makes of the lists of the cut; nothing if nobody took anything of them.
    pub learned: Option<Learned>,
    /// Every trial, to look at.
    pub tried: Vec<Tried>,
}

/// Names everything that trials depend on: those of another name are worth nothing.
pub fn tune_key(tables: &Tables, params: &TrainParams, options: TuneOptions) -> String {
    let cut = format!("{:?} {} {:?} {}", tables.cut, params.config_hash, SPACE, options.seed);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(cut.as_bytes()))
}

struct Tuning<'a> {
    cut: &'a Cut,
    trending: f64,
    more: &'a mut dyn FnMut() -> bool,
    done: &'a mut dyn FnMut(&Trials),
}

impl Objective for Tuning<'_> {
    fn score(&mut self, _: usize, point: &Point, rung: usize) -> Option<f64> {
        let q = self.cut.quality(&blend(point, self.trending)?, EVERY.get(rung).copied().unwrap_or(1));
        Some(q.recall + q.ndcg)
    }

    fn more(&mut self) -> bool {
        (self.more)()
    }

    fn done(&mut self, trials: &Trials) {
        (self.done)(trials);
    }
}

fn blend(point: &Point, trending: f64) -> Option<BlendParams> {
    let of = |name: &str| point.get(name).copied().unwrap_or(0.0);
    let weights = BlendParams::new(of("factors"), of("item_item"), of("popularity"), trending).ok()?;
    weights.with_recency(of("recency_places")).ok()
}

/// Searches, going on from `trials`, and measures what was found.
/// - `more` says whether there is budget for another trial
/// - `done` hears of every trial: to show it, to save it
///
/// # Errors
/// [`TrainError::Nothing`] if users have too few items to set any aside, twice.
pub fn tune_blend(
    tables: &Tables,
    params: &TrainParams,
    options: TuneOptions,
    trials: &mut Trials,
    more: &mut dyn FnMut() -> bool,
    done: &mut dyn FnMut(&Trials),
) -> Result<TunedBlend, TrainError> {
    let numbers = |e: &dyn std::fmt::Display| TrainError::Numbers(e.to_string());
    let unseen = Cut::of(tables, params, tables.rows(&params.taste).collect())?;
    let cut = Cut::of(tables, params, unseen.rows().to_vec())?;
    let now = params.lists.blend;
    let [factors, item_item, popularity, trending] = now.weights().map(f64::from);
    let places = f64::from(now.recency_places()).min(1e6);
    let named = [
        ("factors", factors),
        ("item_item", item_item),
        ("popularity", popularity),
        ("recency_places", places),
    ];
    let start: Point = named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let search_params =
        SearchParams::new(options.trials, RANDOM.min(options.trials), EVERY.len(), options.seed)
            .map_err(|e| numbers(&e))?;
    let mut tuning = Tuning { cut: &cut, trending, more, done };
    search(SPACE, std::slice::from_ref(&start), &search_params, trials, &mut tuning);
    let found = trials.best().map_or(start, |(trial, _)| trial.point.clone());
    let measured = |point: &Point| blend(point, trending).map(|b| unseen.quality(&b, 1)).unwrap_or_default();
    let learned = learn_weights(&cut, &found, &|point| Some(unseen.quality(&blend(point, trending)?, 1)))?;
    let without = SOURCES.map(|source| {
        let mut point = found.clone();
        point.insert(source.to_owned(), 0.0);
        (source, measured(&point))
    });
    Ok(TunedBlend {
        users: unseen.users(),
        trials: trials.done.len(),
        before: unseen.quality(&now, 1),
        after: measured(&found),
        without: without.to_vec(),
        learned,
        tried: Tried::of("blend", trials),
        blend: found.into_iter().chain([("trending".to_owned(), trending)]).collect(),
    })
}
