//! The last events of a stream, each linked to its user's event before and after and to its item's event before.
//!
//! This is the whole index of [`super::Trails`]: learning writes one entry and three links, whatever is asked later. When it
//! is full, the oldest entry makes room; links that lead to it are recognised by their number.

use super::grow;

/// Events are numbered from 1; 0 is none.
pub(super) type Number = u64;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub item: u32,
    /// Whether the value was high enough to be a target.
    pub liked: bool,
    pub before_of_user: Number,
    pub after_of_user: Number,
    pub before_of_item: Number,
}

impl Entry {
    pub fn before(&self) -> Number {
        self.before_of_user
    }

    pub fn after(&self) -> Number {
        self.after_of_user
    }
}

/// A ring of the last `capacity` events.
#[derive(Debug, Clone)]
pub(super) struct Log {
    capacity: usize,
    entries: Vec<Entry>,
    last: Number,
    last_of_user: Vec<Number>,
    last_of_item: Vec<Number>,
}

impl Log {
    /// `capacity` is at least 1. Memory grows to 32 bytes for each entry, and 8 for each user and item.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: vec![], last: 0, last_of_user: vec![], last_of_item: vec![] }
    }

    fn slot(&self, number: Number) -> usize {
        (number % self.capacity as u64) as usize
    }

    /// The entry of that number, if there is one and it is still held.
    #[inline]
    pub fn get(&self, number: Number) -> Option<&Entry> {
        if number == 0 || self.last < number || number + self.capacity as u64 <= self.last {
            return None;
        }
        self.entries.get(self.slot(number))
    }

    pub fn last_of_user(&self, user: u32) -> Number {
        self.last_of_user.get(user as usize).copied().unwrap_or(0)
    }

    pub fn last_of_item(&self, item: u32) -> Number {
        self.last_of_item.get(item as usize).copied().unwrap_or(0)
    }

    /// User and item must be below the bounds of a stream.
    pub fn push(&mut self, user: u32, item: u32, liked: bool) {
        grow(&mut self.last_of_user, user as usize, 0);
        grow(&mut self.last_of_item, item as usize, 0);
        let before_of_user = std::mem::replace(&mut self.last_of_user[user as usize], self.last + 1);
        let before_of_item = std::mem::replace(&mut self.last_of_item[item as usize], self.last + 1);
        self.last += 1;
        // Only now is the oldest out of reach.
        if self.get(before_of_user).is_some() {
            let slot = self.slot(before_of_user);
            self.entries[slot].after_of_user = self.last;
        }
        let entry = Entry { item, liked, before_of_user, after_of_user: 0, before_of_item };
        let slot = self.slot(self.last);
        grow(&mut self.entries, slot, Entry::default());
        self.entries[slot] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(log: &Log, mut at: Number, next: impl Fn(&Entry) -> Number) -> Vec<u32> {
        let mut seen = vec![];
        while let Some(entry) = log.get(at) {
            seen.push(entry.item);
            at = next(entry);
        }
        seen
    }

    #[test]
    fn links_lead_through_what_is_still_held() {
        let mut log = Log::new(4);
        for (user, item) in [(0, 5), (1, 5), (0, 6), (1, 7), (0, 8), (1, 5)] {
            log.push(user, item, true);
        }
        // Held: (0, 6), (1, 7), (0, 8), (1, 5).
        assert_eq!(back(&log, log.last_of_user(0), |e| e.before_of_user), [8, 6]);
        assert_eq!(back(&log, log.last_of_user(1), |e| e.before_of_user), [5, 7]);
        assert_eq!(back(&log, log.last_of_item(5), |e| e.before_of_item), [5]);
        assert_eq!(back(&log, 3, |e| e.after_of_user), [6, 8]);
        assert_eq!(back(&log, log.last_of_item(99), |e| e.before_of_item), [0; 0]);
        assert!(log.get(2).is_none() && log.get(7).is_none());
    }

    #[test]
    fn a_ring_of_one_forgets_at_once() {
        let mut log = Log::new(1);
        for item in 0..5 {
            log.push(0, item, false);
            assert_eq!(back(&log, log.last_of_user(0), |e| e.before_of_user), [item]);
        }
    }
}
