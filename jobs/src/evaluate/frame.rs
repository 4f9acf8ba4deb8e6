//! What all protocols share: which models are meant, what a run may cost, the clock and the memory of a row.

use std::path::PathBuf;
use std::time::Instant;

use shoptide_models::model::Progress;
use shoptide_models::tune::Point;

use super::error::EvaluateError;
use super::memory::{peak_mb, reset_peak};
use super::registry::{Entry, FitError, Heard, Run, Spent, Tell, Winner};
use super::report::{Row, Tried, Tuned};

/// Which models are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    One(String),
    All,
    /// Whatever wins on a validation cut of the training data.
    Best,
}

impl From<&str> for Choice {
    fn from(name: &str) -> Self {
        match name {
            "all" => Self::All,
            "best" => Self::Best,
            name => Self::One(name.to_owned()),
        }
    }
}

/// What every protocol takes.
#[derive(Debug, Clone)]
pub struct Options {
    pub model: Choice,
    pub seed: u64,
    /// Seconds that a search for parameters may take; `None` searches only for [`Choice::Best`], for [`BUDGET_S`].
    pub budget_s: Option<f64>,
    /// Where the lists go.
    pub lists: Option<PathBuf>,
}

/// Seconds for [`Choice::Best`] if nothing else was asked.
pub const BUDGET_S: f64 = 600.0;
/// A search of more than a day is a mistake.
const BUDGET_S_MAX: f64 = 86_400.0;

impl Options {
    /// # Errors
    /// [`EvaluateError::Flag`] naming the flag that is out of its bounds.
    pub(super) fn check(&self) -> Result<(), EvaluateError> {
        if let Some(s) = self.budget_s.filter(|s| !(0.0..=BUDGET_S_MAX).contains(s)) {
            return Err(flag("--budget-s", s, "0 to 86400"));
        }
        if self.lists.is_some() && self.model == Choice::All {
            return Err(flag("--lists", "given with --model all", "one model's NAME, or best"));
        }
        Ok(())
    }

    /// Seconds to search in, 0 for none.
    pub(super) fn search_s(&self) -> f64 {
        self.budget_s.unwrap_or(if self.model == Choice::Best { BUDGET_S } else { 0.0 })
    }
}

pub(super) fn flag(
    flag: &'static str,
    found: impl std::fmt::Display,
    expected: impl std::fmt::Display,
) -> EvaluateError {
    EvaluateError::Flag { flag, found: found.to_string(), expected: expected.to_string() }
}

/// Checks `k` against the catalogue.
pub(super) fn check_k(k: usize, n_items: usize) -> Result<(), EvaluateError> {
    if (1..=n_items).contains(&k) {
        Ok(())
    } else {
        Err(flag("--k", k, format!("1 to {n_items}, the items of the training data")))
    }
}

/// A share strictly between nothing and everything.
pub(super) fn check_share(share: f64) -> Result<(), EvaluateError> {
    let inside = 0.0 < share && share < 1.0;
    if inside { Ok(()) } else { Err(flag("--valid-share", share, "above 0 and below 1")) }
}

/// The entries that are meant; all of them for `all` and `best`.
pub(super) fn chosen<'a, F>(
    choice: &Choice,
    models: &'a [Entry<F>],
) -> Result<Vec<&'a Entry<F>>, EvaluateError> {
    let Choice::One(name) = choice else { return Ok(models.iter().collect()) };
    match models.iter().find(|entry| entry.name == name) {
        Some(entry) => Ok(vec![entry]),
        None => {
            let names: Vec<&str> = models.iter().map(|entry| entry.name).collect();
            Err(EvaluateError::UnknownModel { found: name.clone(), names: names.join(", ") })
        }
    }
}

/// What a model is trained with.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Setting {
    pub point: Point,
    pub tuned: Option<Tuned>,
    pub tried: Vec<Tried>,
}

/// Hears what is going on, for a person who waits.
pub type Say<'a> = &'a mut dyn FnMut(&str);

