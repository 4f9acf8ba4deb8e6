//! Collaborative filtering by neighbours, the textbook way: similarities of items or users from what they share.
//!
//! [`Similarity`] is the formula, from the sums of a pair. [`crate::item_item::Neighbours`] applies it to items in batch,
//! [`UserKnn`] to users, and [`ItemStream`] and [`UserStream`] to both event by event, with decay.

mod pairs;
mod similarity;
mod stream;
mod users;

pub use similarity::{PairSums, Side, Similarity};
pub use stream::{ItemStream, StreamParams, UserStream};
pub use users::{UserKnn, UserKnnParams};

#[cfg(test)]
mod tests;
