//! `evaluate ratings`: how far predictions are from ratings, over folds.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use shoptide_models::evaluate::{Folds, RatingQuality, rating_quality};
use shoptide_models::model::Rated;
use shoptide_models::tune::Point;

use super::error::EvaluateError;
use super::files::read_rated;
use super::frame::{Choice, Gauge, Options, Say, Setting, chosen, flag, or_note, train};
use super::ids::Ids;
use super::registry::ratings::MODELS;
use super::registry::{FitRatings, RatingModel, RatingTrain};
use super::report::{Report, Row};
use super::tune::{Found, Judge, settle};

/// What is asked.
#[derive(Debug, Clone)]
pub struct RatingsTask {
    pub file: PathBuf,
    /// Parts; a column `fold` in the file goes before.
    pub folds: usize,
    pub options: Options,
}

/// Share of a fold's training ratings that parameters are chosen on: one of so many parts.
const VALID_PARTS: usize = 10;

struct Data<'a> {
    n_users: usize,
    n_items: usize,
    ratings: &'a [Rated],
    folds: &'a Folds,
    seed: u64,
}

/// Runs the protocol.
///
/// # Errors
/// As [`sessions`](super::sessions()).
pub fn ratings(task: &RatingsTask, say: Say<'_>) -> Result<Report, EvaluateError> {
    task.options.check()?;
    if task.options.lists.is_some() {
        return Err(flag("--lists", "given for ratings", "no lists: nothing is ranked"));
    }
    let models = chosen(&task.options.model, MODELS)?;
    let (mut users, mut items) = (Ids::default(), Ids::default());
    let read = read_rated(&task.file, &mut users, &mut items, false)?;
    let given = read.folds.is_some();
    let folds = match read.folds {
        Some(of) => Folds::given(of).map_err(|e| EvaluateError::file(&task.file, e))?,
        None => Folds::seeded(read.events.len(), task.folds, task.options.seed).map_err(|_| {
            flag("--folds", task.folds, format!("2 to {}, the ratings", read.events.len().min(1000)))
        })?,
    };
    let (n_users, n_items) = (users.len(), items.len());
    let data = Data { n_users, n_items, ratings: &read.events, folds: &folds, seed: task.options.seed };
    let mut notes = Vec::new();
    let mut pairs = std::collections::HashSet::new();
    let again = read.events.iter().filter(|r| !pairs.insert((r.user, r.item))).count();
    if 0 < again {
        notes.push(format!("{again} ratings repeat a user and an item: each counts by itself"));
    }
    let mut rows = Vec::new();
    if task.options.model == Choice::Best {
        rows.push(data.measure(&task.options, &models, &mut notes, say)?);
    } else {
        for model in models {
            let row = data.measure(&task.options, &[model], &mut notes, say);
            rows.extend(or_note(&task.options.model, row, &mut notes)?);
        }
    }
    let how = if given { "given".to_owned() } else { format!("seed {}", task.options.seed) };
    Ok(Report {
        protocol: format!("ratings over {} folds ({how}), mean of the folds", folds.n()),
        k: None,
        seed: task.options.seed,
        sizes: [("ratings", read.events.len()), ("users", n_users), ("items", n_items), ("folds", folds.n())]
            .into(),
        notes,
        rows,
    })
}

/// Of a model on a part of one fold's training ratings: the error, turned round.
struct RatingJudge<'a> {
    n_users: usize,
    n_items: usize,
    kept: &'a [Rated],
    held: &'a [Rated],
    seed: u64,
}

impl Judge<FitRatings> for RatingJudge<'_> {
    fn rungs(&self) -> usize {
        1
    }

    fn score(&mut self, model: &RatingModel, point: &Point, _: usize) -> Result<f64, EvaluateError> {
        let of = RatingTrain { n_users: self.n_users, n_items: self.n_items, ratings: self.kept };
        let (made, _) = train(model.name, self.seed, &mut |_| {}, |run| (model.fit)(of, point, run))?;
        Ok(-rating_quality(&*made, self.held).rmse)
    }
}

impl Data<'_> {
    fn of(&self, places: impl Iterator<Item = usize>) -> Vec<Rated> {
        places.filter_map(|place| self.ratings.get(place).copied()).collect()
    }

    /// What a fold is measured with; chosen on a cut of its own training ratings.
    fn settle<'a>(
        &self,
        options: &Options,
        models: &[&'a RatingModel],
        kept: &[Rated],
        notes: &mut Vec<String>,
        say: Say<'_>,
    ) -> Result<Found<'a, FitRatings>, EvaluateError> {
        let inner = Folds::seeded(kept.len(), VALID_PARTS.min(kept.len()), self.seed);
        let pick = |places: &mut dyn Iterator<Item = usize>| -> Vec<Rated> {
            places.filter_map(|place| kept.get(place).copied()).collect()
        };
        let (part, held) = match &inner {
            Ok(inner) => (pick(&mut inner.train(0)), pick(&mut inner.test(0))),
            Err(_) => (kept.to_vec(), kept.to_vec()),
        };
        let mut judge = RatingJudge {
            n_users: self.n_users,
            n_items: self.n_items,
            kept: &part,
            held: &held,
            seed: self.seed,
        };
        let seconds = options.search_s() / self.folds.n() as f64;
        let found = settle(options, models, seconds, &mut judge, notes, say)?.into_iter().next();
        found.ok_or_else(|| EvaluateError::Fit {
            model: "best".to_owned(),
            why: "no model could be".to_owned(),
        })
    }

    fn measure(
        &self,
        options: &Options,
        models: &[&RatingModel],
        notes: &mut Vec<String>,
        say: Say<'_>,
    ) -> Result<Row, EvaluateError> {
        let (mut each, mut asked_s, mut train_s) = (Vec::new(), 0.0, 0.0);
        let (mut names, mut chosen): (Vec<&str>, Option<Setting>) = (Vec::new(), None);
        let mut gauge = Gauge::start();
        for fold in 0..self.folds.n() {
            let kept = self.of(self.folds.train(fold));
            let found = self.settle(options, models, &kept, notes, say)?;
            let (model, setting) = (found.model, found.setting);
            let of = RatingTrain { n_users: self.n_users, n_items: self.n_items, ratings: &kept };
            let name = format!("{} fold {}", model.name, fold + 1);
            let (made, seconds) = train(&name, self.seed, say, |run| (model.fit)(of, &setting.point, run))?;
            train_s += seconds;
            let began = Instant::now();
            each.push(rating_quality(&*made, &self.of(self.folds.test(fold))));
            asked_s += began.elapsed().as_secs_f64();
            if !names.contains(&model.name) {
                names.push(model.name);
            }
            chosen.get_or_insert(setting);
        }
        gauge.trained(train_s);
        let mut row = gauge.row(&names.join(", "), &chosen.unwrap_or_default(), self.ratings.len(), asked_s);
        let q = RatingQuality::mean(&each);
        row.metrics = vec![("RMSE".to_owned(), q.rmse), ("MAE".to_owned(), q.mae)];
        let folds = each.iter().map(|q| json!({ "rmse": q.rmse, "mae": q.mae, "ratings": q.n }));
        row.more.insert("folds".to_owned(), folds.collect());
        Ok(row)
    }
}
