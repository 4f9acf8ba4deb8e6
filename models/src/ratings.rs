//! Ratings: what a user will think of an item, learned from what was thought of others.
//!
//! [`BiasedMf`] is the classic, by gradient descent, in batch and event by event, with or without the implicit terms of
//! SVD++. [`BayesMf`] samples the same model instead of descending into it, which needs no tuning and errs least on
//! small data. [`Blend`] chooses on a cut of the training data and mixes.

mod bayes;
mod blend;
mod data;
mod mf;

pub use bayes::{BayesMf, BayesParams};
pub use blend::{Blend, BlendParams, Chosen, Trial, best};
pub use data::{Ratings, RatingsError, Scale};
pub use mf::{BiasedMf, MfParams, NotLearned};

#[cfg(test)]
mod tests;
