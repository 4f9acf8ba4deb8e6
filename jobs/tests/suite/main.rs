//! The jobs, each against what it must give. One binary: linking and compiling the same store and log for each took most of a build.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "lake")]
mod archive;
mod evaluate;
mod evaluate_published;
mod faq;
mod gate;
mod generate;
mod import;
mod import_real_files;
mod import_sinks;
mod import_support;
mod item_links;
mod odd_models;
mod replay;
mod replay_grown;
mod report;
mod schedule;
mod segments;
mod shared_models;
mod train;
#[cfg(feature = "lake")]
mod train_lake;
mod train_support;
mod verify;
