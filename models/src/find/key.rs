//! Where an item stands in an order.

/// Greater is shown earlier. The number makes every key different, so a cursor that names a key goes on exactly behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub rank: u64,
    /// In the catalogue; of two equals the newer comes first.
    pub number: u32,
}

/// Keeps the greatest of many keys.
#[derive(Debug, Clone)]
pub(super) struct Greatest {
    n: usize,
    /// Up to `2 n`.
    keys: Vec<Key>,
    /// Nothing at or below it can be among the greatest any more.
    floor: Option<Key>,
}

impl Greatest {
    pub fn new(n: usize) -> Self {
        Self { n, keys: Vec::new(), floor: None }
    }

    pub fn offer(&mut self, key: Key) {
        if self.n == 0 || self.floor.is_some_and(|floor| key <= floor) {
            return;
        }
        self.keys.push(key);
        if self.keys.len() == self.n.saturating_mul(2) {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.n < self.keys.len() {
            self.keys.select_nth_unstable_by(self.n - 1, |a, b| b.cmp(a));
            self.keys.truncate(self.n);
            self.floor = self.keys.last().copied();
        }
    }

    /// Greatest first.
    pub fn finish(mut self) -> Vec<Key> {
        self.shrink();
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_sorting_everything(ranks in prop::collection::vec(0u64..5, 0..90), n in 0usize..100) {
            let all = ranks.iter().zip(0u32..).map(|(rank, number)| Key { rank: *rank, number });
            let mut greatest = Greatest::new(n);
            all.clone().for_each(|key| greatest.offer(key));
            let mut sorted: Vec<Key> = all.collect();
            sorted.sort_by(|a, b| b.cmp(a));
            sorted.truncate(n);
            prop_assert_eq!(greatest.finish(), sorted);
        }
    }
}
