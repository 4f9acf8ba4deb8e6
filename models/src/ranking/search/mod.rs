//! The best ranking of a set of interactions, found on a cut of the training data alone: every family of models is tuned for a
//! share of the time, the winners are mixed, and what has a place in the mix is trained again on everything.
//!
//! This crate has no clock: the caller says what part of his budget is gone. With an answer that depends on the number of
//! questions only, a search gives the same result every time.

mod cut;
mod dice;
mod family;
mod mix;

pub use family::{FAMILIES, Family, FitError, recency};

use std::sync::Arc;

use crate::matrix::Interactions;
use crate::params::{BadParam, check};
use crate::ranking::{Blend, Faded, OfTrain, ScoreItems};
use crate::tune::Point;
use cut::Cut;
use dice::Dice;
use family::RECENCY;

/// Checked parameters of [`best`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchParams {
    k: usize,
    timed: bool,
    valid_share: f64,
    valid_users_max: usize,
    trials_max: usize,
    seed: u64,
}

impl SearchParams {
    /// - `k`: length of the lists that are judged, 1 to 1000
    /// - `timed`: rows are in the order of time; the last of each user are then held out instead of drawn ones, and the age of
    ///   what a user did may count
    /// - `valid_share` of a user's items that are held out, above 0, up to 0.9
    /// - `valid_users_max`: users that are judged, 1 to 1e6
    /// - `trials_max`: trainings per family, 1 to 10000
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        k: usize,
        timed: bool,
        valid_share: f64,
        valid_users_max: usize,
        trials_max: usize,
        seed: u64,
    ) -> Result<Self, BadParam> {
        let (users, trials) =
            ((1..=1_000_000).contains(&valid_users_max), (1..=10_000).contains(&trials_max));
        let share_ok = 0.0 < valid_share && valid_share <= 0.9;
        Ok(Self {
            k: check("search.k", k, (1..=1000).contains(&k), "1 to 1000")?,
            timed,
            valid_share: check("search.valid_share", valid_share, share_ok, "above 0, up to 0.9")?,
            valid_users_max: check("search.valid_users_max", valid_users_max, users, "1 to 1000000")?,
            trials_max: check("search.trials_max", trials_max, trials, "1 to 10000")?,
            seed,
        })
    }
}

impl Default for SearchParams {
    fn default() -> Self {
        Self { k: 20, timed: false, valid_share: 0.2, valid_users_max: 4000, trials_max: 40, seed: 1 }
    }
}

/// Why there is no best model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    #[error("no user has two items: nothing can be held out to choose by")]
    NothingToHoldOut,
    #[error("none of the models can be trained on this data; the last one said: {last}")]
    NoModel { last: String },
}

/// One training of the search, as it is told while the search runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Name of the family; `mix` for the end.
    pub family: &'static str,
    pub point: Point,
    pub recall: f64,
    pub ndcg: f64,
}

impl Trial {
    /// What is made as large as possible.
    pub fn value(&self) -> f64 {
        self.recall + self.ndcg
    }
}

/// A model that is part of the winner: its weight, family and parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub weight: f64,
    pub family: &'static str,
    pub point: Point,
}

/// The winner.
pub struct Found {
    /// Trained on all of the data.
    pub model: OfTrain<Blend>,
    pub parts: Vec<Part>,
    /// Of the mix, on the held out part.
    pub valid: Trial,
    /// The best of each family, likewise.
    pub families: Vec<Trial>,
}

/// The best of a family so far, trained on the kept part of each cut.
struct Tuned {
    family: &'static Family,
    trial: Trial,
    /// Recall + NDCG on the first cut.
    first: f64,
    /// Without their recency, which is in the trial's point.
    models: Vec<Arc<dyn ScoreItems>>,
}

impl Tuned {
    /// As they are judged.
    fn faded(&self) -> Result<Vec<Box<dyn ScoreItems>>, BadParam> {
        self.models.iter().map(|model| faded(model.clone(), &self.trial.point)).collect()
    }
}

