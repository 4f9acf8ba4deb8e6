//! The best ranking of a set of interactions, found on a cut of the training data alone: every family of models is tuned for a
//! share of the time, the winners are mixed, and what has a place in the mix is trained again on everything.
//!
//! This crate has no clock: the caller says what part of his budget is gone. With an answer that depends on the number of
//! questions only, a search gives the same result every time.

mod cut;
mod dice;
mod family;
mod mix;
mod order;

pub use family::{FAMILIES, Family, FitError, recency};

use std::sync::Arc;

use crate::matrix::Interactions;
use crate::params::{BadParam, check};
use crate::ranking::ranker::popular;
use crate::ranking::{Blend, Faded, OfTrain, Ranker, ScoreItems};
use crate::tune::Point;
use cut::Cut;
use dice::Dice;
use family::RECENCY;
use order::Until;

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
    pub model: OfTrain<Box<dyn ScoreItems>>,
    /// Trees that order the top of the mix, 0 if it is better without.
    pub trees: usize,
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
    /// Parts of the budget that one training took, and asking one user.
    fit_cost: f64,
    ask_cost: f64,
}

impl Tuned {
    /// What it will cost to train on all of the data, and to make everyone's list.
    fn last_cost(&self, users: usize) -> f64 {
        COST_MARGIN * (self.fit_cost + self.ask_cost * users as f64)
    }

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

/// Part of the budget after which no more is tuned, whatever the rest costs.
const TUNING_SHARE: f64 = 0.65;
/// Part of the budget after which no further family is begun: nobody knows what its first training costs.
const BEGIN_UNTIL: f64 = 0.4;
/// Part of the budget at which all is done; the caller still has to ask his questions.
const ALL_UNTIL: f64 = 0.95;
/// What was measured on a cut costs so much more on everything, and on a machine that is busier then.
const COST_MARGIN: f64 = 1.25;
/// Of what is left beside the last trainings, the part in which trees are sought.
const TREES_SOUGHT: f64 = 0.35;

/// Lists made beforehand for every known user have this many items.
const LIST_MAX: usize = 100;

/// Searches for the best model.
/// - `spent`: what part of the budget is gone, 0 to 1 and beyond. The search leaves itself time for the last trainings by what
///   the first ones took, and leaves families out that would take too long; the cheapest one is trained whatever it costs.
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
    let mut searched: Vec<Search> = Vec::new();
    // All defaults first: what nobody has time to tune may still have a place in the mix.
    for family in usable {
        if !searched.is_empty() && BEGIN_UNTIL < spent() {
            break;
        }
        let mut search = Search::new(family, params);
        match search.go_on(&cuts, params, 1, f64::INFINITY, spent, observe) {
            Ok(()) => searched.push(search),
            Err(why) => last = why.to_string(),
        }
    }
    for index in 0..searched.len() {
        // Each takes an equal part of what is left, so that what a cheap one leaves over goes to those after it.
        let now = spent();
        let reserve = last_costs(searched.iter().filter_map(|s| s.best.as_ref()), train, &cuts);
        let left = (TUNING_SHARE.min(ALL_UNTIL - reserve) - now).max(0.0);
        let until = now + left / (searched.len() - index) as f64;
        if let Err(why) = searched[index].go_on(&cuts, params, params.trials_max, until, spent, observe) {
            last = why.to_string();
        }
    }
    let mut tuned: Vec<Tuned> = searched.into_iter().filter_map(|search| search.best).collect();
    // What would not be trained in time has no place in the mix.
    while 1 < tuned.len() && ALL_UNTIL < spent() + last_costs(tuned.iter(), train, &cuts) {
        let cost = |tuned: &Tuned| tuned.last_cost(train.n_rows());
        let dearest = (0..tuned.len()).max_by(|&a, &b| cost(&tuned[a]).total_cmp(&cost(&tuned[b])));
        dearest.map(|dearest| tuned.remove(dearest));
    }
    if tuned.is_empty() {
        return Err(SearchError::NoModel { last });
    }
    let no_model = |last: String| SearchError::NoModel { last };
    let models: Result<Vec<_>, BadParam> = tuned.iter().map(Tuned::faded).collect();
    let models = models.map_err(|bad| no_model(bad.to_string()))?;
    let gathered = mix::gather(&models, &cuts, params);
    drop(models);
    let (weights, mut valid) = mix::weights(&gathered, params);
    observe(&valid);
    let popular: Vec<Vec<f32>> = cuts.iter().map(|cut| popular(&cut.kept)).collect();
    let now = spent();
    let finish: f64 = tuned.iter().map(|tuned| tuned.last_cost(train.n_rows())).sum();
    let left = (ALL_UNTIL - finish - now).max(0.0);
    let until = Until { spent, sought: now + TREES_SOUGHT * left, done: now + left, users: train.n_rows() };
    let ordered =
        if 0.0 < left { order::order(&gathered, &popular, &weights, params, until) } else { Ok(None) };
    let ordered = ordered.map_err(|bad| no_model(bad.to_string()))?;
    drop(gathered);
    if let Some(ordered) = &ordered {
        (valid.family, valid.recall, valid.ndcg) = ("trees", ordered.recall, ordered.ndcg);
        observe(&valid);
    }
    let families = tuned.iter().map(|t| t.trial.clone()).collect();
    let chosen: Vec<(f64, &'static Family, Point)> = tuned
        .into_iter()
        .zip(weights)
        .filter(|(_, weight)| ordered.is_some() || 0.0 < *weight)
        .map(|(tuned, weight)| (weight, tuned.family, tuned.trial.point))
        .collect();
    let mut trees = 0;
    let (mut parts, mut models) = (Vec::new(), Vec::new());
    for (weight, family, point) in chosen {
        let fitted = family.fit(train, &point, params.seed);
        match fitted.and_then(|model| Ok(faded(model, &point)?)) {
            Ok(model) => {
                models.push((weight, model));
                parts.push(Part { weight, family: family.name, point });
            }
            // Trees know the parts by their places.
            Err(why) if ordered.is_some() => return Err(no_model(why.to_string())),
            Err(why) => last = why.to_string(),
        }
    }
    if models.is_empty() {
        return Err(no_model(last));
    }
    let made = match ordered {
        Some(ordered) => {
            trees = ordered.trees.len();
            Ranker::new(models, (ordered.trees, ordered.trust), train, mix::DEPTH * params.k)
                .map(|made| Box::new(made) as Box<dyn ScoreItems>)
        }
        None => Blend::new(models).map(|made| Box::new(made) as Box<dyn ScoreItems>),
    };
    let made = made.map_err(|bad| no_model(bad.to_string()))?;
    let model = OfTrain::new(made, train).with_lists(LIST_MAX.max(params.k));
    Ok(Found { model, trees, parts, valid, families })
}

/// What asking all judged users, training on everything and making everyone's list will cost.
fn last_costs<'a>(tuned: impl Iterator<Item = &'a Tuned>, train: &Interactions, cuts: &[Cut]) -> f64 {
    let asked: usize = cuts.iter().map(|cut| cut.asked.len()).sum();
    tuned.map(|tuned| tuned.last_cost(train.n_rows() + asked)).sum()
}

