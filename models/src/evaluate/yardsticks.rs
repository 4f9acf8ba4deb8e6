//! What every model must beat: popularity, popularity that forgets, and the mean with biases.

use crate::model::{LearnEvent, NextItem, PredictRating, RankItems, Rated, Scored, best};
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// The same items for everybody, most used first.
#[derive(Debug, Clone, PartialEq)]
pub struct MostPopular {
    /// Items that were used at all.
    scores: Scored,
}

impl MostPopular {
    /// Counts `items` (indices below `n_items`, others are passed over).
    pub fn count(n_items: usize, items: impl IntoIterator<Item = u32>) -> Self {
        let mut times = vec![0u64; n_items];
        for item in items {
            if let Some(times) = times.get_mut(item as usize) {
                *times += 1;
            }
        }
        let used = (0u32..).zip(times).filter(|entry| 0 < entry.1);
        Self { scores: used.map(|(item, times)| (item, times as f32)).collect() }
    }
}

impl NextItem for MostPopular {
    fn score(&self, _: &[u32], out: &mut Scored) {
        out.clone_from(&self.scores);
    }
}

impl RankItems for MostPopular {
    fn top(&self, _: u32, skip: &[u32], k: usize) -> Scored {
        best(self.scores.clone(), skip, k)
    }
}

/// Popularity with a half-life, learned event by event.
#[derive(Debug, Clone, PartialEq)]
pub struct DecayedPopularity {
    half_life_s: f64,
    positive: f32,
    /// Counts in units of an event at `since_s`: an event `h` half-lives later counts `2^h`.
    scores: Scored,
    since_s: Option<i64>,
}

/// Half-lives after which all counts are scaled back: 2^100 is well within an f32.
const RESCALE_HALF_LIVES: f64 = 100.0;

impl DecayedPopularity {
    /// - `half_life_days`: 0.001 to 1e6
    /// - `positive`: only events of at least this value count
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(half_life_days: f64, positive: f32) -> Result<Self, BadParam> {
        let ok = (0.001..=1e6).contains(&half_life_days);
        let days = check("popularity.half_life_days", half_life_days, ok, "0.001 to 1e6")?;
        let positive = check("positive", positive, positive.is_finite(), "a finite number")?;
        Ok(Self { half_life_s: days * 86_400.0, positive, scores: Scored::new(), since_s: None })
    }
}

impl LearnEvent for DecayedPopularity {
    fn top(&mut self, _: u32, _: i64, skip: &[u32], k: usize) -> Scored {
        // Everything decays alike, so the order does not depend on the time it is asked at.
        let known = self.scores.iter().copied().filter(|entry| 0.0 < entry.1);
        best(known.collect(), skip, k)
    }

    fn learn(&mut self, event: &Rated) {
        if event.value < self.positive || !event.value.is_finite() {
            return;
        }
        let since_s = *self.since_s.get_or_insert(event.at_s);
        let half_lives = event.at_s.saturating_sub(since_s) as f64 / self.half_life_s;
        let mut weight = half_lives.clamp(-RESCALE_HALF_LIVES, f64::INFINITY).exp2();
        if RESCALE_HALF_LIVES < half_lives {
            let back = (-half_lives).exp2() as f32;
            self.scores.iter_mut().for_each(|entry| entry.1 *= back);
            self.since_s = Some(event.at_s);
            weight = 1.0;
        }
        match self.scores.binary_search_by_key(&event.item, |entry| entry.0) {
            Ok(at) => self.scores[at].1 += weight as f32,
            Err(at) => self.scores.insert(at, (event.item, weight as f32)),
        }
    }
}

/// The mean rating with damped biases of item and user. Koren, *Factorization meets the neighborhood*, KDD 2008, section 2.1.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanRating {
    mean: f64,
    users: Vec<f64>,
    items: Vec<f64>,
    scale: (f32, f32),
}

/// Checked parameters of [`MeanRating::fit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanRatingParams {
    item_damping: f64,
    user_damping: f64,
}

impl MeanRatingParams {
    /// Ratings' worth of doubt in a bias, each 0 to 1000.
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(item_damping: f64, user_damping: f64) -> Result<Self, BadParam> {
        let ok = |x: f64| (0.0..=1000.0).contains(&x);
        Ok(Self {
            item_damping: check("mean.item_damping", item_damping, ok(item_damping), "0 to 1000")?,
            user_damping: check("mean.user_damping", user_damping, ok(user_damping), "0 to 1000")?,
        })
    }
}

impl Tunable for MeanRatingParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "item_damping", range: Range::Log(0.5, 100.0) },
        Dimension { name: "user_damping", range: Range::Log(0.5, 100.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let of = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(of("item_damping", 5.0), of("user_damping", 10.0))
    }
}

