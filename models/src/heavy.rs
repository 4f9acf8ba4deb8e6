//! The heaviest keys of a stream in bounded memory: Space-Saving (Metwally, Agrawal & El Abbadi, ICDT 2005).

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// A key and how often it came: at most `count`, and at least `count - error` times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heavy<K> {
    pub key: K,
    pub count: u64,
    pub error: u64,
}

/// Counts the heaviest keys of a stream. As long as no more than `capacity` different keys came every count is exact; beyond it each is too
/// high by at most `total / capacity`, and every key that came more often than that is among them.
///
/// ```
/// use shoptide_models::heavy::HeavyKeys;
/// let mut keys = HeavyKeys::new(2);
/// for key in ["a", "b", "a", "c", "a"] {
///     keys.add(key, 1);
/// }
/// let top = keys.top(1);
/// assert_eq!((top[0].key, top[0].count, top[0].error), ("a", 3, 0));
/// assert!(!keys.is_exact() && keys.error_max() == 2);
/// ```
#[derive(Debug, Clone)]
pub struct HeavyKeys<K> {
    capacity: usize,
    total: u64,
    full: bool,
    /// By key: its place, count and error.
    counts: HashMap<K, (u64, u64, u64)>,
    /// Count and place of all, the smallest first; a key is found by its place.
    order: BTreeSet<(u64, u64)>,
    keys: HashMap<u64, K>,
}

/// Holds one key.
impl<K: Clone + Eq + Hash + Ord> Default for HeavyKeys<K> {
    fn default() -> Self {
        Self::new(1)
    }
}

impl<K: Clone + Eq + Hash + Ord> HeavyKeys<K> {
    /// `capacity`: keys held at most, at least 1.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            total: 0,
            full: false,
            counts: HashMap::new(),
            order: BTreeSet::new(),
            keys: HashMap::new(),
        }
    }

    /// Counts a key `n` times. O(log capacity).
    pub fn add(&mut self, key: K, n: u64) {
        self.total += n;
        if let Some((place, count, _)) = self.counts.get_mut(&key) {
            self.order.remove(&(*count, *place));
            *count += n;
            self.order.insert((*count, *place));
            return;
        }
        let (mut place, mut least) = (self.counts.len() as u64, 0);
        if self.capacity <= self.counts.len() {
            self.full = true;
            let Some((count, of)) = self.order.pop_first() else { return };
            if let Some(gone) = self.keys.remove(&of) {
                self.counts.remove(&gone);
            }
            (place, least) = (of, count);
        }
        self.counts.insert(key.clone(), (place, least + n, least));
        self.order.insert((least + n, place));
        self.keys.insert(place, key);
    }

    /// The heaviest `k` keys that are held, ties in order of key.
    pub fn top(&self, k: usize) -> Vec<Heavy<K>> {
        let mut all: Vec<Heavy<K>> = self
            .counts
            .iter()
            .map(|(key, (_, count, error))| Heavy { key: key.clone(), count: *count, error: *error })
            .collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        all.truncate(k);
        all
    }

    /// Of all keys, held or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Keys held.
    pub fn held(&self) -> usize {
        self.counts.len()
    }

    /// No key had to make room: every count is exact.
    pub fn is_exact(&self) -> bool {
        !self.full
    }

    /// By how much a count may be too high at the most.
    pub fn error_max(&self) -> u64 {
        if self.full { self.total / self.capacity as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20,000 keys of a skewed stream, in an order without pattern.
    fn stream() -> Vec<u32> {
        let mut keys = Vec::new();
        for key in 1..=2_000_u32 {
            keys.extend(std::iter::repeat_n(key, (20_000 / (key * 3)) as usize));
        }
        let mut state = 7_u64;
        for place in (1..keys.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            keys.swap(place, (state >> 33) as usize % (place + 1));
        }
        keys
    }

    #[test]
    fn small_streams_are_exact() {
        let mut keys = HeavyKeys::new(3_000);
        let stream = stream();
        stream.iter().for_each(|key| keys.add(*key, 1));
        assert!(keys.is_exact() && keys.error_max() == 0);
        for heavy in keys.top(5_000) {
            let n = stream.iter().filter(|key| **key == heavy.key).count() as u64;
            assert_eq!((heavy.count, heavy.error), (n, 0));
        }
    }

    #[test]
    fn bounds_hold_when_keys_make_room() {
        let (stream, capacity) = (stream(), 64);
        let mut keys = HeavyKeys::new(capacity);
        stream.iter().for_each(|key| keys.add(*key, 1));
        assert_eq!((keys.held(), keys.total()), (capacity, stream.len() as u64));
        let held = keys.top(capacity);
        for heavy in &held {
            let n = stream.iter().filter(|key| **key == heavy.key).count() as u64;
            assert!(n <= heavy.count && heavy.count - heavy.error <= n, "{heavy:?}: {n}");
            assert!(heavy.error <= keys.error_max());
        }
        for key in 1..=2_000 {
            let n = stream.iter().filter(|other| **other == key).count() as u64;
            assert!(n <= keys.error_max() || held.iter().any(|h| h.key == key), "{key} came {n} times");
        }
    }

    #[test]
    fn weights_count_as_often() {
        let (mut one, mut many) = (HeavyKeys::new(8), HeavyKeys::new(8));
        for key in stream().into_iter().map(|key| key % 7) {
            one.add(key, 3);
            (0..3).for_each(|_| many.add(key, 1));
        }
        assert_eq!(one.top(8), many.top(8));
        assert_eq!(HeavyKeys::<u8>::new(0).top(3), []);
    }
}
