//! Every model that `shoptide evaluate` knows, one file a protocol. A model is its name, the space of its parameters and
//! a function that trains it at a point of that space; tuning, timing and measuring are the same for all.
//!
//! To add one: a line in the `MODELS` of its protocol.

pub mod ranking;
pub mod ratings;
pub mod sessions;
pub mod stream;
mod today;

use super::report::Tried;
use shoptide_models::matrix::Interactions;
use shoptide_models::model::{LearnEvent, NextItem, PredictRating, Progress, RankItems, Rated};
use shoptide_models::sessions::Sessions;
use shoptide_models::tune::{Dimension, Point};

/// Why a model cannot be trained on the data: any error of the model's own.
pub type FitError = Box<dyn std::error::Error + Send + Sync>;

/// What a training gets beside its data and parameters.
pub struct Run<'a> {
    /// Of everything random.
    pub seed: u64,
    /// Hears how far the training is.
    pub observe: &'a mut dyn FnMut(Progress),
}

/// Ratings to learn from.
#[derive(Debug, Clone, Copy)]
pub struct RatingTrain<'a> {
    pub n_users: usize,
    pub n_items: usize,
    /// Users and items are below the two numbers, values finite; a pair may be there twice.
    pub ratings: &'a [Rated],
}

/// How a stream is measured, for models that count only what is.
#[derive(Debug, Clone, Copy)]
pub struct StreamAim {
    /// Events of at least this value are targets.
    pub positive: f32,
}

pub type FitSessions = fn(&Sessions, &Point, &mut Run<'_>) -> Result<Box<dyn NextItem>, FitError>;
pub type FitRanking = fn(&Interactions, &Point, &mut Run<'_>) -> Result<Box<dyn RankItems>, FitError>;
pub type MakeStream = fn(StreamAim, &Point, &mut Run<'_>) -> Result<Box<dyn LearnEvent>, FitError>;
pub type FitRatings = fn(RatingTrain<'_>, &Point, &mut Run<'_>) -> Result<Box<dyn PredictRating>, FitError>;

/// A model of one protocol; `F` trains it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<F> {
    /// As typed after `--model`.
    pub name: &'static str,
    /// What is searched, usually [`Tunable::SPACE`](shoptide_models::tune::Tunable::SPACE).
    pub space: &'static [Dimension],
    /// Points to try first, beside the defaults (the empty point): what did well on known data.
    pub starts: &'static [&'static [(&'static str, f64)]],
    pub fit: F,
}

pub type SessionModel = Entry<FitSessions>;
pub type RankingModel = Entry<FitRanking>;
pub type StreamModel = Entry<MakeStream>;
pub type RatingModel = Entry<FitRatings>;

/// What a search of a model's own is to be good at.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    /// Places that count.
    pub k: usize,
    /// Share of the training data that may be set aside.
    pub valid_share: f64,
    /// Whether the current item is left out of the lists of sessions; `None`: as is better.
    pub exclude_current: Option<bool>,
    /// Rows are in the order of time.
    pub timed: bool,
    pub seed: u64,
}

/// What such a search found, fitted to all training data.
pub struct Winner<M: ?Sized> {
    pub name: String,
    pub model: Box<M>,
    pub params: Point,
    /// For sessions, whether the current item is to be left out of its lists.
    pub exclude_current: bool,
    /// On what was set aside; sessions: hit rate plus reciprocal rank, ranking: recall plus NDCG.
    pub score: f64,
}

/// Says what share of the budget is spent, 0 to 1 and beyond.
pub type Spent<'a> = &'a mut dyn FnMut() -> f64;
/// What is heard of such a search, each with a line for people.
pub enum Heard<'a> {
    /// A trial is done.
    Trial(Tried, &'a str),
    /// Something else went on.
    Step(&'a str),
}
/// Hears of every trial.
pub type Tell<'a> = &'a mut dyn FnMut(Heard<'_>);

pub type BestSessions = fn(&Sessions, Aim, Spent<'_>, Tell<'_>) -> Result<Winner<dyn NextItem>, FitError>;
pub type BestRanking = fn(&Interactions, Aim, Spent<'_>, Tell<'_>) -> Result<Winner<dyn RankItems>, FitError>;
