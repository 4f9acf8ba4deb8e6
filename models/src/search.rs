//! A search for good parameters: random points first, then a tree-structured Parzen estimator, with early stops.
//!
//! Bergstra et al., *Algorithms for hyper-parameter optimization*, NIPS 2011; the stop is the median rule of Golovin et
//! al., *Google Vizier*, KDD 2017. Every trial depends only on the seed, its number and the trials before it, so a search
//! that was interrupted and goes on from its saved [`Trials`] finds what one without a break would have found.

mod dice;
mod parzen;

use std::collections::BTreeMap;

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range};
use dice::Dice;

/// Draws of a point that was not tried before, until the space is taken to be exhausted.
const REDRAWS_MAX: usize = 50;
/// Trials at a rung before the median there stops anyone.
const STOP_AFTER: usize = 4;

/// Checked parameters of [`search`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchParams {
    trials: usize,
    random: usize,
    rungs: usize,
    seed: u64,
}

impl SearchParams {
    /// - `trials`: in all, those already made included, 1 to 100000
    /// - `random`: drawn evenly before the estimator takes over, at most `trials`
    /// - `rungs`: measurements of a trial, each better and dearer than the one before, 1 to 10
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(trials: usize, random: usize, rungs: usize, seed: u64) -> Result<Self, BadParam> {
        Ok(Self {
            trials: check("search.trials", trials, (1..=100_000).contains(&trials), "1 to 100000")?,
            random: check("search.random", random, random <= trials, "at most search.trials")?,
            rungs: check("search.rungs", rungs, (1..=10).contains(&rungs), "1 to 10")?,
            seed,
        })
    }

    pub fn rungs(&self) -> usize {
        self.rungs
    }
}

/// One point and what it was worth.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub point: Point,
    /// At each rung it reached; greater is better. Empty if it failed.
    pub scores: Vec<f64>,
    /// It reached the last rung.
    pub finished: bool,
}

/// Everything a search knows; save it to go on later.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trials {
    pub done: Vec<Trial>,
}

impl Trials {
    /// The finished trial with the greatest last score, the first of several.
    pub fn best(&self) -> Option<(&Trial, f64)> {
        let finished = self.done.iter().filter(|trial| trial.finished);
        let scored = finished.filter_map(|trial| Some((trial, *trial.scores.last()?)));
        scored.fold(None, |best, new| match best {
            Some((_, top)) if new.1 <= top => best,
            _ => Some(new),
        })
    }

    /// Whether a score may go on from a rung: it is not below the median of all that were measured there.
    fn may_go_on(&self, rung: usize, score: f64) -> bool {
        let mut there: Vec<f64> =
            self.done.iter().filter_map(|trial| trial.scores.get(rung).copied()).collect();
        if there.len() < STOP_AFTER {
            return true;
        }
        there.sort_unstable_by(f64::total_cmp);
        there.get(there.len() / 2).is_none_or(|median| *median <= score)
    }

    /// Trials best first: whoever came further, then by score there. Failures are last.
    fn ranked(&self) -> Vec<&Trial> {
        let mut ranked: Vec<&Trial> = self.done.iter().collect();
        let last = |trial: &Trial| trial.scores.last().copied().unwrap_or(f64::NEG_INFINITY);
        ranked.sort_by(|a, b| b.scores.len().cmp(&a.scores.len()).then(last(b).total_cmp(&last(a))));
        ranked
    }
}

/// What the caller of a search decides.
pub trait Objective {
    /// The worth of a point at a rung (from 0), greater is better; `None` or a number that is not finite is a failure and
    /// ends the trial. Called rung by rung for the same trial, so that a trained model can be kept between them.
    fn score(&mut self, trial: usize, point: &Point, rung: usize) -> Option<f64>;
    /// Whether there is budget for another trial.
    fn more(&mut self) -> bool;
    /// A trial is done: show it, save it.
    fn done(&mut self, trials: &Trials);
}

