//! Backfill and time travel: the state of any moment rebuilt from the log's first record (or the lake, where the log has forgotten), and what
//! one user would have been shown then. The fold and the lists are the stream's own, so that the bytes are the same.

mod at;
mod copy;
mod cut;
mod error;
mod forgotten;
mod generation;
mod history;
mod into;
#[cfg(feature = "lake")]
mod lake;
mod lists;
mod model;
mod parts;
mod source;
mod user;

pub use at::Moment;
pub use copy::SourceCounts;
pub use cut::{Cut, cut_of};
pub use error::ReplayToError;
pub use forgotten::{Forgotten, forgotten_since};
pub use history::History;
pub use into::{Rebuild, Report, WithoutLog};
#[cfg(feature = "lake")]
pub use lake::LakeArchive;
pub use model::{ModelThen, model_named, model_then, take_chain};
pub use source::Archive;
pub use user::{Then, UserThen, Who, user_then};
