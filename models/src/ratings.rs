//! Ratings: what a user will think of an item, learned from what was thought of others.
//!
//! [`BiasedMf`] is the classic, by gradient descent, in batch and event by event, with or without the implicit terms of
//! SVD++. [`BayesMf`] samples the same model instead of descending into it, which needs no tuning and errs least on
//! small data. [`best`] chooses on a cut of the training data.

mod bayes;
mod best;
mod data;
mod mf;

pub use bayes::{BayesMf, BayesParams};
pub use best::{Best, Chosen, Trial, best};
pub use data::{Ratings, RatingsError, Scale};
pub use mf::{BiasedMf, MfParams, NotLearned};
