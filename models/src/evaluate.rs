//! How good predictions are, given what really came next. Nothing here samples: lists are ranked over the full
//! catalogue, unless a published protocol brings its own negatives.
//!
//! Everything is measured through the traits of [`crate::model`], in parallel over users or sessions, and summed in a
//! fixed order: the same bytes at any number of threads.

mod given;
mod lists;
mod quality;
mod ranking;
mod ratings;
mod sessions;
mod stream;
mod yardsticks;

pub use given::{Given, GivenQuality, leave_one_out};
pub(crate) use lists::gini;
pub use lists::{Exposure, GroupQuality, Groups, co_occurrence, intra_list_diversity};
pub use quality::{Mean, Quality, quality};
pub use ranking::{RankingQuality, UserLists, list_quality, rank_users};
pub use ratings::{FoldError, Folds, RatingQuality, rating_quality};
pub use sessions::{Answer, Query, SessionQuality, answer, answer_all, place};
pub use stream::{StreamParams, StreamQuality, prequential};
pub use yardsticks::{DecayedPopularity, MeanRating, MeanRatingParams, MostPopular};
