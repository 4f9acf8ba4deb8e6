//! Questions to a small shop, and their answers counted by hand. One binary: linking a query engine takes long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad;
mod bounds;
mod common;
mod functions;
mod lake;
mod ready;
mod truth;
mod written;
