//! Prices counted in ranges with round bounds.

use super::facts::Price;

/// Bounds of the ranges are 1, 2 and 5 times a power of ten, from a hundredth of the unit to a thousand million of it: what a
/// price can be.
const STEPS: usize = 3 * 11 + 2;
/// Ranges that are told at most: more than a shopper reads.
const RANGES_MAX: usize = 6;
/// The smallest bound, in micro-units.
const SMALLEST: i64 = 10_000;

/// Prices from `min` to below `max`, in micro-units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRange {
    pub min: i64,
    pub max: i64,
    pub count: u64,
}

/// The lower bound of a step; step 0 begins at nothing.
fn bound(step: usize) -> i64 {
    let Some(step) = step.checked_sub(1) else { return 0 };
    let power = 10_i64.saturating_pow(u32::try_from(step / 3).unwrap_or(u32::MAX));
    SMALLEST.saturating_mul(power).saturating_mul([1, 2, 5].get(step % 3).copied().unwrap_or(1))
}

/// Counts of prices.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    bounds: [i64; STEPS],
    counts: [u64; STEPS],
}

impl Default for Prices {
    fn default() -> Self {
        Self { bounds: std::array::from_fn(bound), counts: [0; STEPS] }
    }
}

impl Prices {
    pub fn count(&mut self, price: Price) {
        let step = self.bounds.partition_point(|bound| *bound <= price.micros()).saturating_sub(1);
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
        }
    }

    /// Ranges that hold anything, the cheapest first, at most [`RANGES_MAX`]: of two neighbours those that hold least together
    /// become one.
    pub fn ranges(&self) -> Vec<PriceRange> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| 0 < **count);
        let mut ranges: Vec<PriceRange> = filled
            .map(|(step, count)| PriceRange { min: bound(step), max: bound(step + 1), count: *count })
            .collect();
        while RANGES_MAX < ranges.len() {
            let together = |pair: &[PriceRange]| pair.iter().map(|range| range.count).sum::<u64>();
            let least = ranges.windows(2).enumerate().min_by_key(|(_, pair)| together(pair));
            let Some(place) = least.map(|(place, _)| place) else { break };
            let next = ranges.remove(place + 1);
            if let Some(range) = ranges.get_mut(place) {
                *range = PriceRange { min: range.min, max: next.max, count: range.count + next.count };
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_round_and_rise() {
        assert_eq!((0..6).map(bound).collect::<Vec<_>>(), [0, 10_000, 20_000, 50_000, 100_000, 200_000]);
        assert!((0..STEPS).all(|step| bound(step) < bound(step + 1)));
        assert!(999_999_999_999_999 < bound(STEPS), "the dearest price has a range");
    }

    proptest! {
        #[test]
        fn every_price_is_in_the_one_range_that_holds_it(prices in prop::collection::vec(0i64..1_000_000_000_000_000, 0..60)) {
            let mut counted = Prices::default();
            prices.iter().filter_map(|p| Price::new(*p)).for_each(|price| counted.count(price));
            let ranges = counted.ranges();
            prop_assert!(ranges.len() <= RANGES_MAX);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].max <= pair[1].min));
            for range in ranges {
                let inside = prices.iter().filter(|p| (range.min..range.max).contains(p)).count();
                prop_assert_eq!(range.count, inside as u64);
            }
        }
    }
}