/// Trains, and says how far it is.
pub(super) fn train<M>(
    name: &str,
    seed: u64,
    say: Say<'_>,
    fit: impl FnOnce(&mut Run<'_>) -> Result<M, FitError>,
) -> Result<(M, f64), EvaluateError> {
    let began = Instant::now();
    let mut observe = |p: Progress| {
        let loss = p.loss.map_or(String::new(), |loss| format!(", loss {loss:.6e}"));
        say(&format!("{name}: {} of {}{loss}, {:.1} s", p.done, p.total, began.elapsed().as_secs_f64()));
    };
    let model = fit(&mut Run { seed, observe: &mut observe })
        .map_err(|why| EvaluateError::Fit { model: name.to_owned(), why: why.to_string() })?;
    Ok((model, began.elapsed().as_secs_f64()))
}

/// A clock and a memory gauge for one row.
pub(super) struct Gauge {
    train_s: f64,
}

impl Gauge {
    pub(super) fn start() -> Self {
        reset_peak();
        Self { train_s: 0.0 }
    }

    pub(super) fn trained(&mut self, seconds: f64) {
        self.train_s += seconds;
    }

    /// The row, after `queries` that took `seconds` in all on this pool's threads.
    pub(super) fn row(self, model: &str, setting: &Setting, queries: usize, seconds: f64) -> Row {
        let threads = rayon::current_num_threads().min(queries.max(1)) as f64;
        Row {
            model: model.to_owned(),
            metrics: Vec::new(),
            train_s: self.train_s,
            query_us: seconds * 1e6 * threads / queries.max(1) as f64,
            rss_mb: peak_mb(),
            params: setting.point.clone(),
            exclude_current: None,
            tuned: setting.tuned,
            windows: Vec::new(),
            running: Vec::new(),
            tried: setting.tried.clone(),
            more: serde_json::Map::new(),
        }
    }
}

/// With `all`, a model that cannot be trained on the data is a note; alone it is an error.
pub(super) fn or_note<T>(
    choice: &Choice,
    result: Result<T, EvaluateError>,
    notes: &mut Vec<String>,
) -> Result<Option<T>, EvaluateError> {
    match (result, choice) {
        (Ok(made), _) => Ok(Some(made)),
        (Err(error @ EvaluateError::Fit { .. }), Choice::All | Choice::Best) => {
            notes.push(error.to_string());
            Ok(None)
        }
        (Err(error), _) => Err(error),
    }
}

/// Runs a search of a model's own, with a budget and a voice; its row still needs asking.
/// - `began`: when the command did: reading the files is part of its budget
pub(super) fn own_search<M: ?Sized>(
    seconds: f64,
    began: Instant,
    say: Say<'_>,
    search: impl FnOnce(Spent<'_>, Tell<'_>) -> Result<Winner<M>, FitError>,
) -> Result<(Winner<M>, Gauge, Setting), EvaluateError> {
    let (searched, mut tried) = (Instant::now(), Vec::new());
    let mut gauge = Gauge::start();
    let mut spent = || began.elapsed().as_secs_f64() / seconds.max(1e-9);
    let mut tell = |heard: Heard<'_>| {
        let (trial, text) = match heard {
            Heard::Trial(trial, text) => (Some(trial), text),
            Heard::Step(text) => (None, text),
        };
        tried.extend(trial);
        say(&format!("trial {}, {:.0} s: {text}", tried.len(), began.elapsed().as_secs_f64()));
    };
    let won = search(&mut spent, &mut tell)
        .map_err(|why| EvaluateError::Fit { model: "best".to_owned(), why: why.to_string() })?;
    let took = searched.elapsed().as_secs_f64();
    gauge.trained(took);
    let tuned = Some(Tuned { trials: tried.len(), seconds: took, score: won.score });
    let setting = Setting { point: won.params.clone(), tuned, tried };
    Ok((won, gauge, setting))
}
