//! A stored list: numbers instead of ids, and the names of the immutable inputs it was made from.

mod bytes;

use crate::topic::PARTS;

pub use bytes::ListError;

/// One place of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListEntry {
    /// The catalogue's number of the item.
    pub item: u32,
    /// Of half precision at rest: 11 bits.
    pub score: f32,
    /// Which source made the place; codes are `models`' `Source`.
    pub source: u8,
    /// The catalogue's number of the user's own item that speaks loudest for this place, `u32::MAX` for none.
    pub evidence: u32,
}

/// A user's list as the truth and the cache hold it. Two lists with equal inputs have equal entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredList {
    /// The owner's epoch and the list's revision: what "newer" means in the cache.
    pub epoch: i64,
    pub revision: i64,
    /// The model (factors, item-item, popularity, segments), by its number; 0 before the first.
    pub model_version: u64,
    /// The catalogue as of this offset.
    pub catalogue_offset: i64,
    /// Hash of the configuration of weights, blend and rules.
    pub rules_version: u64,
    /// Time of the user's last event; "now" of every decay in the list.
    pub now_ms: i64,
    /// Next offset of each user topic in the owner's partition: which events the list contains.
    pub as_of: [i64; PARTS],
    /// Best first.
    pub entries: Vec<ListEntry>,
}

impl StoredList {
    /// The cache's version: zero-padded, so that comparing strings compares numbers.
    pub fn version_key(&self) -> String {
        format!("{:020}.{:020}", self.epoch.max(0), self.revision.max(0))
    }
}
