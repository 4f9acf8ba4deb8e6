//! Queries and trainings on a scheduler and two executors of this process, against the same without them.
#![cfg(feature = "scale")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod als;
mod cluster;
mod interactions;
mod queries;
mod ready;
