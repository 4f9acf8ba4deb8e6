//! What everyone turns to lately: the yardstick of every other model of a stream.

use super::{learnable, trend::Trend};
use crate::model::{LearnEvent, Rated, Scored, best};
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`Popular`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PopularParams {
    half_life_days: f64,
    positive: f32,
}

impl PopularParams {
    /// - `half_life_days`: after that long an event counts half, 0.01 to 36500
    /// - `positive`: events of a lower value do not count; any finite number
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(half_life_days: f64, positive: f32) -> Result<Self, BadParam> {
        let days = (0.01..=36_500.0).contains(&half_life_days);
        Ok(Self {
            half_life_days: check("popular.half_life_days", half_life_days, days, "0.01 to 36500")?,
            positive: check("popular.positive", positive, positive.is_finite(), "a finite number")?,
        })
    }
}

impl Tunable for PopularParams {
    const SPACE: &'static [Dimension] =
        &[Dimension { name: "half_life_days", range: Range::Log(0.1, 20_000.0) }];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(get("half_life_days", 90.0), get("positive", 0.0) as f32)
    }
}

/// Decayed popularity, the same list for everyone.
#[derive(Debug, Clone)]
pub struct Popular {
    params: PopularParams,
    trend: Trend,
}

impl Popular {
    pub fn new(params: PopularParams) -> Self {
        Self { params, trend: Trend::new(params.half_life_days) }
    }
}

impl LearnEvent for Popular {
    /// Exact. Cost `O(1000)`, or `O(n_items)` for a user who had most of what is popular.
    fn top(&mut self, _: u32, _: i64, skip: &[u32], k: usize) -> Scored {
        let leaders = self.trend.leaders().iter().map(|&item| (item, self.trend.share(item)));
        let list = best(leaders.collect(), skip, k);
        if list.len() < k {
            return best(self.trend.all().map(|(item, _)| (item, self.trend.share(item))).collect(), skip, k);
        }
        list
    }

    /// Cost `O(1)`, now and then `O(1000)`.
    fn learn(&mut self, event: &Rated) {
        if learnable(event) && self.params.positive <= event.value {
            self.trend.add(event.item, event.at_s);
        }
    }
}
