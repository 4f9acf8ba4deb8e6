//! Ratings: root mean square and mean absolute error over folds, seeded or given.

use crate::model::PredictRating;
use crate::model::Rated;
use rayon::prelude::*;

/// Folds at most: beyond, a fold of any file that fits a laptop says nothing.
const FOLDS_MAX: usize = 1000;

/// Errors summed by one task, in this order: fixes the order of the sum.
const RATINGS_PER_TASK: usize = 4096;

/// Which part of the ratings each rating is tested in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    n: usize,
    of: Vec<u32>,
}

/// Why folds cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    #[error("folds is {folds}, expected 2 to {max}")]
    Count { folds: usize, max: usize },
    #[error("fold {fold} of 0 to {last} has no ratings")]
    Empty { fold: usize, last: usize },
}

impl Folds {
    /// Shuffles `n_ratings` by a hash of the seed and each rating's place, and cuts them into parts of equal size (the
    /// first ones one larger). Cost `O(n log n)`.
    ///
    /// # Errors
    /// [`FoldError::Count`] if there are fewer than two folds, or more than ratings.
    ///
    /// ```
    /// use shoptide_models::evaluate::Folds;
    /// let folds = Folds::seeded(10, 3, 7).unwrap();
    /// assert_eq!(folds.test(0).count() + folds.test(1).count() + folds.test(2).count(), 10);
    /// assert!(Folds::seeded(10, 1, 7).is_err() && Folds::seeded(1, 2, 7).is_err());
    /// ```
    pub fn seeded(n_ratings: usize, folds: usize, seed: u64) -> Result<Self, FoldError> {
        let max = n_ratings.min(FOLDS_MAX);
        if !(2..=max).contains(&folds) {
            return Err(FoldError::Count { folds, max });
        }
        let key = |place: usize| {
            let mut bytes = [0u8; 16];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..].copy_from_slice(&(place as u64).to_le_bytes());
            xxhash_rust::xxh3::xxh3_64(&bytes)
        };
        let mut order: Vec<(u64, usize)> = (0..n_ratings).map(|place| (key(place), place)).collect();
        order.sort_unstable();
        let mut of = vec![0u32; n_ratings];
        for (at, (_, place)) in order.into_iter().enumerate() {
            if let Some(slot) = of.get_mut(place) {
                *slot = (at % folds) as u32;
            }
        }
        Ok(Self { n: folds, of })
    }

    /// Takes the fold of each rating, from 0 without gaps.
    ///
    /// # Errors
    /// [`FoldError`] if a fold has no ratings, or there are too few or too many.
    pub fn given(of: Vec<u32>) -> Result<Self, FoldError> {
        let folds = of.iter().max().map_or(0, |last| *last as usize + 1);
        let max = of.len().min(FOLDS_MAX);
        if !(2..=max).contains(&folds) {
            return Err(FoldError::Count { folds, max });
        }
        let mut seen = vec![false; folds];
        of.iter().filter_map(|fold| usize::try_from(*fold).ok()).for_each(|fold| seen[fold] = true);
        match seen.iter().position(|seen| !seen) {
            Some(fold) => Err(FoldError::Empty { fold, last: folds - 1 }),
            None => Ok(Self { n: folds, of }),
        }
    }

    /// Number of folds.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Places of the ratings tested in a fold, ascending.
    pub fn test(&self, fold: usize) -> impl Iterator<Item = usize> + '_ {
        let at = move |(place, of): (usize, &u32)| (*of as usize == fold).then_some(place);
        self.of.iter().enumerate().filter_map(at)
    }

    /// Places of the ratings trained on in a fold, ascending.
    pub fn train(&self, fold: usize) -> impl Iterator<Item = usize> + '_ {
        let at = move |(place, of): (usize, &u32)| (*of as usize != fold).then_some(place);
        self.of.iter().enumerate().filter_map(at)
    }
}

/// Errors over some ratings.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RatingQuality {
    pub rmse: f64,
    pub mae: f64,
    /// Ratings.
    pub n: usize,
}

/// Predicts every rating of `test`; in parallel, summed in fixed blocks. A prediction that is no number counts as an
/// infinite error rather than as none.
pub fn rating_quality(model: &dyn PredictRating, test: &[Rated]) -> RatingQuality {
    let block = |block: &[Rated]| {
        block.iter().fold((0f64, 0f64), |(squares, sum), rated| {
            let off = f64::from(model.predict(rated.user, rated.item)) - f64::from(rated.value);
            let off = if off.is_finite() { off } else { f64::INFINITY };
            (squares + off * off, sum + off.abs())
        })
    };
    let sums: Vec<(f64, f64)> = test.par_chunks(RATINGS_PER_TASK).map(block).collect();
    let n = test.len();
    let per = |sum: f64| sum / n.max(1) as f64;
    RatingQuality {
        rmse: per(sums.iter().map(|s| s.0).sum()).sqrt(),
        mae: per(sums.iter().map(|s| s.1).sum()),
        n,
    }
}

impl RatingQuality {
    /// Mean over folds, each counting the same, as the libraries report it; `n` is the sum.
    pub fn mean(folds: &[Self]) -> Self {
        let per = |sum: f64| sum / folds.len().max(1) as f64;
        Self {
            rmse: per(folds.iter().map(|f| f.rmse).sum()),
            mae: per(folds.iter().map(|f| f.mae).sum()),
            n: folds.iter().map(|f| f.n).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(f32);

    impl PredictRating for Always {
        fn predict(&self, _: u32, _: u32) -> f32 {
            self.0
        }
    }

    fn rated(values: &[f32]) -> Vec<Rated> {
        values.iter().map(|&value| Rated { user: 0, item: 0, value, at_s: 0 }).collect()
    }

    #[test]
    fn by_hand() {
        let q = rating_quality(&Always(3.0), &rated(&[1.0, 3.0, 4.0, 5.0]));
        assert_eq!((q.rmse, q.mae, q.n), ((4.0f64 + 0.0 + 1.0 + 4.0).sqrt() / 2.0, 5.0 / 4.0, 4));
        assert_eq!(rating_quality(&Always(3.0), &[]), RatingQuality::default());
        assert_eq!(rating_quality(&Always(f32::NAN), &rated(&[1.0])).rmse, f64::INFINITY);
        let mean = RatingQuality::mean(&[q, RatingQuality { rmse: 0.5, mae: 0.25, n: 1 }]);
        assert_eq!((mean.rmse, mean.mae, mean.n), ((1.5 + 0.5) / 2.0, 0.75, 5));
    }

    #[test]
    fn every_rating_is_tested_once_and_the_seed_decides_where() {
        let folds = Folds::seeded(103, 5, 1).unwrap();
        let sizes: Vec<usize> = (0..5).map(|fold| folds.test(fold).count()).collect();
        assert_eq!(sizes, [21, 21, 21, 20, 20]);
        let mut all: Vec<usize> = (0..5).flat_map(|fold| folds.test(fold)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
        assert!((0..5).all(|fold| folds.train(fold).count() + folds.test(fold).count() == 103));
        assert_eq!(folds, Folds::seeded(103, 5, 1).unwrap());
        assert_ne!(folds, Folds::seeded(103, 5, 2).unwrap());
    }

    #[test]
    fn given_folds_are_checked() {
        assert_eq!(Folds::given(vec![1, 0, 1]).unwrap().test(1).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(Folds::given(vec![0, 2, 2]), Err(FoldError::Empty { fold: 1, last: 2 }));
        for bad in [vec![], vec![0, 0], vec![0, u32::MAX]] {
            assert!(matches!(Folds::given(bad), Err(FoldError::Count { .. })));
        }
    }
}
