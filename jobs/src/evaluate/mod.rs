//! `shoptide evaluate`: models against files that anyone can fetch, by the protocols that others publish. Needs neither a
//! data directory nor a service. Parameters are chosen on a cut of the training data, never on the test data.

mod content;
mod error;
mod exposure;
mod files;
mod frame;
mod ids;
mod lists_file;
mod memory;
mod order;
mod out_file;
mod ranking;
mod ratings;
pub mod registry;
mod report;
mod sessions;
mod stream;
mod table;
mod tune;

pub use error::EvaluateError;
pub use frame::{BUDGET_S, Choice, Options, Say};
pub use out_file::{OutFile, check_apart};
pub use ranking::{RankingTask, ranking};
pub use ratings::{RatingsTask, ratings};
pub use report::{Report, Row, Tried, Tuned};
pub use sessions::{ExcludeCurrent, SessionsTask, sessions};
pub use stream::{StreamTask, stream};