/// Searches, going on from `trials`.
/// - `space`: what is searched; without dimensions only the starts are tried
/// - `starts`: tried first, in this order; the empty point stands for the defaults
///
/// Ends when the trials are made, the budget is, or nothing new is left. [`Trials::best`] has the result.
pub fn search(
    space: &[Dimension],
    starts: &[Point],
    params: &SearchParams,
    trials: &mut Trials,
    objective: &mut dyn Objective,
) {
    while trials.done.len() < params.trials && objective.more() {
        let number = trials.done.len();
        let Some(point) = propose(space, starts, params, trials) else { return };
        let (mut scores, mut finished) = (Vec::new(), false);
        for rung in 0..params.rungs {
            let Some(score) = objective.score(number, &point, rung).filter(|s| s.is_finite()) else {
                scores.clear();
                break;
            };
            scores.push(short(score));
            finished = rung + 1 == params.rungs;
            if !finished && !trials.may_go_on(rung, score) {
                break;
            }
        }
        trials.done.push(Trial { point, finished, scores });
        objective.done(trials);
    }
}

/// The next point; nothing if every point seems to have been tried.
fn propose(space: &[Dimension], starts: &[Point], params: &SearchParams, trials: &Trials) -> Option<Point> {
    let number = trials.done.len();
    if let Some(start) = starts.get(number) {
        return Some(start.clone());
    }
    if space.is_empty() {
        return None;
    }
    let tried = |point: &Point| trials.done.iter().any(|trial| trial.point == *point);
    (0..REDRAWS_MAX).find_map(|redraw| {
        let mut dice = Dice::new(params.seed, number as u64, redraw as u64);
        let drawn = if number < starts.len() + params.random || 0 < redraw && redraw % 2 == 0 {
            space.iter().map(|d| (d.name.to_owned(), value(d.range, dice.unit()))).collect()
        } else {
            parzen::propose(space, &trials.ranked(), &mut dice)
        };
        (!tried(&drawn)).then_some(drawn)
    })
}

/// Twelve digits of a number: a search that is saved as text and goes on must read what was written.
fn short(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

/// A coordinate, 0 to 1, as a value of the range.
fn value(range: Range, unit: f64) -> f64 {
    let unit = unit.clamp(0.0, 1.0);
    let value = match range {
        Range::Linear(low, high) => low + unit * (high - low),
        Range::Log(low, high) => (low.ln() + unit * (high.ln() - low.ln())).exp().clamp(low, high),
        Range::Whole(low, high) => {
            let steps = (high - low) as f64 + 1.0;
            (low as f64 + (unit * steps).floor()).min(high as f64)
        }
        Range::Choice(of) => {
            let at = ((unit * of.len() as f64) as usize).min(of.len().saturating_sub(1));
            return of.get(at).copied().unwrap_or(0.0);
        }
    };
    short(value)
}

/// The coordinate of a value: the middle of its step where there are steps.
fn unit(range: Range, value: f64) -> f64 {
    let unit = match range {
        Range::Linear(low, high) => (value - low) / (high - low),
        Range::Log(low, high) => (value.max(low).ln() - low.ln()) / (high.ln() - low.ln()),
        Range::Whole(low, high) => (value - low as f64 + 0.5) / ((high - low) as f64 + 1.0),
        Range::Choice(of) => {
            let at = of.iter().position(|choice| *choice == value).unwrap_or(0);
            (at as f64 + 0.5) / of.len().max(1) as f64
        }
    };
    if unit.is_finite() { unit.clamp(0.0, 1.0) } else { 0.5 }
}

/// How much each parameter mattered: the spread of the mean scores over thirds of its range, for a look at a search.
pub fn importance(space: &[Dimension], trials: &Trials) -> BTreeMap<&'static str, f64> {
    let finished: Vec<&Trial> = trials.done.iter().filter(|trial| trial.finished).collect();
    let spread = |d: &Dimension| {
        let mut thirds = [(0.0, 0usize); 3];
        for trial in &finished {
            let (Some(at), Some(score)) = (trial.point.get(d.name), trial.scores.last()) else { continue };
            let third = ((unit(d.range, *at) * 3.0) as usize).min(2);
            if let Some((sum, n)) = thirds.get_mut(third) {
                *sum += score;
                *n += 1;
            }
        }
        let means = || thirds.iter().filter(|(_, n)| 0 < *n).map(|(sum, n)| sum / *n as f64);
        let most = means().fold(f64::NEG_INFINITY, f64::max);
        let least = means().fold(f64::INFINITY, f64::min);
        (d.name, if least <= most { most - least } else { 0.0 })
    };
    space.iter().map(spread).collect()
}

#[cfg(test)]
mod tests;
