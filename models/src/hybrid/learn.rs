//! Weights of a blend from feedback: logistic regression of what was taken on the scores that each source had given.
//!
//! Prequential: the weights of a window are learned from the windows before it, and tested on it before it is learned.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray_of_linfa::{Array1, Array2};

use crate::params::{BadParam, check};

/// Sources at most: a row a shown item, and a regression over more says nothing any more.
const SOURCES_MAX: usize = 64;
/// Shown items of the past that are learned from at most, the newest: bounds time and memory, and lets weights move on.
const SHOWN_MAX: usize = 200_000;
/// Probabilities are kept this far from 0 and 1, so that one surprise does not cost infinitely much.
const CERTAINTY_MAX: f64 = 1e-6;

/// An item that was shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// What each source gave it, on a common scale, see [`Scale`](super::Scale).
    pub scores: Vec<f32>,
    /// Whether the user took it: clicked, bought.
    pub taken: bool,
}

/// Checked parameters of [`learn`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearnParams {
    window: usize,
    regularization: f64,
    iterations: u64,
}

impl LearnParams {
    /// - `window`: shown items between two trainings, 10 to 1e6
    /// - `regularization`: of the squared weights, 1e-6 to 1e6
    /// - `iterations` of the solver, 1 to 10000
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(window: usize, regularization: f64, iterations: u64) -> Result<Self, BadParam> {
        let alpha = regularization;
        Ok(Self {
            window: check("learn.window", window, (10..=1_000_000).contains(&window), "10 to 1000000")?,
            regularization: check(
                "learn.regularization",
                alpha,
                (1e-6..=1e6).contains(&alpha),
                "1e-6 to 1e6",
            )?,
            iterations: check(
                "learn.iterations",
                iterations,
                (1..=10_000).contains(&iterations),
                "1 to 10000",
            )?,
        })
    }
}

/// Why feedback cannot be learned from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LearnError {
    #[error("{found} sources, expected 1 to {SOURCES_MAX}")]
    Sources { found: usize },
    #[error("shown item {at} has {found} scores, expected {expected}")]
    Scores { at: usize, found: usize, expected: usize },
    #[error("shown item {at} has score {score}, expected a finite number")]
    NotFinite { at: usize, score: f32 },
    #[error("the regression: {0}")]
    Regression(String),
}

/// One window: tested with what was known before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Shown items.
    pub n: usize,
    /// Mean of `-ln p` of what happened, by the weights learned before; lower is better.
    pub log_loss: f64,
    /// The same for the share taken so far, which knows nothing of the sources.
    pub log_loss_of_mean: f64,
    /// What the loss would have been without each source: the more above `log_loss`, the more it adds.
    pub without: Vec<f64>,
    /// Weights in force, one a source. Below 0, a source speaks against what it lists.
    pub weights: Vec<f64>,
}

/// A fitted regression.
#[derive(Debug, Clone)]
struct Fitted {
    weights: Vec<f64>,
    intercept: f64,
}

impl Fitted {
    /// `-ln p` of what happened, with a source left out or none.
    fn loss(&self, shown: &Shown, left_out: Option<usize>) -> f64 {
        let weighed = self.weights.iter().zip(&shown.scores).enumerate();
        let sum: f64 =
            weighed.filter(|(at, _)| Some(*at) != left_out).map(|(_, (w, s))| w * f64::from(*s)).sum();
        loss(1.0 / (1.0 + (-(self.intercept + sum)).exp()), shown.taken)
    }
}

fn loss(p: f64, taken: bool) -> f64 {
    let p = p.clamp(CERTAINTY_MAX, 1.0 - CERTAINTY_MAX);
    if taken { -p.ln() } else { -(1.0 - p).ln() }
}

/// Tests and learns window by window; the first window is only learned. The last weights, learned from everything, come
/// with it: one a source, all 0 while nothing or everything was taken.
///
/// # Errors
/// [`LearnError`] if rows do not fit each other, a score is not finite, or the solver gives up.
pub fn learn(
    sources: usize,
    shown: &[Shown],
    params: &LearnParams,
) -> Result<(Vec<Window>, Vec<f64>), LearnError> {
    if !(1..=SOURCES_MAX).contains(&sources) {
        return Err(LearnError::Sources { found: sources });
    }
    for (at, one) in shown.iter().enumerate() {
        if one.scores.len() != sources {
            return Err(LearnError::Scores { at, found: one.scores.len(), expected: sources });
        }
        if let Some(&score) = one.scores.iter().find(|score| !score.is_finite()) {
            return Err(LearnError::NotFinite { at, score });
        }
    }
    let (mut windows, mut known, mut fitted) = (Vec::new(), 0usize, None);
    for window in shown.chunks(params.window) {
        if let Some(fitted) = &fitted {
            windows.push(test(fitted, shown.get(..known).unwrap_or_default(), window));
        }
        known += window.len();
        let past = shown.get(known.saturating_sub(SHOWN_MAX)..known).unwrap_or_default();
        fitted = fit(sources, past, params)?.or(fitted);
    }
    Ok((windows, fitted.map_or(vec![0.0; sources], |fitted| fitted.weights)))
}

