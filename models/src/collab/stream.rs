//! Item-item and user-user neighbours that learn event by event, older events fading.
//!
//! Both keep the sums of pairs ([`Similarity`] turns them into a number when asked), so what they know after a stream without
//! decay is what the batch formulas give for the same pairs. Memory is bounded per row.

use std::collections::VecDeque;

use super::pairs::{ByIndex, Pairs, fade};
use super::similarity::Similarity;
use crate::model::{LearnEvent, Rated, Scored, best};
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`ItemStream`] and [`UserStream`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamParams {
    similarity: Similarity,
    half_life_days: f64,
    shrinkage: f64,
    k: usize,
    recent_max: usize,
    near_max: usize,
}

impl StreamParams {
    /// - `half_life_days`: after that long a shared event counts half, 0.001 to 1e6
    /// - `shrinkage`: 0 to 1e6, as for [`Similarity::of`]
    /// - `k`: neighbours that have a say, 1 to 10000
    /// - `recent_max`: events kept per user (and, for user-user, per item): bounds the cost of an event, 1 to 1000
    /// - `near_max`: pairs kept per row, 2 to 100000
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        similarity: Similarity,
        half_life_days: f64,
        shrinkage: f64,
        k: usize,
        recent_max: usize,
        near_max: usize,
    ) -> Result<Self, BadParam> {
        let half_ok = (0.001..=1e6).contains(&half_life_days);
        let shrinkage_ok = (0.0..=1e6).contains(&shrinkage);
        let recent_ok = (1..=1000).contains(&recent_max);
        let near_ok = (2..=100_000).contains(&near_max);
        Ok(Self {
            similarity,
            half_life_days: check(
                "neighbour_stream.half_life_days",
                half_life_days,
                half_ok,
                "0.001 to 1e6",
            )?,
            shrinkage: check("neighbour_stream.shrinkage", shrinkage, shrinkage_ok, "0 to 1e6")?,
            k: check("neighbour_stream.k", k, (1..=10_000).contains(&k), "1 to 10000")?,
            recent_max: check("neighbour_stream.recent_max", recent_max, recent_ok, "1 to 1000")?,
            near_max: check("neighbour_stream.near_max", near_max, near_ok, "2 to 100000")?,
        })
    }

    fn half_life_s(&self) -> f64 {
        self.half_life_days * 86_400.0
    }
}

impl Default for StreamParams {
    fn default() -> Self {
        Self {
            similarity: Similarity::Cosine,
            half_life_days: 365.0,
            shrinkage: 3.0,
            k: 100,
            recent_max: 30,
            near_max: 1000,
        }
    }
}

impl Tunable for StreamParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "half_life_days", range: Range::Log(1.0, 3000.0) },
        Dimension { name: "shrinkage", range: Range::Choice(&[0.0, 1.0, 3.0, 10.0, 30.0]) },
        Dimension { name: "k", range: Range::Choice(&[30.0, 100.0, 300.0]) },
        Dimension { name: "recent_max", range: Range::Choice(&[10.0, 30.0, 100.0]) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(
            d.similarity,
            get("half_life_days", d.half_life_days),
            get("shrinkage", d.shrinkage),
            get("k", d.k as f64) as usize,
            get("recent_max", d.recent_max as f64) as usize,
            get("near_max", d.near_max as f64) as usize,
        )
    }
}

/// The last events of every row, oldest first: `(other side, value, time)`.
#[derive(Debug, Clone, Default)]
struct Recents(ByIndex<VecDeque<(u32, f32, i64)>>);

impl Recents {
    fn of(&self, row: u32) -> impl Iterator<Item = (u32, f32, i64)> {
        self.0.get(&row).into_iter().flatten().copied()
    }

    /// Adds an event; one of the same pair is replaced, the oldest beyond `max` forgotten.
    fn push(&mut self, row: u32, event: (u32, f32, i64), max: usize) {
        let events = self.0.entry(row).or_default();
        events.retain(|x| x.0 != event.0);
        events.push_back(event);
        if max < events.len() {
            events.pop_front();
        }
    }
}

/// Values that can be learned: finite and above 0.
fn usable(event: &Rated) -> bool {
    event.value.is_finite() && 0.0 < event.value
}

