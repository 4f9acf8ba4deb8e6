//! What is bought and looked at by everyone, over a long time and just now.

use crate::params::{BadParam, check};

/// Checked parameters of [`Popularity::from_events`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PopularityParams {
    half_life_days: f64,
    trending_half_life_days: f64,
    trending_prior: f64,
}

impl PopularityParams {
    /// - `half_life_days`: after that long an event counts half, 0.01 to 36500
    /// - `trending_half_life_days`: the same for what is trending, at most `half_life_days`
    /// - `trending_prior`: weight (as of events) that an item must gain before its trend is taken at its word, above 0
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        half_life_days: f64,
        trending_half_life_days: f64,
        trending_prior: f64,
    ) -> Result<Self, BadParam> {
        let days = |x: f64| (0.01..=36_500.0).contains(&x);
        Ok(Self {
            half_life_days: check(
                "popularity.half_life_days",
                half_life_days,
                days(half_life_days),
                "0.01 to 36500",
            )?,
            trending_half_life_days: check(
                "popularity.trending_half_life_days",
                trending_half_life_days,
                days(trending_half_life_days) && trending_half_life_days <= half_life_days,
                "0.01 to popularity.half_life_days",
            )?,
            trending_prior: check(
                "popularity.trending_prior",
                trending_prior,
                (1e-6..=1e9).contains(&trending_prior),
                "above 0, 1e-6 to 1e9",
            )?,
        })
    }

    /// What an event of this age still counts, for popularity and for trending; an event of the future counts as of now.
    pub fn decay(&self, age_days: f64) -> (f64, f64) {
        let age = age_days.max(0.0);
        ((-age / self.half_life_days).exp2(), (-age / self.trending_half_life_days).exp2())
    }
}

/// Every item's popularity and trend, 0 or more, `(n_items,)` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Popularity {
    score: Vec<f32>,
    trending: Vec<f32>,
    /// Largest of each, which ranking divides by.
    largest: (f32, f32),
}

/// Why events or scores were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PopularityError {
    #[error("item {item} is unknown, expected below {n_items}")]
    Unknown { item: u32, n_items: usize },
    #[error("item {item} has weight {weight} at age {age_days} days, expected finite numbers")]
    NotFinite { item: u32, weight: f64, age_days: f64 },
    #[error("there are {score} popularity and {trending} trending scores, expected as many")]
    Length { score: usize, trending: usize },
    #[error("item {item} has score {score}, expected a finite number, 0 or more")]
    Score { item: usize, score: f32 },
}

impl Popularity {
    /// Sums events that decay with age.
    /// - `events`: `(item, weight, age in days)`; a weight may be negative (a refund), an item's sum below 0 counts as 0
    /// - popularity is `Σ w 2^(-age/half_life)`; trending is the same sum with the short half-life, times its share of
    ///   the long one: much lately, and more than usual
    /// - sums in f64 in the order given: the same order gives the same bytes
    ///
    /// # Errors
    /// [`PopularityError`] for an item beyond `n_items` or a number that is not finite.
    ///
    /// ```
    /// use shoptide_models::popularity::{Popularity, PopularityParams};
    /// let params = PopularityParams::new(30.0, 2.0, 5.0).unwrap();
    /// let p = Popularity::from_events(2, [(0, 1.0, 30.0), (0, 1.0, 60.0), (1, 1.0, 0.0)], &params).unwrap();
    /// assert_eq!(p.score(), [0.75, 1.0]);
    /// assert!(p.trending()[0] < p.trending()[1]);
    /// ```
    pub fn from_events(
        n_items: usize,
        events: impl IntoIterator<Item = (u32, f64, f64)>,
        params: &PopularityParams,
    ) -> Result<Self, PopularityError> {
        let mut sums = vec![(0f64, 0f64); n_items];
        for (item, weight, age_days) in events {
            if !weight.is_finite() || !age_days.is_finite() {
                return Err(PopularityError::NotFinite { item, weight, age_days });
            }
            let (long, short) =
                sums.get_mut(item as usize).ok_or(PopularityError::Unknown { item, n_items })?;
            let (long_decay, short_decay) = params.decay(age_days);
            *long += weight * long_decay;
            *short += weight * short_decay;
        }
        let bounded = |x: f64| x.clamp(0.0, f64::from(f32::MAX)) as f32;
        let trend = |&(long, short): &(f64, f64)| {
            let (long, short) = (long.max(0.0), short.max(0.0));
            bounded(short * (short / (long.max(short) + params.trending_prior)))
        };
        Ok(Self::of_checked(
            sums.iter().map(|sum| bounded(sum.0)).collect(),
            sums.iter().map(trend).collect(),
        ))
    }

