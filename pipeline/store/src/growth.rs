//! A larger generation of topics, as the truth sees it: which rows change their shard, and where each partition of the
//! generation before ended.

use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Topic, UserId};

/// From one generation of topics to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The generation that is entered, from 2.
    pub generation: u32,
    /// Partitions of the generation before.
    pub from: u32,
    /// Partitions of this one: a multiple, so that a shard's users go to few and each from one.
    pub to: u32,
    /// Where each partition of the generation before ended: the offset that its next record would have had.
    pub ends: Vec<(Topic, u32, i64)>,
    /// The first offset of the new generation, greater than any before.
    pub begin: i64,
}

impl Growth {
    /// The shard of a user from now on.
    pub fn home(&self, user: &UserId) -> u32 {
        partition_of(user.as_bytes(), self.to)
    }

    /// Where the owner of a dead letter's key goes, if he lives in `shard` and leaves it. What lay in a partition that its key
    /// does not hash to was nobody's and stays.
    pub(crate) fn home_of_key(&self, key: &[u8], shard: u32) -> Option<u32> {
        let home = partition_of(key, self.to);
        (partition_of(key, self.from) == shard && home != shard).then_some(home)
    }

    /// The new shards that a shard's users go to, itself left out.
    pub(crate) fn heirs(&self, shard: u32) -> impl Iterator<Item = u32> {
        let step = usize::try_from(self.from.max(1)).unwrap_or(1);
        (shard..self.to).step_by(step).skip(1)
    }
}
