//! Who was removed a moment ago. A reader that took a list from the truth before an erasure may bring it to the cache after it, and so
//! may a write that was given up on its way, of a list newer than the one that was removed: for as long as either can be on
//! its way, nothing of the user is taken in. Who asks for him meanwhile reads the truth.

use std::collections::{HashMap, VecDeque};

use shoptide_schemas::UserId;

/// How long a removal is remembered: a reader gives a question up after a few seconds at the very most.
pub(crate) const TOMBSTONE_MS: i64 = 30_000;
/// Removals remembered at a time in one stripe, about 250 bytes each: with 64 stripes 65,536 users, 16 MB.
pub(super) const TOMBSTONES_MAX: usize = 1_024;

type Key = (u32, UserId);

/// Removals of the users of one stripe.
#[derive(Default)]
pub(super) struct Tombstones {
    /// Until when each is remembered.
    of: HashMap<Key, i64>,
    /// In order of removal; a user removed again stands here again.
    order: VecDeque<(Key, i64)>,
    /// More was removed than can be remembered: until then nothing is taken in at all, readers ask the truth.
    closed_until_ms: i64,
}

impl Tombstones {
    /// Remembers that a user was removed.
    pub fn bury(&mut self, key: Key, now_ms: i64) {
        self.sweep(now_ms);
        let until_ms = now_ms.saturating_add(TOMBSTONE_MS);
        if TOMBSTONES_MAX <= self.order.len() {
            self.closed_until_ms = until_ms;
            return;
        }
        self.of.insert(key.clone(), until_ms);
        self.order.push_back((key, until_ms));
    }

    /// Whether what comes may be of before the removal.
    pub fn bars(&mut self, key: &Key, now_ms: i64) -> bool {
        self.sweep(now_ms);
        now_ms < self.closed_until_ms || self.of.contains_key(key)
    }

    fn sweep(&mut self, now_ms: i64) {
        while let Some((key, until_ms)) = self.order.pop_front_if(|(_, until_ms)| *until_ms <= now_ms) {
            if self.of.get(&key).is_some_and(|until| *until <= until_ms) {
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
    fn who_was_removed_is_barred_for_a_while_and_nobody_else() {
        let mut graves = Tombstones::default();
        graves.bury(key(1), 0);
        graves.bury(key(1), 10);
        graves.bury(key(2), 10);
        let mut barred = |n, now_ms| graves.bars(&key(n), now_ms);
        assert!(barred(1, 20) && barred(2, 20) && !barred(3, 20));
        assert!(barred(1, TOMBSTONE_MS), "the second removal counts from its own time");
        assert!(!barred(1, TOMBSTONE_MS + 10) && !barred(2, TOMBSTONE_MS + 10));
        assert!(graves.of.is_empty() && graves.order.is_empty());
    }

    #[test]
    fn beyond_the_bound_nothing_is_taken_in_for_a_while() {
        let mut graves = Tombstones::default();
        for n in 0..3 * TOMBSTONES_MAX {
            graves.bury(key(n), 0);
        }
        assert_eq!((graves.of.len(), graves.order.len()), (TOMBSTONES_MAX, TOMBSTONES_MAX));
        assert!(graves.bars(&key(3 * TOMBSTONES_MAX - 1), 1), "buried in an unmarked grave");
        assert!(graves.bars(&key(usize::MAX), TOMBSTONE_MS - 1));
        assert!(!graves.bars(&key(usize::MAX), TOMBSTONE_MS));
    }
}
