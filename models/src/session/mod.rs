//! How a session goes on: an index of sessions that grows click by click, the models that read it or are trained on
//! sessions, their blend, and the search that finds the best of them for a set of sessions.

pub mod best;
pub mod index;
pub mod knn;
pub mod linear;
mod pairs;
pub mod ranker;
pub mod recent;
pub mod sources;
mod tally;
pub mod transitions;
