//! Deterministic simulation: several processes of the real program (collector, stream, trainer, readers) in one thread, on a
//! log in memory, the embedded truth and a cache in memory, under faults that one number decides. Time is simulated, each
//! process is a runtime of its own, and a crash is that runtime dropped at whatever its tasks waited for.
//!
//! Two runs of one seed do the same things in the same order (`Outcome::trace`). See `docs/simulation.md`.

#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test: it fails by panicking")]

mod cache;
mod clients;
mod dice;
mod driver;
mod group;
mod helper;
mod log;
mod oracle;
mod process;
mod shop;
mod truth;
mod world;

pub use driver::{Lab, Outcome};
