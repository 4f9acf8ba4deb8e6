//! What shoppers gave each item, as sums, and the mean that few ratings do not carry far.

use std::sync::Arc;

use crate::product_score::Rating;

/// What an item is taken for before anybody has rated it: shoppers seldom give less than 3, and most of them 4 or 5.
pub const PRIOR_MEAN: f32 = 3.5;
/// So many ratings that is worth. One 5 then counts as 3.64 and forty of 4.6 as 4.38, so nobody leads by a friend or two.
pub const PRIOR_COUNT: u32 = 10;

/// Sums of one chunk: a change copies this many.
const CHUNK: usize = 256;
/// Of a mean in hundredths, so that means that differ at all differ in rank.
const RANK_SCALE: u64 = 1_000_000;

/// The ratings of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RatingSum {
    pub count: u32,
    pub hundredths: u64,
}

impl RatingSum {
    /// Sums as the store has them. What cannot be (fewer than none, more than 5 each) is brought back to what can.
    pub fn new(count: i64, hundredths: i64) -> Self {
        let count = u32::try_from(count.max(0)).unwrap_or(u32::MAX);
        let hundredths = u64::try_from(hundredths).unwrap_or(0).min(u64::from(count) * 500);
        Self { count, hundredths }
    }

    /// The plain mean; `None` if nobody rated it.
    pub fn rating(self) -> Option<Rating> {
        let mean = self.hundredths as f64 / f64::from(self.count) / 100.0;
        (0 < self.count).then_some(Rating { mean: mean as f32, count: self.count })
    }

    /// Its place in an order by rating, greater is better: the mean with [`PRIOR_COUNT`] ratings of [`PRIOR_MEAN`] added, in whole
    /// numbers. 0 for what nobody has rated: it comes behind everything that somebody has.
    ///
    /// ```
    /// use shoptide_models::rated::RatingSum;
    /// let (one_five, many) = (RatingSum::new(1, 500), RatingSum::new(40, 40 * 460));
    /// assert!(one_five.rank() < many.rank());
    /// assert_eq!(RatingSum::default().rank(), 0);
    /// ```
    pub fn rank(self) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let prior = u64::from(PRIOR_COUNT) * (f64::from(PRIOR_MEAN) * 100.0) as u64;
        (self.hundredths + prior) * RANK_SCALE / (u64::from(self.count) + u64::from(PRIOR_COUNT))
    }
}

/// The ratings of all items, by catalogue number. Immutable where it is shared: the next one shares all chunks that did not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ratings {
    chunks: Vec<Option<Arc<Vec<RatingSum>>>>,
}

impl Ratings {
    pub fn get(&self, number: u32) -> RatingSum {
        let chunk = self.chunks.get(number as usize / CHUNK).and_then(Option::as_ref);
        chunk.and_then(|chunk| chunk.get(number as usize % CHUNK)).copied().unwrap_or_default()
    }

    /// Takes over one sum; says whether it is another than before.
    pub fn set(&mut self, number: u32, sum: RatingSum) -> bool {
        if self.get(number) == sum {
            return false;
        }
        let (chunk, place) = (number as usize / CHUNK, number as usize % CHUNK);
        if self.chunks.len() <= chunk {
            self.chunks.resize(chunk + 1, None);
        }
        let Some(chunk) = self.chunks.get_mut(chunk) else { return false };
        let chunk = chunk.get_or_insert_with(|| Arc::new(vec![RatingSum::default(); CHUNK]));
        if let Some(slot) = Arc::make_mut(chunk).get_mut(place) {
            *slot = sum;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ratings_do_not_carry_far() {
        let ranks: Vec<u64> = [(0, 0), (40, 40 * 120), (1, 100), (1, 500), (40, 40 * 460), (400, 400 * 460)]
            .map(|(n, sum)| RatingSum::new(n, sum).rank())
            .to_vec();
        assert!(ranks.is_sorted() && ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
        assert_eq!(RatingSum::new(2, 900).rating(), Some(Rating { mean: 4.5, count: 2 }));
        assert_eq!(RatingSum::new(0, 0).rating(), None);
        assert_eq!(RatingSum::new(-3, 70), RatingSum::default());
        assert_eq!(RatingSum::new(2, 5_000), RatingSum { count: 2, hundredths: 1_000 });
        // The greatest there can be is still a number.
        assert!(0 < RatingSum::new(i64::MAX, i64::MAX).rank());
    }

    #[test]
    fn a_change_leaves_what_others_hold() {
        let mut ratings = Ratings::default();
        assert!(ratings.set(700, RatingSum::new(1, 400)));
        let held = ratings.clone();
        assert!(!ratings.set(700, RatingSum::new(1, 400)));
        assert!(ratings.set(700, RatingSum::new(2, 800)) && ratings.set(3, RatingSum::new(1, 100)));
        assert_eq!((held.get(700).count, held.get(3).count, held.get(9_999).count), (1, 0, 0));
        assert_eq!((ratings.get(700).count, ratings.get(3).count), (2, 1));
    }
}
