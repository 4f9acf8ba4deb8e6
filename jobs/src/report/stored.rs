//! Groups of users as the last run of segments left them in the truth.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use shoptide_schemas::UserId;
use shoptide_schemas::partition::partition_of;
use shoptide_store::Truth;

use super::{ReportError, Segments};

/// The segments that count now.
pub struct StoredSegments {
    truth: Arc<dyn Truth>,
    partitions: u32,
    names: HashMap<u32, String>,
}

impl StoredSegments {
    /// Nothing if no run has found any. `partitions`: of the user topics.
    ///
    /// # Errors
    /// [`ReportError::Store`].
    pub async fn open(truth: Arc<dyn Truth>, partitions: u32) -> Result<Option<Self>, ReportError> {
        let Some((_, rows)) = truth.segments(None).await? else { return Ok(None) };
        // Two may have one name: they stay two groups.
        let mut times = HashMap::<&str, usize>::new();
        for row in &rows {
            *times.entry(&row.name).or_default() += 1;
        }
        let name = |row: &shoptide_store::SegmentRow| match times.get(row.name.as_str()) {
            Some(1) => row.name.clone(),
            _ => format!("{} ({})", row.name, row.segment),
        };
        let names = rows.iter().map(|row| (row.segment, name(row))).collect();
        Ok(Some(Self { truth, partitions, names }))
    }
}

#[async_trait]
impl Segments for StoredSegments {
    async fn of(&self, users: &[UserId]) -> Result<Vec<Option<String>>, ReportError> {
        let mut by_shard = BTreeMap::<u32, Vec<usize>>::new();
        for (place, user) in users.iter().enumerate() {
            by_shard.entry(partition_of(user.as_bytes(), self.partitions)).or_default().push(place);
        }
        let mut names = vec![None; users.len()];
        for (shard, places) in by_shard {
            let some: Vec<UserId> = places.iter().filter_map(|place| users.get(*place).cloned()).collect();
            for (place, segment) in places.iter().zip(self.truth.user_segments(shard, &some).await?) {
                if let Some(name) = names.get_mut(*place) {
                    *name = segment.and_then(|segment| self.names.get(&segment).cloned());
                }
            }
        }
        Ok(names)
    }
}
