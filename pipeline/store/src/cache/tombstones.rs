//! Who was removed a moment ago. A reader that took a list from the truth before an erasure may bring it to the cache
//! after it; for as long as such a reader can be on its way, the list is refused.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use shoptide_schemas::UserId;

/// How long a removal is remembered: a reader gives a question up after a few seconds at the very most.
pub(crate) const TOMBSTONE_MS: i64 = 30_000;
/// Removals remembered at a time in one stripe, about 300 bytes each: with 64 stripes 65,536 users, 20 MB.
pub(super) const TOMBSTONES_MAX: usize = 1_024;

type Key = (u32, UserId);

/// What was removed of one user.
struct Tombstone {
    /// The version that went; unknown if nothing was held, and then no version can be newer.
    version: Option<Arc<str>>,
    until_ms: i64,
}

/// Removals of the users of one stripe.
#[derive(Default)]
pub(super) struct Tombstones {
    of: HashMap<Key, Tombstone>,
    /// In order of removal; a user removed again stands here again.
    order: VecDeque<(Key, i64)>,
    /// More was removed than can be remembered: until then nothing is taken in at all, readers ask the truth.
    closed_until_ms: i64,
}

impl Tombstones {
    /// Remembers that a user was removed, and with which version.
    pub fn bury(&mut self, key: Key, version: Option<Arc<str>>, now_ms: i64) {
        self.sweep(now_ms);
        let until_ms = now_ms.saturating_add(TOMBSTONE_MS);
        if TOMBSTONES_MAX <= self.order.len() {
            self.closed_until_ms = until_ms;
            return;
        }
        let grave = self.of.entry(key.clone()).or_insert(Tombstone { version: version.clone(), until_ms });
        // An erasure comes once a topic: only the first of its removals finds something.
        if version.is_some() {
            grave.version = version;
        }
        grave.until_ms = until_ms;
        self.order.push_back((key, until_ms));
    }

    /// Whether this version may be what was removed.
    pub fn bars(&mut self, key: &Key, version: &str, now_ms: i64) -> bool {
        self.sweep(now_ms);
        if now_ms < self.closed_until_ms {
            return true;
        }
        let barred = |grave: &Tombstone| grave.version.as_deref().is_none_or(|removed| version <= removed);
        self.of.get(key).is_some_and(barred)
    }

    fn sweep(&mut self, now_ms: i64) {
        while let Some((key, until_ms)) = self.order.pop_front_if(|(_, until_ms)| *until_ms <= now_ms) {
            if self.of.get(&key).is_some_and(|grave| grave.until_ms <= until_ms) {
                self.of.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        (0, UserId::from_trusted(n.to_string().as_bytes()))
    }

    #[test]
    fn only_what_may_have_been_removed_is_barred() {
        let mut graves = Tombstones::default();
        graves.bury(key(1), Some(Arc::from("5")), 0);
        graves.bury(key(1), None, 10);
        graves.bury(key(2), None, 10);
        let mut barred = |n, version, now_ms| graves.bars(&key(n), version, now_ms);
        assert!(barred(1, "4", 20) && barred(1, "5", 20) && !barred(1, "6", 20));
        assert!(barred(2, "9", 20), "what was removed is unknown");
        assert!(!barred(3, "0", 20));
        assert!(barred(1, "5", TOMBSTONE_MS), "the second removal counts from its own time");
        assert!(!barred(1, "5", TOMBSTONE_MS + 10) && !barred(2, "9", TOMBSTONE_MS + 10));
        assert!(graves.of.is_empty() && graves.order.is_empty());
    }

    #[test]
    fn beyond_the_bound_nothing_is_taken_in_for_a_while() {
        let mut graves = Tombstones::default();
        for n in 0..3 * TOMBSTONES_MAX {
            graves.bury(key(n), None, 0);
        }
        assert_eq!((graves.of.len(), graves.order.len()), (TOMBSTONES_MAX, TOMBSTONES_MAX));
        assert!(graves.bars(&key(3 * TOMBSTONES_MAX - 1), "1", 1), "buried in an unmarked grave");
        assert!(graves.bars(&key(usize::MAX), "1", TOMBSTONE_MS - 1));
        assert!(!graves.bars(&key(usize::MAX), "1", TOMBSTONE_MS));
    }
}
