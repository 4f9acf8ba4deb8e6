//! Counts that decay with time, at no cost while nothing happens.

use super::grow;

/// Best items that are surely known at any moment, so that a list needs no look at the whole catalogue.
const LEADERS: usize = 512;

/// Leaders held before all but [`LEADERS`] are dropped: sorting them out is rare then, and costs little for each event.
const LEADERS_MAX: usize = 2 * LEADERS;

/// Doublings of the weight of new events before all counts are scaled down again: an `f32` has room for 127.
const DOUBLINGS_MAX: f64 = 64.0;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Instead of old events losing weight, new ones gain it: `2^(t / half_life)`. The order of items then changes only by what
/// is added.
#[derive(Debug, Clone)]
pub(super) struct Trend {
    half_life_s: f64,
    /// Time at which an event weighs 1.
    origin_s: Option<i64>,
    counts: Vec<f32>,
    total: f32,
    leaders: Vec<u32>,
    is_leader: Vec<bool>,
    /// Whoever is not a leader has at most this.
    floor: f32,
}

impl Trend {
    pub fn new(half_life_days: f64) -> Self {
        Self {
            half_life_s: half_life_days * SECONDS_PER_DAY,
            origin_s: None,
            counts: vec![],
            total: 0.0,
            leaders: vec![],
            is_leader: vec![],
            floor: 0.0,
        }
    }

    /// `item` must be below `ITEMS_MAX`. An event older than the last ones weighs less, as it should.
    pub fn add(&mut self, item: u32, at_s: i64) {
        let origin = *self.origin_s.get_or_insert(at_s);
        let mut doublings = at_s.saturating_sub(origin) as f64 / self.half_life_s;
        if DOUBLINGS_MAX < doublings {
            let down = (-doublings.min(1000.0)).exp2() as f32;
            self.counts.iter_mut().for_each(|count| *count *= down);
            self.total *= down;
            self.floor *= down;
            self.origin_s = Some(at_s);
            doublings = 0.0;
        }
        let weight = doublings.max(-DOUBLINGS_MAX).exp2() as f32;
        let at = item as usize;
        grow(&mut self.counts, at, 0.0);
        grow(&mut self.is_leader, at, false);
        self.counts[at] += weight;
        self.total += weight;
        if !self.is_leader[at] && self.floor < self.counts[at] {
            self.is_leader[at] = true;
            self.leaders.push(item);
            if LEADERS_MAX <= self.leaders.len() {
                self.drop_least();
            }
        }
    }

    fn drop_least(&mut self) {
        let counts = &self.counts;
        let count = |item: u32| counts[item as usize];
        let order = |a: &u32, b: &u32| count(*b).total_cmp(&count(*a)).then(a.cmp(b));
        self.leaders.select_nth_unstable_by(LEADERS - 1, order);
        self.floor = count(self.leaders[LEADERS - 1]);
        for item in self.leaders.drain(LEADERS..) {
            self.is_leader[item as usize] = false;
        }
    }

    /// The most popular items, in no order: [`LEADERS`] and some more, or all of them if they are few.
    pub fn leaders(&self) -> &[u32] {
        &self.leaders
    }

    /// Items with a count, as `(item, count)`.
    pub fn all(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        (0u32..).zip(self.counts.iter().copied()).filter(|(_, count)| 0.0 < *count)
    }

    /// Share of an item in everything counted, 0 to 1.
    pub fn share(&self, item: u32) -> f32 {
        let count = self.counts.get(item as usize).copied().unwrap_or(0.0);
        if 0.0 < self.total { count / self.total } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn a_half_life_halves() {
        let mut trend = Trend::new(1.0);
        trend.add(0, 0);
        trend.add(1, DAY);
        assert!((trend.share(0) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(trend.share(9), 0.0);
    }

    #[test]
    fn leaders_are_the_greatest_at_any_time() {
        let mut trend = Trend::new(3.0);
        for n in 0..40_000i64 {
            let item = (n * n % 1999 + n % 7 * 31) as u32;
            trend.add(item, n * 1800);
            if n % 5000 == 4999 {
                let mut all: Vec<(u32, f32)> = trend.all().collect();
                all.sort_by(|a, b| b.1.total_cmp(&a.1));
                assert!(all[..LEADERS].iter().all(|(item, _)| trend.leaders().contains(item)));
                assert!(trend.leaders().len() < LEADERS_MAX && LEADERS < all.len());
            }
        }
        assert!(trend.counts.iter().all(|count| count.is_finite()));
    }

    #[test]
    fn times_far_apart_leave_numbers_finite() {
        let mut trend = Trend::new(0.01);
        for at_s in [0, i64::MAX, i64::MIN, 5, i64::MAX] {
            trend.add(3, at_s);
            trend.add(4, at_s);
        }
        assert!(trend.share(3).is_finite() && 0.0 < trend.share(3));
    }
}
