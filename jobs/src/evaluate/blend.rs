//! The best few models as one: weights searched on the validation cut, kept only if they are worth it.

use std::time::Instant;

use rayon::prelude::*;
use shoptide_models::hybrid::{Scale, Weights};
use shoptide_models::model::Scored;
use shoptide_models::search::{Objective, SearchParams, Trials, search};
use shoptide_models::tune::{Dimension, Point, Range};

use super::frame::Setting;
use super::report::Tuned;
use super::tune::Found;

/// Models that are blended at most; one weight each.
pub(super) const BLENDED_MAX: usize = SPACE.len();

const fn weight(name: &'static str) -> Dimension {
    Dimension { name, range: Range::Linear(0.0, 1.0) }
}

const SPACE: &[Dimension] = &[weight("first"), weight("second"), weight("third"), weight("fourth")];

/// Points tried for each scale: the weights are few and the ground is smooth.
const TRIALS: usize = 80;
const RANDOM: usize = 15;
/// Of what is asked, every so many are looked at by the first rung, then all.
const EVERY: [usize; 2] = [4, 1];
/// A source that adds less than this share of the score is left out: it costs its training and its queries.
const GAIN_MIN: f64 = 0.001;

/// What a blend was worth: the score, and whether the current item was left out.
pub(super) type Worth = (f64, bool);

/// Judges summed scores: `of(n, out)` fills in those of question `n`; every `every`-th question is asked.
pub(super) type JudgeSum<'a> = dyn Fn(&(dyn Fn(usize, &mut Scored) + Sync), usize) -> Worth + 'a;

/// A blend that won.
pub(super) struct Blended {
    weights: Weights,
    pub scale: Scale,
    score: f64,
    trials: usize,
    seconds: f64,
    /// Score with each source left out.
    without: Vec<f64>,
}

struct Trying<'a> {
    until: Instant,
    worth: &'a dyn Fn(&Weights, usize) -> Worth,
}

impl Objective for Trying<'_> {
    fn score(&mut self, _: usize, point: &Point, rung: usize) -> Option<f64> {
        let every = EVERY.get(rung).copied().unwrap_or(1);
        Some((self.worth)(&weights_at(point)?, every).0)
    }

    fn more(&mut self) -> bool {
        Instant::now() < self.until
    }

    fn done(&mut self, _: &Trials) {}
}

fn weights_at(point: &Point) -> Option<Weights> {
    let of = |d: &Dimension| point.get(d.name).copied().unwrap_or(0.0);
    Weights::new(&SPACE.iter().map(of).collect::<Vec<_>>()).ok()
}

/// Searches weights for `n` sources; nothing if no blend is better than `alone`, the best model by itself.
/// - `answers`: by source and question, each on the scale
pub(super) fn search_blend(
    n: usize,
    alone: f64,
    seed: u64,
    until: Instant,
    answers: &dyn Fn(Scale) -> Vec<Vec<Scored>>,
    judge: &JudgeSum<'_>,
) -> Option<Blended> {
    let n = n.min(SPACE.len());
    if n < 2 {
        return None;
    }
    let began = Instant::now();
    let space = SPACE.get(..n)?;
    let point = |of: &dyn Fn(usize) -> f64| -> Point {
        space.iter().enumerate().map(|(at, d)| (d.name.to_owned(), of(at))).collect()
    };
    let starts = [
        point(&|at| if at == 0 { 1.0 } else { 0.0 }),
        point(&|_| 1.0),
        point(&|at| 0.5f64.powi(at as i32)),
        point(&|at| if at == 0 { 1.0 } else { 0.3 }),
    ];
    let mut best: Option<Blended> = None;
    let mut tried = 0;
    for scale in [Scale::Largest, Scale::Spread, Scale::Place] {
        if until <= Instant::now() {
            break;
        }
        let answers = answers(scale);
        let worth = |weights: &Weights, every: usize| {
            let sum = |question: usize, out: &mut Scored| {
                weights.sum(answers.iter().filter_map(|source| source.get(question).map(Vec::as_slice)), out);
            };
            judge(&sum, every)
        };
        let mut trials = Trials::default();
        let params = SearchParams::new(TRIALS, RANDOM, EVERY.len(), seed).ok()?;
        search(space, &starts, &params, &mut trials, &mut Trying { until, worth: &worth });
        tried += trials.done.len();
        let Some((trial, score)) = trials.best() else { continue };
        if best.as_ref().is_some_and(|best| score <= best.score) {
            continue;
        }
        let mut kept = trial.point.clone();
        let (mut score, mut without) = (score, vec![score; n]);
        // What adds next to nothing goes, the least first by place.
        for (at, d) in space.iter().enumerate().rev() {
            let mut point = kept.clone();
            point.insert(d.name.to_owned(), 0.0);
            let left = weights_at(&point).map_or(f64::NEG_INFINITY, |weights| worth(&weights, 1).0);
            if score * (1.0 - GAIN_MIN) <= left {
                (kept, score) = (point, left);
            }
            if let Some(slot) = without.get_mut(at) {
                *slot = left;
            }
        }
        let weights = weights_at(&kept)?;
        best = Some(Blended { weights, scale, score, trials: 0, seconds: 0.0, without });
    }
    let several = |b: &Blended| 1 < b.weights.get().iter().filter(|weight| 0.0 < **weight).count();
    let best = best.filter(|best| alone < best.score && several(best))?;
    Some(Blended { trials: tried, seconds: began.elapsed().as_secs_f64(), ..best })
}

