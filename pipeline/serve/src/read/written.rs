//! Answers as they were last written. A page shows a list in several places and is loaded again: whoever asks for the same list of the
//! same catalogue gets the same bytes, without choosing and writing them again.
//!
//! An answer is good as long as everything is the same that it was made from: the bytes of the stored list, the catalogue (named by its
//! offset, so price, stock and category too), and that the user has no budget. Nothing else is in it.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::{Weighter, sync};
use shoptide_schemas::UserId;

/// What answers take in memory: some 12,000 of ten places.
const BYTES_MAX: u64 = 32 << 20;
/// Besides answer, list and id: the entry, its allocations and its slot.
const ENTRY_BYTES: u64 = 256;
/// Entries that the map has room for at the start; it grows.
const FIRST: usize = 1_024;

/// What an answer was made from, and the answer.
#[derive(Clone)]
pub(crate) struct Written {
    pub list: Arc<[u8]>,
    pub catalogue_offset: i64,
    /// Time of the user's last event in the list.
    pub as_of_ms: i64,
    pub answer: Bytes,
}

#[derive(Clone)]
struct Weight;

impl Weighter<(u32, UserId), Written> for Weight {
    fn weight(&self, (_, user): &(u32, UserId), written: &Written) -> u64 {
        let bytes = user.as_bytes().len() + written.list.len() + written.answer.len();
        ENTRY_BYTES + u64::try_from(bytes).unwrap_or(u64::MAX / 2)
    }
}

/// Of the default number of places, without filters.
pub(crate) struct Answers(sync::Cache<(u32, UserId), Written, Weight>);

impl Default for Answers {
    fn default() -> Self {
        Self(sync::Cache::with_weighter(FIRST, BYTES_MAX, Weight))
    }
}

impl Answers {
    /// The answer that was made from this list and this catalogue.
    pub fn of(&self, shard: u32, user: &UserId, list: &[u8], catalogue_offset: i64) -> Option<Written> {
        let written = self.0.get(&(shard, user.clone()))?;
        (written.catalogue_offset == catalogue_offset && *written.list == *list).then_some(written)
    }

    pub fn note(&self, shard: u32, user: &UserId, written: Written) {
        self.0.insert((shard, user.clone()), written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_what_it_was_made_from() {
        let (answers, user) = (Answers::default(), UserId::from_trusted(b"u"));
        let written = Written {
            list: Arc::from(b"list".as_slice()),
            catalogue_offset: 7,
            as_of_ms: 3,
            answer: Bytes::from_static(b"{}"),
        };
        answers.note(1, &user, written);
        let of = |shard, user: &UserId, list: &[u8], offset| answers.of(shard, user, list, offset).is_some();
        assert!(of(1, &user, b"list", 7));
        assert!(!of(1, &user, b"lisp", 7) && !of(1, &user, b"list", 8) && !of(2, &user, b"list", 7));
        assert!(!of(1, &UserId::from_trusted(b"v"), b"list", 7));
    }

    #[test]
    fn they_stay_within_their_bytes() {
        let answers = Answers::default();
        for n in 0..20_000_u32 {
            let written = Written {
                list: Arc::from(n.to_le_bytes().as_slice()),
                catalogue_offset: 0,
                as_of_ms: 0,
                answer: Bytes::from(vec![0; 2_400]),
            };
            answers.note(0, &UserId::from_trusted(&n.to_le_bytes()), written);
        }
        assert!(answers.0.weight() <= BYTES_MAX && 10_000 < answers.0.len(), "{}", answers.0.len());
    }
}
