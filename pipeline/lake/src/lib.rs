//! The event lake: the log as Parquet files, exactly once, on a local disk or in any S3-compatible store.
//!
//! Data files are put first, then one *commit* that names them, by a conditional put. What no commit names does not exist, so
//! a writer that is killed leaves nothing half done, and of two writers one wins each step.

mod archive;
mod commit;
mod compact;
mod encode;
mod erased;
mod error;
mod file;
mod lake;
mod options;
mod pace;
mod plan;
mod portion;
mod proven;
mod read;
mod retire;
mod rewrite;
mod settle;
mod snapshot;
mod verify;
mod whole;

pub use archive::{ArchiveLimits, Archived, Archiver, Watch};
pub use commit::{Change, Commit, Lost, Step, Work};
pub use compact::{CompactLimits, Compacted};
pub use encode::FileMax;
pub use erased::{ErasedUsers, Erasure, UserHash, erased_id, user_hash};
pub use error::LakeError;
pub use file::{FileKind, LakeFile, date_name};
pub use lake::Lake;
pub use options::{LakeOptions, S3Options};
pub use portion::record_schema;
pub use retire::{GRACE_MIN, Swept};
pub use settle::Settled;
pub use snapshot::{Snapshot, Tally};
pub use verify::{Fault, Proof};