impl Blended {
    /// `blend(a, b)`, of those that have weight.
    pub(super) fn name(&self, names: &[&str]) -> String {
        let used = names.iter().zip(self.weights.get()).filter(|(_, weight)| 0.0 < **weight);
        format!("blend({})", used.map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
    }

    /// The sources that have weight.
    pub(super) fn used<'f, 'a, F>(
        &self,
        sources: &'f [&'f Found<'a, F>],
    ) -> impl Iterator<Item = &'f Found<'a, F>> {
        let used: Vec<bool> = self.weights.get().iter().map(|weight| 0.0 < *weight).collect();
        sources.iter().copied().zip(used).filter(|entry| entry.1).map(|entry| entry.0)
    }

    /// Their weights.
    pub(super) fn weights_used(&self) -> Weights {
        let used: Vec<f64> = self.weights.get().iter().filter(|w| 0.0 < **w).map(|w| f64::from(*w)).collect();
        Weights::new(&used).unwrap_or_else(|_| self.weights.clone())
    }

    /// Weights and the parameters of each source, as `source.parameter`.
    pub(super) fn setting<F>(&self, sources: &[&Found<'_, F>]) -> Setting {
        let mut point = Point::new();
        let (mut trials, mut seconds) = (self.trials, self.seconds);
        for (found, weight) in sources.iter().zip(self.weights.get()).filter(|(_, weight)| 0.0 < **weight) {
            point.insert(format!("{}.weight", found.model.name), f64::from(*weight));
            for (name, value) in &found.setting.point {
                point.insert(format!("{}.{name}", found.model.name), *value);
            }
            if let Some(tuned) = found.setting.tuned {
                trials += tuned.trials;
                seconds += tuned.seconds;
            }
        }
        Setting { point, tuned: Some(Tuned { trials, seconds, score: self.score }) }
    }

    /// What each source adds, on the validation cut.
    pub(super) fn note(&self, names: &[&str], alone: f64) -> String {
        let each =
            names.iter().zip(&self.without).map(|(name, without)| format!("without {name} {without:.4}"));
        let each: Vec<String> = each.collect();
        let scale = match self.scale {
            Scale::Largest => "over the largest score",
            Scale::Spread => "from the last to the best",
            Scale::Place => "by place",
        };
        format!(
            "the blend has {:.4} on the cut, the best model alone {alone:.4}; {}; scores {scale}",
            self.score,
            each.join(", ")
        )
    }
}

/// All questions answered by one source, in parallel, on a common scale.
pub(super) fn ask_all(n: usize, scale: Scale, ask: &(dyn Fn(usize) -> Scored + Sync)) -> Vec<Scored> {
    (0..n).into_par_iter().map(|question| scale.apply(ask(question))).collect()
}
