//! Chooses and blends rating models on a cut of the training data; what is tested later is never seen.

use super::{BayesMf, BayesParams, BiasedMf, MfParams, Ratings, Scale};
use crate::dice::Dice;
use crate::model::{PredictRating, Progress, Rated};
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};
use rayon::prelude::*;

/// One rating in that many is held out for choosing.
const CUT: usize = 10;

/// Weights of a blend are multiples of one over this. Steps that coarse cannot fit the noise of the cut.
const BLEND_STEPS: usize = 10;

/// Checked parameters of [`Blend`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendParams {
    trials: usize,
    seed: u64,
}

impl BlendParams {
    /// - `trials`: models tried at most, 1 to 200: the standard ones first, then points at random
    /// - `seed` of the cut, the search and the models
    ///
    /// # Errors
    /// [`BadParam`] if `trials` is out of bounds.
    pub fn new(trials: usize, seed: u64) -> Result<Self, BadParam> {
        Ok(Self { trials: check("blend.trials", trials, (1..=200).contains(&trials), "1 to 200")?, seed })
    }

    /// The standard models only.
    pub fn standard(seed: u64) -> Self {
        Self { trials: STANDARD, seed }
    }
}

impl Tunable for BlendParams {
    /// Nothing: it searches by itself.
    const SPACE: &'static [Dimension] = &[];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(get("trials", STANDARD as f64) as usize, get("seed", 0.0) as u64)
    }
}

/// What was tried: a method and its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Chosen {
    Mf(MfParams),
    Bayes(BayesParams),
}

impl Chosen {
    fn fit(&self, ratings: &Ratings) -> Box<dyn PredictRating + Send> {
        match self {
            Self::Mf(params) => Box::new(BiasedMf::fit(ratings, params, &mut |_| {})),
            Self::Bayes(params) => Box::new(BayesMf::fit(ratings, params, &mut |_| {})),
        }
    }
}

/// A finished trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    pub chosen: Chosen,
    /// On the validation cut.
    pub rmse: f64,
}

/// A weighted mean of models.
pub struct Blend {
    members: Vec<(f32, Chosen, Box<dyn PredictRating + Send>)>,
    scale: Scale,
    rmse: f64,
}

impl Blend {
    /// Holds a tenth of `ratings` out, tries models on the rest, takes those that help each other, and trains them on all:
    /// [`best`] without a limit of time. `observe` hears of every trial; its loss is the mean squared error on the cut.
    pub fn fit(ratings: &Ratings, params: &BlendParams, observe: &mut dyn FnMut(Progress)) -> Self {
        let mut done = 0;
        best(ratings, params, &mut || true, &mut |trial| {
            done += 1;
            observe(Progress { done, total: params.trials, loss: Some(trial.rmse * trial.rmse) });
        })
    }

    /// What it is made of, with weights that sum to 1.
    pub fn members(&self) -> impl Iterator<Item = (f32, Chosen)> + '_ {
        self.members.iter().map(|(weight, chosen, _)| (*weight, *chosen))
    }

    /// Of the blend on the validation cut, before it was trained on everything: too good by a little, as it was chosen
    /// there.
    pub fn rmse(&self) -> f64 {
        self.rmse
    }
}

impl PredictRating for Blend {
    fn predict(&self, user: u32, item: u32) -> f32 {
        let sum = self.members.iter().map(|(weight, _, model)| weight * model.predict(user, item)).sum();
        self.scale.clamp(sum)
    }
}

