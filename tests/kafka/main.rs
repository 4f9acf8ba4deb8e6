//! The program on real Kafka, MariaDB and Redis, beside clients of Kafka that are not ours: other producers, bodies that no
//! collector would write, lag tools, topics that grow. Needs what `deploy/services run` provides.

// Clippy's exception for tests does not see the helpers they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../process/common.rs"]
mod common;
mod foreign;
mod grown;
mod moments;
mod poison;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../process/running.rs"]
mod running;
mod shop;