/// The tuning of one family: its starting points, then points drawn near the best one.
struct Search {
    family: &'static Family,
    dice: Dice,
    best: Option<Tuned>,
    made: usize,
    dearest: f64,
}

impl Search {
    fn new(family: &'static Family, params: &SearchParams) -> Self {
        Self { family, dice: Dice::new(params.seed, family.name), best: None, made: 0, dearest: 0.0 }
    }

    /// Makes trials until there are `trials` of them, or the next would not fit into the time as the dearest before it would
    /// have. An error if there is still no best one.
    fn go_on(
        &mut self,
        cuts: &[Cut],
        params: &SearchParams,
        trials: usize,
        until: f64,
        spent: &mut dyn FnMut() -> f64,
        observe: &mut dyn FnMut(&Trial),
    ) -> Result<(), FitError> {
        let mut failed = None;
        let starts = self.family.starts();
        // The first trial only shows what the family can do; what it finds out about time is for when its turn comes.
        if let Some(best) = self.best.as_mut().filter(|_| params.timed && self.made == 1) {
            tune_recency(best, cuts, params.k, &mut || spent() < until)?;
            observe(&best.trial);
        }
        let mut before = spent();
        while self.made < trials && before + self.dearest < until {
            let point = match (starts.get(self.made), &self.best) {
                // What is known of recency by now goes for the next start too.
                (Some(start), best) => {
                    let mut point = start.clone();
                    let of_best = best.iter().flat_map(|best| best.trial.point.iter());
                    let recency = of_best.filter(|(name, _)| RECENCY.iter().any(|(known, _)| known == name));
                    point.extend(recency.map(|(name, x)| (name.clone(), *x)));
                    point
                }
                (None, Some(best)) => self.dice.near(&best.trial.point, &self.family.space(params.timed)),
                (None, None) => break,
            };
            self.made += 1;
            match trial(self.family, cuts, params, &point, self.best.as_ref(), spent) {
                Ok(tried) => self.take(tried, cuts, params, &mut || spent() < until, observe)?,
                Err(why) => failed = Some(why),
            }
            let now = spent();
            self.dearest = self.dearest.max(now - before);
            before = now;
        }
        match (&self.best, failed) {
            (None, why) => Err(why.unwrap_or_else(|| "no trial was made".into())),
            _ => Ok(()),
        }
    }

