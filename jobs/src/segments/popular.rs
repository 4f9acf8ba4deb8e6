//! What the users of a segment like, counted in bounded memory.

use std::collections::HashMap;

/// Items counted for a segment, twice that on the way: what is not among the first hundred thousand so far is not popular.
const COUNTED_MAX: usize = 100_000;

/// Items by catalogue number, with the sum of what users feel for them.
#[derive(Debug, Default, Clone)]
pub(super) struct PopularItems(HashMap<u32, f64>);

impl PopularItems {
    pub(super) fn add(&mut self, item: u32, weight: f64) {
        *self.0.entry(item).or_default() += weight;
        if 2 * COUNTED_MAX <= self.0.len() {
            self.0 = self.best(COUNTED_MAX).into_iter().collect();
        }
    }

    /// The best `n`, best first, ties by lower number.
    pub(super) fn best(&self, n: usize) -> Vec<(u32, f64)> {
        let mut all: Vec<(u32, f64)> = self.0.iter().map(|(item, weight)| (*item, *weight)).collect();
        all.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(n);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_popular_survive_a_flood_of_others() {
        let mut items = PopularItems::default();
        for item in 0..3 * COUNTED_MAX as u32 {
            items.add(item + 10, 0.5);
            if item % 1_000 == 0 {
                items.add(7, 1.0);
            }
        }
        items.add(3, 300.0);
        assert!(items.0.len() < 2 * COUNTED_MAX);
        assert_eq!(items.best(2), [(3, 300.0), (7, 300.0)]);
    }
}