fn test(fitted: &Fitted, before: &[Shown], window: &[Shown]) -> Window {
    let mean = |of: &dyn Fn(&Shown) -> f64| window.iter().map(of).sum::<f64>() / window.len().max(1) as f64;
    let share = before.iter().filter(|one| one.taken).count() as f64 / before.len().max(1) as f64;
    Window {
        n: window.len(),
        log_loss: mean(&|one| fitted.loss(one, None)),
        log_loss_of_mean: mean(&|one| loss(share, one.taken)),
        without: (0..fitted.weights.len()).map(|at| mean(&|one| fitted.loss(one, Some(at)))).collect(),
        weights: fitted.weights.clone(),
    }
}

/// Nothing while all were taken, or none.
fn fit(sources: usize, past: &[Shown], params: &LearnParams) -> Result<Option<Fitted>, LearnError> {
    let taken = past.iter().filter(|one| one.taken).count();
    if taken == 0 || taken == past.len() {
        return Ok(None);
    }
    let bad = |e: &dyn std::fmt::Display| LearnError::Regression(e.to_string());
    // linfa stands on an older ndarray than ours, so the numbers are copied over.
    let scores = past.iter().flat_map(|one| one.scores.iter().map(|score| f64::from(*score))).collect();
    let x = Array2::from_shape_vec((past.len(), sources), scores).map_err(|e| bad(&e))?;
    let y: Array1<bool> = past.iter().map(|one| one.taken).collect();
    let model = LogisticRegression::default()
        .alpha(params.regularization)
        .max_iterations(params.iterations)
        .fit(&Dataset::new(x, y))
        .map_err(|e| bad(&e))?;
    let sign = if model.labels().pos.class { 1.0 } else { -1.0 };
    let weights: Vec<f64> = model.params().iter().map(|weight| sign * weight).collect();
    let intercept = sign * model.intercept();
    if !weights.iter().chain([&intercept]).all(|x| x.is_finite()) {
        return Err(LearnError::Regression("no finite solution".to_owned()));
    }
    Ok(Some(Fitted { weights, intercept }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first source knows, the second guesses, the third is always wrong.
    fn feedback(n: usize, turned: bool) -> Vec<Shown> {
        let one = |i: usize| {
            let bits = xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes());
            let of = |shift: u32| ((bits >> shift) & 0xff) as f32 / 255.0;
            let chance = 0.1 + 0.7 * of(0);
            Shown { scores: vec![of(0), of(8), 1.0 - of(0) * of(16)], taken: (of(24) < chance) != turned }
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn who_knows_gets_the_weight() {
        let params = LearnParams::new(500, 1.0, 100).unwrap();
        let (windows, weights) = learn(3, &feedback(5_000, false), &params).unwrap();
        assert_eq!(windows.len(), 9);
        assert!(2.0 < weights[0] && weights[1].abs() < 0.5, "{weights:?}");
        let last = windows.last().unwrap();
        assert!(last.log_loss < last.log_loss_of_mean, "{last:?}");
        assert!(last.log_loss + 0.05 < last.without[0] && (last.without[1] - last.log_loss).abs() < 0.05);
        let (_, turned) = learn(3, &feedback(5_000, true), &params).unwrap();
        assert!(turned[0] < -2.0, "whatever was shown first: {turned:?}");
        assert_eq!(learn(3, &feedback(5_000, false), &params).unwrap().1, weights);
    }

    #[test]
    fn odd_feedback_does_no_harm() {
        let params = LearnParams::new(10, 1.0, 100).unwrap();
        let shown = |scores: &[f32], taken| Shown { scores: scores.to_vec(), taken };
        assert_eq!(learn(2, &[], &params).unwrap(), (vec![], vec![0.0; 2]));
        let never: Vec<Shown> = (0..40).map(|_| shown(&[1.0, 0.0], false)).collect();
        assert_eq!(learn(2, &never, &params).unwrap(), (vec![], vec![0.0; 2]));
        let same: Vec<Shown> = (0..40).map(|i| shown(&[1.0, 1.0], i % 3 == 0)).collect();
        assert!(learn(2, &same, &params).unwrap().1.iter().all(|w| w.is_finite()));
        let apart: Vec<Shown> = (0..40).map(|i| shown(&[(i % 2) as f32 * 1e6, 0.0], i % 2 == 0)).collect();
        assert!(learn(2, &apart, &params).is_ok_and(|(_, w)| w.iter().all(|w| w.is_finite())));
        assert_eq!(learn(0, &[], &params), Err(LearnError::Sources { found: 0 }));
        let wrong = [shown(&[1.0, 1.0], true), shown(&[1.0], true)];
        assert_eq!(learn(2, &wrong, &params), Err(LearnError::Scores { at: 1, found: 1, expected: 2 }));
        let nan = learn(1, &[shown(&[f32::NAN], true)], &params);
        assert!(matches!(nan, Err(LearnError::NotFinite { at: 0, .. })));
        assert!(LearnParams::new(9, 1.0, 1).is_err() && LearnParams::new(10, f64::NAN, 1).is_err());
        assert_eq!(
            LearnParams::new(10, 1.0, 0).unwrap_err().to_string(),
            "learn.iterations is 0, expected 1 to 10000"
        );
    }
}