    fn take(
        &mut self,
        mut tried: Tuned,
        cuts: &[Cut],
        params: &SearchParams,
        go_on: &mut dyn FnMut() -> bool,
        observe: &mut dyn FnMut(&Trial),
    ) -> Result<(), FitError> {
        let complete = tried.models.len() == cuts.len();
        let hopeful = |best: &Tuned| HOPELESS * best.trial.value() < tried.trial.value();
        if params.timed && complete && self.best.as_ref().is_some_and(hopeful) {
            tune_recency(&mut tried, cuts, params.k, go_on)?;
        }
        observe(&tried.trial);
        let better = |best: &Tuned| best.trial.value() < tried.trial.value();
        if complete && self.best.as_ref().is_none_or(better) {
            self.best = Some(tried);
        }
        Ok(())
    }
}

/// Trains at one point for each cut, or only for the first if that shows that it is no better than `best`.
fn trial(
    family: &'static Family,
    cuts: &[Cut],
    params: &SearchParams,
    point: &Point,
    best: Option<&Tuned>,
    spent: &mut dyn FnMut() -> f64,
) -> Result<Tuned, FitError> {
    let mut models = Vec::new();
    let (mut fit_cost, mut ask_cost) = (0f64, 0f64);
    let (mut sum, mut first) = (Judged::default(), 0.0);
    for (index, cut) in cuts.iter().enumerate() {
        let began = spent();
        let model = family.fit(&cut.kept, point, params.seed)?;
        let fitted = spent();
        sum.add(cut, &*faded(model.clone(), point)?, params.k);
        fit_cost = fit_cost.max(fitted - began);
        ask_cost = ask_cost.max((spent() - fitted) / cut.asked.len().max(1) as f64);
        models.push(model);
        if index == 0 {
            first = sum.value();
            if best.is_some_and(|best| first < HOPELESS * best.first) {
                break;
            }
        }
    }
    Ok(Tuned { family, trial: sum.trial(family, point), first, models, fit_cost, ask_cost })
}

/// Looks for a better recency, one of its two parameters after the other, twice.
fn tune_recency(
    tuned: &mut Tuned,
    cuts: &[Cut],
    k: usize,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(), FitError> {
    for _ in 0..2 {
        let before = tuned.trial.value();
        for (name, values) in RECENCY {
            for &value in *values {
                if !go_on() {
                    return Ok(());
                }
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
