//! The search for parameters: every model is tried as it comes, the promising ones get what is left of the budget.

use std::time::{Duration, Instant};

use shoptide_models::search::{Objective, SearchParams, Trials, search};
use shoptide_models::tune::Point;

use super::error::EvaluateError;
use super::frame::{Choice, Options, Say, Setting, or_note};
use super::registry::Entry;
use super::report::{Tried, Tuned};

/// Models that are searched after the first round, with the share of the remaining budget that each gets.
const SHARES: [f64; 3] = [0.5, 0.6, 1.0];
/// Trials at most: by then the estimator has long settled.
const TRIALS_MAX: usize = 2_000;
/// Trials of one model that are drawn evenly.
const RANDOM: usize = 12;

/// Scores a point of a model on the validation cut; greater is better. Called rung by rung, see [`Objective::score`].
pub(super) trait Judge<F> {
    fn rungs(&self) -> usize;
    /// How long the measurement that follows takes at most, in whole trials: it is left that much of the budget.
    fn last_trials(&self) -> f64 {
        2.0
    }
    /// # Errors
    /// If the model cannot be trained there.
    fn score(&mut self, model: &Entry<F>, point: &Point, rung: usize) -> Result<f64, EvaluateError>;
}

/// A model with what was found for it.
pub(super) struct Found<'a, F> {
    pub model: &'a Entry<F>,
    pub setting: Setting,
    /// On the validation cut.
    pub score: f64,
}

/// What each model that is meant is measured with: the defaults, or what a search finds. For [`Choice::Best`] all that
/// could be trained, best first; else in the order of `models`.
///
/// # Errors
/// If a model that was named cannot be trained on the cut, or none of all can.
pub(super) fn settle<'a, F>(
    options: &Options,
    models: &[&'a Entry<F>],
    seconds: f64,
    judge: &mut dyn Judge<F>,
    notes: &mut Vec<String>,
    say: Say<'_>,
) -> Result<Vec<Found<'a, F>>, EvaluateError> {
    if options.model == Choice::Best {
        let (found, failed) = tune(models, options.seed, seconds, judge, say)?;
        notes.extend(failed);
        return Ok(found);
    }
    let mut all = Vec::new();
    for &model in models {
        if seconds <= 0.0 {
            all.push(Found { model, setting: Setting::default(), score: f64::NAN });
            continue;
        }
        let found = tune(&[model], options.seed, seconds, judge, say).map(|(found, _)| found);
        all.extend(or_note(&options.model, found, notes)?.into_iter().flatten());
    }
    Ok(all)
}