/// A model that sees histories as the point says.
fn faded(model: Arc<dyn ScoreItems>, point: &Point) -> Result<Box<dyn ScoreItems>, BadParam> {
    Ok(Box::new(Faded::new(model, recency(point)?)))
}

/// A point that reaches less than this part of the best one's value on the first cut is not tried on the others.
const HOPELESS: f64 = 0.93;

/// Part of the budget that tuning may take; the rest is for mixing and for training the winner on everything.
const TUNING_SHARE: f64 = 0.6;

/// Lists made beforehand for every known user have this many items.
const LIST_MAX: usize = 100;

/// Searches for the best model.
/// - `spent`: what part of the budget is gone, 0 to 1 and beyond. At the latest after each family's first training the search
///   ends where this says so; a budget too small for that is exceeded.
/// - `observe` hears of each trial
/// - memory: one model of each family and cut at a time; small sets are cut more than once
///
/// # Errors
/// [`SearchError`] if nothing can be held out, or nothing can be trained.
pub fn best(
    train: &Interactions,
    params: &SearchParams,
    spent: &mut dyn FnMut() -> f64,
    observe: &mut dyn FnMut(&Trial),
) -> Result<Found, SearchError> {
    let cuts = Cut::several(train, params);
    if cuts.is_empty() {
        return Err(SearchError::NothingToHoldOut);
    }
    let usable: Vec<&'static Family> = FAMILIES.iter().filter(|f| f.serves(train)).collect();
    let mut last = String::new();
    let mut tuned = Vec::new();
    for (index, family) in usable.iter().enumerate() {
        // Each takes an equal part of what is left, so that what a cheap one leaves over goes to those after it.
        let now = spent();
        let until = now + (TUNING_SHARE - now).max(0.0) / (usable.len() - index) as f64;
        match tune(family, &cuts, params, until, spent, observe) {
            Ok(best) => tuned.push(best),
            Err(why) => last = why.to_string(),
        }
    }
    if tuned.is_empty() {
        return Err(SearchError::NoModel { last });
    }
    let no_model = |last: String| SearchError::NoModel { last };
    let models: Result<Vec<_>, BadParam> = tuned.iter().map(Tuned::faded).collect();
    let models = models.map_err(|bad| no_model(bad.to_string()))?;
    let (weights, valid) = mix::weights(&models, &cuts, params);
    drop(models);
    observe(&valid);
    let families = tuned.iter().map(|t| t.trial.clone()).collect();
    let chosen: Vec<(f64, &'static Family, Point)> = tuned
        .into_iter()
        .zip(weights)
        .filter(|(_, weight)| 0.0 < *weight)
        .map(|(tuned, weight)| (weight, tuned.family, tuned.trial.point))
        .collect();
    let (mut parts, mut models) = (Vec::new(), Vec::new());
    for (weight, family, point) in chosen {
        let fitted = family.fit(train, &point, params.seed);
        match fitted.and_then(|model| Ok(faded(model, &point)?)) {
            Ok(model) => {
                models.push((weight, model));
                parts.push(Part { weight, family: family.name, point });
            }
            Err(why) => last = why.to_string(),
        }
    }
    if models.is_empty() {
        return Err(no_model(last));
    }
    let blend = Blend::new(models).map_err(|bad| no_model(bad.to_string()))?;
    let model = OfTrain::new(blend, train).with_lists(LIST_MAX.max(params.k));
    Ok(Found { model, parts, valid, families })
}

/// Tunes one family: its starting points, then points drawn near the best one.
fn tune(
    family: &'static Family,
    cuts: &[Cut],
    params: &SearchParams,
    until: f64,
    spent: &mut dyn FnMut() -> f64,
    observe: &mut dyn FnMut(&Trial),
) -> Result<Tuned, FitError> {
    let mut dice = Dice::new(params.seed, family.name);
    let mut best: Option<Tuned> = None;
    let mut failed = None;
    let starts = family.starts();
    let (mut before, mut dearest) = (spent(), 0f64);
    for n in 0..params.trials_max {
        // The first is free; each further one must fit into the time as the dearest before it would have.
        if 0 < n && until <= before + dearest {
            break;
        }
        let point = match (starts.get(n), &best) {
            // What is known of recency by now goes for the next start too.
            (Some(start), best) => {
                let mut point = start.clone();
                let of_best = best.iter().flat_map(|best| best.trial.point.iter());
                let recency = of_best.filter(|(name, _)| RECENCY.iter().any(|(known, _)| known == name));
                point.extend(recency.map(|(name, x)| (name.clone(), *x)));
                point
            }
            (None, Some(best)) => dice.near(&best.trial.point, &family.space(params.timed)),
            (None, None) => break,
        };
        match trial(family, cuts, params, &point, best.as_ref()) {
            Ok(mut tried) => {
                if params.timed && tried.models.len() == cuts.len() {
                    tune_recency(&mut tried, cuts, params.k)?;
                }
                observe(&tried.trial);
                let better = |best: &Tuned| best.trial.value() < tried.trial.value();
                if tried.models.len() == cuts.len() && best.as_ref().is_none_or(better) {
                    best = Some(tried);
                }
            }
            Err(why) => failed = Some(why),
        }
        let now = spent();
        dearest = dearest.max(now - before);
        before = now;
    }
    best.ok_or_else(|| failed.unwrap_or_else(|| "no trial was made".into()))
}

/// Trains at one point for each cut, or only for the first if that shows that it is no better than `best`.
fn trial(
    family: &'static Family,
    cuts: &[Cut],
    params: &SearchParams,
    point: &Point,
    best: Option<&Tuned>,
) -> Result<Tuned, FitError> {
    let mut models = Vec::new();
    let (mut sum, mut first) = (Judged::default(), 0.0);
    for (index, cut) in cuts.iter().enumerate() {
        let model = family.fit(&cut.kept, point, params.seed)?;
        sum.add(cut, &*faded(model.clone(), point)?, params.k);
        models.push(model);
        if index == 0 {
            first = sum.value();
            if best.is_some_and(|best| first < HOPELESS * best.first) {
                break;
            }
        }
    }
    Ok(Tuned { family, trial: sum.trial(family, point), first, models })
}

/// Looks for a better recency, one of its two parameters after the other, twice.
fn tune_recency(tuned: &mut Tuned, cuts: &[Cut], k: usize) -> Result<(), FitError> {
    for _ in 0..2 {
        let before = tuned.trial.value();
        for (name, values) in RECENCY {
            for &value in *values {
                let mut point = tuned.trial.point.clone();
                // Places mean nothing while the floor is 1.
                if *name == "recency_places" && point.get("recency_floor").is_none_or(|floor| *floor == 1.0) {
                    point.insert("recency_floor".to_owned(), 0.2);
                }
                point.insert((*name).to_owned(), value);
                let (mut sum, mut first) = (Judged::default(), 0.0);
                for (cut, model) in cuts.iter().zip(&tuned.models) {
                    sum.add(cut, &*faded(model.clone(), &point)?, k);
                    if first == 0.0 {
                        first = sum.value();
                    }
                }
                let trial = sum.trial(tuned.family, &point);
                if tuned.trial.value() < trial.value() {
                    (tuned.trial, tuned.first) = (trial, first);
                }
            }
        }
        if tuned.trial.value() <= before {
            break;
        }
    }
    Ok(())
}

/// Recall and NDCG over the users of several cuts.
#[derive(Default)]
struct Judged {
    recall: f64,
    ndcg: f64,
    users: f64,
}

impl Judged {
    fn add(&mut self, cut: &Cut, model: &dyn ScoreItems, k: usize) {
        let mean = cut.quality(model, k);
        let n = mean.n() as f64;
        self.recall += mean.get().recall * n;
        self.ndcg += mean.get().ndcg * n;
        self.users += n;
    }

    fn value(&self) -> f64 {
        (self.recall + self.ndcg) / self.users.max(1.0)
    }

    fn trial(&self, family: &Family, point: &Point) -> Trial {
        let users = self.users.max(1.0);
        let (recall, ndcg) = (self.recall / users, self.ndcg / users);
        Trial { family: family.name, point: point.clone(), recall, ndcg }
    }
}

#[cfg(test)]
mod tests;