/// The best of summed shares.
fn ranked(shares: ByIndex<f64>, skip: &[u32], k: usize) -> Scored {
    let finite = shares.into_iter().map(|(item, share)| (item, share as f32)).filter(|x| x.1.is_finite());
    best(finite.collect(), skip, k)
}

/// Item-item neighbours of a stream: an event pairs its item with the user's last ones.
///
/// Cost: an event `O(recent_max)`, a list `O(recent_max · near_max)`.
#[derive(Debug, Clone)]
pub struct ItemStream {
    params: StreamParams,
    pairs: Pairs,
    of_user: Recents,
}

impl ItemStream {
    pub fn new(params: StreamParams) -> Self {
        let pairs = Pairs::new(params.near_max, params.half_life_s());
        Self { params, pairs, of_user: Recents::default() }
    }

    /// An item's neighbours, nearest first.
    pub fn nearest(&self, item: u32) -> Scored {
        let near = self.pairs.near(item, self.params.similarity, self.params.shrinkage);
        best(near.map(|(to, similarity)| (to, similarity as f32)).collect(), &[], self.params.k)
    }
}

impl LearnEvent for ItemStream {
    fn top(&mut self, user: u32, at_s: i64, skip: &[u32], k: usize) -> Scored {
        let mut shares = ByIndex::default();
        for (item, value, since) in self.of_user.of(user) {
            let weight = f64::from(value) * fade(at_s.saturating_sub(since), self.params.half_life_s());
            for (to, similarity) in self.nearest(item) {
                *shares.entry(to).or_insert(0.0) += weight * f64::from(similarity);
            }
        }
        ranked(shares, skip, k)
    }

    fn learn(&mut self, event: &Rated) {
        if !usable(event) {
            return;
        }
        let x = f64::from(event.value);
        self.pairs.enter(event.item, x, event.at_s);
        for (other, value, _) in self.of_user.of(event.user) {
            if other != event.item {
                self.pairs.share(event.item, other, (x, f64::from(value)), event.at_s);
            }
        }
        self.of_user.push(event.user, (event.item, event.value, event.at_s), self.params.recent_max);
    }
}

/// User-user neighbours of a stream: an event pairs its user with the last ones who touched the item.
///
/// Cost: an event `O(recent_max)`, a list `O(near_max + k · recent_max)`.
#[derive(Debug, Clone)]
pub struct UserStream {
    params: StreamParams,
    pairs: Pairs,
    of_user: Recents,
    of_item: Recents,
}

impl UserStream {
    pub fn new(params: StreamParams) -> Self {
        let pairs = Pairs::new(params.near_max, params.half_life_s());
        Self { params, pairs, of_user: Recents::default(), of_item: Recents::default() }
    }

    /// A user's neighbours, nearest first.
    pub fn nearest(&self, user: u32) -> Scored {
        let near = self.pairs.near(user, self.params.similarity, self.params.shrinkage);
        best(near.map(|(to, similarity)| (to, similarity as f32)).collect(), &[], self.params.k)
    }
}

impl LearnEvent for UserStream {
    fn top(&mut self, user: u32, at_s: i64, skip: &[u32], k: usize) -> Scored {
        let mut shares = ByIndex::default();
        for (other, similarity) in self.nearest(user) {
            for (item, value, since) in self.of_user.of(other) {
                let weight = f64::from(value) * fade(at_s.saturating_sub(since), self.params.half_life_s());
                *shares.entry(item).or_insert(0.0) += weight * f64::from(similarity);
            }
        }
        ranked(shares, skip, k)
    }

    fn learn(&mut self, event: &Rated) {
        if !usable(event) {
            return;
        }
        let x = f64::from(event.value);
        self.pairs.enter(event.user, x, event.at_s);
        for (other, value, _) in self.of_item.of(event.item) {
            if other != event.user {
                self.pairs.share(event.user, other, (x, f64::from(value)), event.at_s);
            }
        }
        self.of_item.push(event.item, (event.user, event.value, event.at_s), self.params.recent_max);
        self.of_user.push(event.user, (event.item, event.value, event.at_s), self.params.recent_max);
    }
}
