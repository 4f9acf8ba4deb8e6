//! Every model that `shoptide evaluate` knows, one file a protocol. A model is its name, the space of its parameters and
//! a function that trains it at a point of that space; tuning, timing and measuring are the same for all.
//!
//! To add one: a line in the `MODELS` of its protocol.

pub mod ranking;
pub mod ratings;
pub mod sessions;
pub mod stream;
mod today;

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
