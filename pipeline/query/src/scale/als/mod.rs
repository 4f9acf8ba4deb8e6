//! Alternating least squares over many machines.
//!
//! A half-step is `SELECT row, als_row(other, strength) … GROUP BY row`: a grouped aggregate whose result is the row's factors,
//! solved against the other side. That side is a Parquet file in the lake's store, written once by whoever drives and read
//! once by each executor; its name has the run, the side and the number of the half-step, and its content a hash, so that
//! what is read is what was meant.

mod held;
mod job;
mod row;
mod sides;

pub use held::{HeldRef, read as read_side};
pub use job::{AlsJob, AlsReport, Side, SweepReport, run};
pub(super) use row::AlsRow;
pub(super) use sides::Sides;

/// Columns of interactions.
pub const USER: &str = "user";
pub const ITEM: &str = "item";
pub const STRENGTH: &str = "strength";