impl MeanRating {
    /// Values that are not finite, and indices beyond the two numbers, are passed over.
    pub fn fit(n_users: usize, n_items: usize, ratings: &[Rated], params: &MeanRatingParams) -> Self {
        let good = || {
            let known = |r: &&Rated| (r.user as usize) < n_users && (r.item as usize) < n_items;
            ratings.iter().filter(known).filter(|r| r.value.is_finite())
        };
        let mean = good().map(|r| f64::from(r.value)).sum::<f64>() / good().count().max(1) as f64;
        let scale = good()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), r| (low.min(r.value), high.max(r.value)));
        let bias = |n: usize, of: &dyn Fn(&Rated) -> u32, off: &dyn Fn(&Rated) -> f64, damping: f64| {
            let mut sums = vec![(0f64, damping); n];
            for r in good() {
                let (sum, count) = &mut sums[of(r) as usize];
                *sum += off(r);
                *count += 1.0;
            }
            sums.into_iter()
                .map(|(sum, count)| if sum == 0.0 { 0.0 } else { sum / count })
                .collect::<Vec<f64>>()
        };
        let items = bias(n_items, &|r| r.item, &|r| f64::from(r.value) - mean, params.item_damping);
        let off = |r: &Rated| f64::from(r.value) - mean - items[r.item as usize];
        let users = bias(n_users, &|r| r.user, &off, params.user_damping);
        Self { mean, users, items, scale }
    }
}

impl PredictRating for MeanRating {
    fn predict(&self, user: u32, item: u32) -> f32 {
        let of = |biases: &[f64], at: u32| biases.get(at as usize).copied().unwrap_or(0.0);
        let expected = (self.mean + of(&self.users, user) + of(&self.items, item)) as f32;
        let (low, high) = self.scale;
        if low <= high { expected.clamp(low, high) } else { expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_popular_is_the_same_for_all() {
        let model = MostPopular::count(4, [2, 2, 1, 9]);
        assert_eq!(model.top(7, &[], 9), [(2, 2.0), (1, 1.0)]);
        assert_eq!(model.top(7, &[2], 9), [(1, 1.0)]);
        let mut out = vec![(9, 9.0)];
        model.score(&[3], &mut out);
        assert_eq!(out, [(1, 1.0), (2, 2.0)]);
        assert_eq!(MostPopular::count(0, []).top(0, &[], 3), []);
    }

    #[test]
    fn what_is_old_counts_less() {
        let event = |item, day: i64, value| Rated { user: 0, item, value, at_s: day.saturating_mul(86_400) };
        let mut model = DecayedPopularity::new(1.0, 4.0).unwrap();
        let top = |model: &mut DecayedPopularity| -> Vec<u32> {
            model.top(0, 0, &[], 9).into_iter().map(|entry| entry.0).collect()
        };
        for e in [event(0, 0, 5.0), event(0, 0, 5.0), event(0, 0, 5.0), event(1, 1, 5.0)] {
            model.learn(&e);
        }
        assert_eq!(top(&mut model), [0, 1]);
        model.learn(&event(1, 1, 5.0));
        assert_eq!(top(&mut model), [1, 0]);
        model.learn(&event(2, 1, 3.0));
        model.learn(&event(2, 1, f32::NAN));
        assert_eq!(top(&mut model), [1, 0]);
        // So long after that the counts are scaled back.
        model.learn(&event(3, 1000, 5.0));
        assert_eq!(top(&mut model)[0], 3);
        model.learn(&event(4, i64::MIN, 5.0));
        assert!(model.top(0, 0, &[], 9).iter().all(|entry| entry.1.is_finite()));
        assert!(DecayedPopularity::new(0.0, 4.0).is_err() && DecayedPopularity::new(1.0, f32::NAN).is_err());
    }

    #[test]
    fn biases_by_hand() {
        let rated = |user, item, value| Rated { user, item, value, at_s: 0 };
        let ratings = [rated(0, 0, 5.0), rated(0, 1, 3.0), rated(1, 0, 4.0), rated(1, 1, 2.0)];
        let model = MeanRating::fit(2, 2, &ratings, &MeanRatingParams::new(0.0, 0.0).unwrap());
        // Mean 3.5, items +1 and -1, users +0.5 and -0.5.
        assert_eq!((model.predict(0, 0), model.predict(1, 1)), (5.0, 2.0));
        assert_eq!((model.predict(0, 9), model.predict(9, 1), model.predict(9, 9)), (4.0, 2.5, 3.5));
        let none = MeanRating::fit(0, 0, &[], &MeanRatingParams::at(&Point::new()).unwrap());
        assert_eq!(none.predict(0, 0), 0.0);
        let odd = [rated(0, 0, f32::NAN), rated(7, 0, 3.0), rated(0, 0, 4.0)];
        assert_eq!(MeanRating::fit(1, 1, &odd, &MeanRatingParams::new(0.0, 0.0).unwrap()).predict(0, 0), 4.0);
    }
}