/// As [`Blend::fit`], for as long as there is time.
/// - `go_on` is asked before every trial but the first (the caller has the clock); training the chosen ones on everything
///   takes about as long again as their trials did
/// - `observe` hears of every trial
///
/// With the same number of trials the same model, whatever the number of threads.
pub fn best(
    ratings: &Ratings,
    params: &BlendParams,
    go_on: &mut dyn FnMut() -> bool,
    observe: &mut dyn FnMut(&Trial),
) -> Blend {
    let held_out = |place: usize| Dice::at(params.seed, [3, place as u64, 0]).below(CUT) == 0;
    let part =
        |held: bool| ratings.iter().enumerate().filter(move |(n, _)| held_out(*n) == held).map(|(_, r)| r);
    let cut: Vec<Rated> = part(true).collect();
    let rest = ratings.only(part(false));
    let mut tried: Vec<(Trial, Vec<f32>)> = vec![];
    for (n, chosen) in candidates(params).enumerate() {
        if 0 < n && (cut.is_empty() || !go_on()) {
            break;
        }
        let model = chosen.fit(&rest);
        let predicted: Vec<f32> = cut.par_iter().map(|r| model.predict(r.user, r.item)).collect();
        let trial = Trial { chosen, rmse: rmse(&cut, &predicted) };
        observe(&trial);
        tried.push((trial, predicted));
    }
    let (counts, rmse) = select(&cut, &tried);
    let total = counts.iter().sum::<usize>().max(1) as f32;
    let fit = |(count, (trial, _)): (usize, &(Trial, Vec<f32>))| {
        (count as f32 / total, trial.chosen, trial.chosen.fit(ratings))
    };
    let members: Vec<_> = counts.into_iter().zip(&tried).filter(|(count, _)| 0 < *count).collect();
    Blend { members: members.into_par_iter().map(fit).collect(), scale: ratings.scale(), rmse }
}

/// How many models come before those at random points.
const STANDARD: usize = 6;

/// The standard models first, then points at random.
fn candidates(params: &BlendParams) -> impl Iterator<Item = Chosen> {
    let seed = params.seed;
    let sampled = move |rank, salt| {
        let standard = BayesParams::standard(seed.wrapping_add(salt));
        BayesParams::new(rank, standard.sweeps(), standard.kept(), true, true, standard.seed())
            .ok()
            .map(Chosen::Bayes)
    };
    let standard: [_; STANDARD] = [
        Some(Chosen::Bayes(BayesParams::standard(seed))),
        Some(Chosen::Mf(MfParams::svdpp(seed))),
        sampled(16, 1),
        sampled(5, 2),
        Some(Chosen::Mf(MfParams::plain(seed))),
        sampled(12, 3),
    ];
    let random = (0u64..).map(move |n| {
        let mut dice = Dice::at(seed, [4, n, 0]);
        MfParams::at(&roll::<MfParams>(&mut dice, seed)).ok().map(Chosen::Mf)
    });
    standard.into_iter().chain(random).flatten().take(params.trials)
}

/// A point at random.
fn roll<P: Tunable>(dice: &mut Dice, seed: u64) -> Point {
    let mut value = |range: Range| match range {
        Range::Linear(from, to) => from + (to - from) * dice.unit(),
        Range::Log(from, to) => (from.ln() + (to / from).ln() * dice.unit()).exp().clamp(from, to),
        Range::Whole(from, to) => (from + dice.below((to - from + 1).max(1) as usize) as i64) as f64,
        Range::Choice(of) => of.get(dice.below(of.len())).copied().unwrap_or_default(),
    };
    let mut point: Point = P::SPACE.iter().map(|d| (d.name.to_owned(), value(d.range))).collect();
    point.insert("seed".to_owned(), (seed % (1 << 53)) as f64);
    point
}

fn rmse(cut: &[Rated], predicted: &[f32]) -> f64 {
    let squares: f64 =
        cut.iter().zip(predicted).map(|(r, p)| (f64::from(r.value) - f64::from(*p)).powi(2)).sum();
    (squares / cut.len().max(1) as f64).sqrt()
}

/// How often each trial goes into the mean: one after another, whichever lowers the error most (Caruana et al., *Ensemble
/// selection from libraries of models*, ICML 2004).
fn select(cut: &[Rated], tried: &[(Trial, Vec<f32>)]) -> (Vec<usize>, f64) {
    let mut counts = vec![0usize; tried.len()];
    let mut sum = vec![0f32; cut.len()];
    let mut least: (Vec<usize>, f64) = (counts.clone(), f64::INFINITY);
    for step in 1..=BLEND_STEPS {
        let with = |(_, predicted): &(Trial, Vec<f32>)| {
            let mean: Vec<f32> = sum.iter().zip(predicted).map(|(s, p)| (s + p) / step as f32).collect();
            rmse(cut, &mean)
        };
        let errors = tried.iter().map(with).enumerate();
        let Some((at, error)) = errors.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        counts[at] += 1;
        sum.iter_mut().zip(&tried[at].1).for_each(|(sum, p)| *sum += p);
        if error < least.1 {
            least = (counts.clone(), error);
        }
    }
    least
}
