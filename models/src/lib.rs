//! What is known of a user and how it changes: folds, factors, neighbours, ranking. Pure: no I/O, no async, no clock,
//! no randomness without a seed. The same inputs give the same bytes, whatever the number of threads.

pub mod als;
pub mod blend;
pub mod bpr;
pub mod catalogue;
pub mod codec;
pub mod collab;
mod dice;
pub mod ease;
pub mod evaluate;
pub mod graph;
pub mod hybrid;
pub mod item_item;
mod linalg;
pub mod list;
pub mod matrix;
pub mod mmr;
pub mod model;
mod panels;
pub mod params;
mod paths;
pub mod popularity;
pub mod ranking;
pub mod ratings;
pub mod search;
pub mod session;
pub mod sessions;
mod simd;
pub mod snapshot;
pub mod snapshot_file;
pub mod state;
pub mod stream;
pub mod topk;
pub mod tune;
pub mod vector;
