//! What the log has forgotten may be in an archive.

use std::ops::Range;

use async_trait::async_trait;
use shoptide_live::fold::{Fed, ReplayError};
use shoptide_log::ReadMax;
use shoptide_schemas::Topic;

/// Records that were copied out of the log before it forgot them.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Offsets that it holds of a partition without a gap: first, and the next after the last.
    fn holds(&self, topic: Topic, partition: u32) -> Option<(i64, i64)>;

    /// The next records within a range, as [`shoptide_live::fold::Feed::read`]. What was of users who were erased since is not among them.
    ///
    /// # Errors
    /// [`ReplayError::Feed`].
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError>;

    /// The first offset in a range whose record was appended after a time; the range's end if none was.
    ///
    /// # Errors
    /// As [`Archive::read`].
    async fn first_after(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        ms: i64,
    ) -> Result<i64, ReplayError>;

    /// Hashes of the users who were erased, as tombstones keep them.
    fn erased(&self) -> Vec<[u8; 16]>;

    /// Where it lies, for messages.
    fn name(&self) -> String;
}