    /// Takes ready-made scores.
    ///
    /// # Errors
    /// [`PopularityError`] if the lengths differ or a score is negative or not finite.
    pub fn from_scores(score: Vec<f32>, trending: Vec<f32>) -> Result<Self, PopularityError> {
        if score.len() != trending.len() {
            return Err(PopularityError::Length { score: score.len(), trending: trending.len() });
        }
        for scores in [&score, &trending] {
            if let Some(item) = scores.iter().position(|x| !x.is_finite() || *x < 0.0) {
                return Err(PopularityError::Score { item, score: scores[item] });
            }
        }
        Ok(Self::of_checked(score, trending))
    }

    fn of_checked(score: Vec<f32>, trending: Vec<f32>) -> Self {
        let largest = |scores: &[f32]| scores.iter().copied().fold(0f32, f32::max);
        Self { largest: (largest(&score), largest(&trending)), score, trending }
    }

    /// No items.
    pub fn empty() -> Self {
        Self::of_checked(Vec::new(), Vec::new())
    }

    /// The largest popularity and the largest trend of any item, 0 without items.
    pub fn largest(&self) -> (f32, f32) {
        self.largest
    }

    pub fn n_items(&self) -> usize {
        self.score.len()
    }

    /// Decayed weight of each item's events.
    pub fn score(&self) -> &[f32] {
        &self.score
    }

    /// Recent weight of each item's events, times how recent its weight is.
    pub fn trending(&self) -> &[f32] {
        &self.trending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> PopularityParams {
        PopularityParams::new(30.0, 1.0, 5.0).unwrap()
    }

    #[test]
    fn a_newcomer_trends_above_an_old_favourite() {
        // Item 0: ten a day for a hundred days. Item 1: thirty, all today. Item 2: one today.
        let steady = (0..100).flat_map(|day| (0..10).map(move |_| (0, 1.0, f64::from(day))));
        let events = steady.chain((0..30).map(|_| (1, 1.0, 0.0))).chain([(2, 1.0, 0.0)]);
        let p = Popularity::from_events(3, events, &params()).unwrap();
        assert!(p.score()[1] < p.score()[0]);
        assert!(p.trending()[0] < p.trending()[1]);
        assert!(p.trending()[2] < p.trending()[0]);
    }

    #[test]
    fn refunds_take_back_but_never_below_zero() {
        let p = Popularity::from_events(1, [(0, 1.0, 0.0), (0, -3.0, 0.0)], &params()).unwrap();
        assert_eq!((p.score(), p.trending()), (&[0.0][..], &[0.0][..]));
        let future = Popularity::from_events(1, [(0, 1.0, -9.0)], &params()).unwrap();
        assert_eq!(future.score(), [1.0]);
    }

    #[test]
    fn bad_input_is_named() {
        let of = |event| Popularity::from_events(1, [event], &params()).unwrap_err();
        assert_eq!(of((1, 1.0, 0.0)), PopularityError::Unknown { item: 1, n_items: 1 });
        assert!(matches!(of((0, f64::NAN, 0.0)), PopularityError::NotFinite { .. }));
        assert!(matches!(of((0, 1.0, f64::INFINITY)), PopularityError::NotFinite { .. }));
        let scores = |a: Vec<f32>, b: Vec<f32>| Popularity::from_scores(a, b).unwrap_err();
        assert_eq!(scores(vec![1.0], vec![]), PopularityError::Length { score: 1, trending: 0 });
        assert!(matches!(scores(vec![-1.0], vec![0.0]), PopularityError::Score { item: 0, .. }));
        assert!(matches!(scores(vec![1.0], vec![f32::NAN]), PopularityError::Score { item: 0, .. }));
        let message = PopularityParams::new(1.0, 2.0, 1.0).unwrap_err().to_string();
        assert_eq!(
            message,
            "popularity.trending_half_life_days is 2, expected 0.01 to popularity.half_life_days"
        );
    }
}