/// A note with the models' scores on the cut.
pub(super) fn standing<F>(found: &[Found<'_, F>]) -> String {
    let each: Vec<String> = found.iter().map(|f| format!("{} {:.4}", f.model.name, f.score)).collect();
    format!("on the validation cut: {}", each.join(", "))
}

struct Search<'a, 'b, F> {
    model: &'a Entry<F>,
    judge: &'b mut dyn Judge<F>,
    say: &'b mut dyn FnMut(&str),
    until: Instant,
    /// Starts are tried even if the budget is spent, so that there is a result.
    at_least: usize,
    made: usize,
    slowest: Duration,
    began: Instant,
    failed: Option<EvaluateError>,
}

impl<F> Objective for Search<'_, '_, F> {
    fn score(&mut self, _: usize, point: &Point, rung: usize) -> Option<f64> {
        if rung == 0 {
            self.began = Instant::now();
        }
        match self.judge.score(self.model, point, rung) {
            Ok(score) => Some(score),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    fn more(&mut self) -> bool {
        // A trial is not begun if it, and the measurement after it, would end after the time is up.
        let needed = self.slowest.mul_f64(1.0 + self.judge.last_trials());
        self.made < self.at_least || Instant::now() + needed < self.until
    }

    fn done(&mut self, trials: &Trials) {
        self.made = trials.done.len();
        self.slowest = self.slowest.max(self.began.elapsed());
        let best = trials.best().map_or("none yet".to_owned(), |(_, score)| format!("{score:.4}"));
        (self.say)(&format!("{}: {} trials, best {best}", self.model.name, self.made));
    }
}

/// Tries every model, then searches the best. Returns all that could be trained, best first.
///
/// # Errors
/// If not one model could be trained: the first one's error.
pub(super) fn tune<'a, F>(
    models: &[&'a Entry<F>],
    seed: u64,
    seconds: f64,
    judge: &mut dyn Judge<F>,
    say: Say<'_>,
) -> Result<(Vec<Found<'a, F>>, Vec<String>), EvaluateError> {
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let mut states: Vec<(&'a Entry<F>, Trials, Duration, Duration)> = Vec::new();
    let (mut notes, mut first_error) = (Vec::new(), None);
    let mut slowest_of_all = Duration::ZERO;
    for &model in models {
        if !states.is_empty() && until < Instant::now() + slowest_of_all.mul_f64(judge.last_trials()) {
            notes.push(format!("{} was not tried: the budget was spent", model.name));
            continue;
        }
        let mut trials = Trials::default();
        let (took, slowest, failed) =
            advance(model, &mut trials, true, seed, until, Duration::ZERO, judge, say);
        match failed {
            Some(error) if trials.best().is_none() => {
                notes.push(error.to_string());
                first_error.get_or_insert(error);
            }
            _ => {
                slowest_of_all = slowest_of_all.max(slowest);
                states.push((model, trials, took, slowest));
            }
        }
    }
    let score = |trials: &Trials| trials.best().map_or(f64::NEG_INFINITY, |(_, score)| score);
    states.sort_by(|a, b| score(&b.1).total_cmp(&score(&a.1)));
    for ((model, trials, took, _), share) in states.iter_mut().zip(SHARES) {
        let left = until.saturating_duration_since(Instant::now());
        let share = if models.len() == 1 { 1.0 } else { share };
        let (more, ..) = advance(
            model,
            trials,
            false,
            seed,
            Instant::now() + left.mul_f64(share),
            slowest_of_all,
            judge,
            say,
        );
        *took += more;
    }
    states.sort_by(|a, b| score(&b.1).total_cmp(&score(&a.1)));
    let found: Vec<Found<'a, F>> = states
        .into_iter()
        .filter_map(|(model, trials, took, _)| {
            let (best, score) = trials.best()?;
            let tuned = Tuned { trials: trials.done.len(), seconds: took.as_secs_f64(), score };
            let (point, tried) = (best.point.clone(), Tried::of(model.name, &trials));
            Some(Found { model, score, setting: Setting { point, tuned: Some(tuned), tried } })
        })
        .collect();
    match (found.is_empty(), first_error) {
        (true, Some(error)) => Err(error),
        _ => Ok((found, notes)),
    }
}

/// Makes the starts (`first`), or searches on until `until`. Returns the time taken, the slowest trial and the first
/// failure.
#[allow(clippy::too_many_arguments)]
fn advance<F>(
    model: &Entry<F>,
    trials: &mut Trials,
    first: bool,
    seed: u64,
    until: Instant,
    slowest: Duration,
    judge: &mut dyn Judge<F>,
    say: Say<'_>,
) -> (Duration, Duration, Option<EvaluateError>) {
    let began = Instant::now();
    let mut starts = vec![Point::new()];
    let named = |(name, value): &(&str, f64)| ((*name).to_owned(), *value);
    starts.extend(model.starts.iter().map(|start| start.iter().map(named).collect::<Point>()));
    let (trials_max, at_least) = if first { (starts.len(), 1) } else { (TRIALS_MAX, 0) };
    let rungs = judge.rungs();
    let random = RANDOM.min(trials_max);
    let mut objective =
        Search { model, judge, say, until, at_least, made: trials.done.len(), slowest, began, failed: None };
    if let Ok(params) = SearchParams::new(trials_max, random, rungs, seed) {
        search(model.space, &starts, &params, trials, &mut objective);
    }
    (began.elapsed(), objective.slowest, objective.failed)
}
