//! What a clean run is fed with: records in their order, each with what it holds.

use std::ops::Range;

use async_trait::async_trait;
use shoptide_log::{Log, ReadMax, Record};
use shoptide_schemas::Topic;

use super::{Decoded, ReplayError, decode};

/// Records of one partition in order of offset, and what each holds, one for one.
#[derive(Debug, Default)]
pub struct Fed {
    pub records: Vec<Record>,
    pub decoded: Vec<Decoded>,
}

/// Where the records of a clean run come from: a log, or whatever kept what a log has forgotten.
#[async_trait]
pub trait Feed: Send + Sync {
    /// The next records of a partition within a range of offsets; none if there are no more. Offsets may have gaps.
    ///
    /// # Errors
    /// [`ReplayError`].
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError>;
}

/// A log as it is.
pub struct LogFeed<'a> {
    pub log: &'a dyn Log,
}

#[async_trait]
impl Feed for LogFeed<'_> {
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError> {
        let mut records = self.log.read(topic, partition, range.start, max).await?;
        records.retain(|record| record.offset < range.end);
        let partitions = self.log.partitions_at(topic, range.start);
        let decoded = records.iter().map(|record| decode(record, partitions)).collect();
        Ok(Fed { records, decoded })
    }
}
