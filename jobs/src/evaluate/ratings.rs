//! `evaluate ratings`: how far predictions are from ratings, over folds.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use shoptide_models::evaluate::{Folds, RatingQuality, rating_quality};
use shoptide_models::model::Rated;

use super::error::EvaluateError;
use super::files::read_rated;
use super::frame::{Choice, Gauge, Options, Say, Setting, chosen, flag, or_note, train};
use super::ids::Ids;
use super::registry::ratings::MODELS;
use super::registry::{RatingModel, RatingTrain};
use super::report::{Report, Row};

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
    let mut best: Option<(f64, &RatingModel)> = None;
    for model in models {
        if task.options.model == Choice::Best {
            let score =
                or_note(&task.options.model, data.score(model, &Setting::default(), say), &mut notes)?;
            if let Some(score) = score.filter(|score| best.is_none_or(|(top, _)| *score < top)) {
                best = Some((score, model));
            }
            continue;
        }
        let row = data.measure(model, &Setting::default(), say);
        rows.extend(or_note(&task.options.model, row, &mut notes)?);
    }
    if let Some((_, model)) = best {
        rows.push(data.measure(model, &Setting::default(), say)?);
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

impl Data<'_> {
    fn of(&self, places: impl Iterator<Item = usize>) -> Vec<Rated> {
        places.filter_map(|place| self.ratings.get(place).copied()).collect()
    }

    /// RMSE on a cut of the first fold's training part.
    fn score(&self, model: &RatingModel, setting: &Setting, say: Say<'_>) -> Result<f64, EvaluateError> {
        let all = self.of(self.folds.train(0));
        let Ok(inner) = Folds::seeded(all.len(), VALID_PARTS.min(all.len()), self.seed) else {
            return Ok(f64::INFINITY);
        };
        let pick = |places: &mut dyn Iterator<Item = usize>| -> Vec<Rated> {
            places.filter_map(|place| all.get(place).copied()).collect()
        };
        let (kept, held) = (pick(&mut inner.train(0)), pick(&mut inner.test(0)));
        let of = RatingTrain { n_users: self.n_users, n_items: self.n_items, ratings: &kept };
        let (made, _) = train(model.name, self.seed, say, |run| (model.fit)(of, &setting.point, run))?;
        Ok(rating_quality(&*made, &held).rmse)
    }

    fn measure(&self, model: &RatingModel, setting: &Setting, say: Say<'_>) -> Result<Row, EvaluateError> {
        let mut gauge = Gauge::start();
        let (mut each, mut asked_s) = (Vec::new(), 0.0);
        for fold in 0..self.folds.n() {
            let kept = self.of(self.folds.train(fold));
            let of = RatingTrain { n_users: self.n_users, n_items: self.n_items, ratings: &kept };
            let name = format!("{} fold {}", model.name, fold + 1);
            let (made, seconds) = train(&name, self.seed, say, |run| (model.fit)(of, &setting.point, run))?;
            gauge.trained(seconds);
            let began = Instant::now();
            each.push(rating_quality(&*made, &self.of(self.folds.test(fold))));
            asked_s += began.elapsed().as_secs_f64();
        }
        let mut row = gauge.row(model.name, setting, self.ratings.len(), asked_s);
        let q = RatingQuality::mean(&each);
        row.metrics = vec![("RMSE".to_owned(), q.rmse), ("MAE".to_owned(), q.mae)];
        let folds = each.iter().map(|q| json!({ "rmse": q.rmse, "mae": q.mae, "ratings": q.n }));
        row.more.insert("folds".to_owned(), folds.collect());
        Ok(row)
    }
}
