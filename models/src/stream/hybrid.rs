//! All sources of a stream, weighted by what the stream itself shows about them.
//!
//! Each list is a choice among candidates: their log-odds are a weighted sum of the sources' opinions, and when the user then
//! turns to one of them, the weights move by the gradient of that choice's likelihood (McFadden, *Conditional logit analysis
//! of qualitative choice behavior*, 1974), each with its own step (Duchi et al., *Adaptive subgradient methods*, JMLR 2011).

use super::factors::{OnlineMf, OnlineMfParams};
use super::learnable;
use super::trails::{Found, SIGNS, Trails, TrailsParams};
use super::trend::Trend;
use crate::model::{LearnEvent, Rated, Scored, best};
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// What each weight of [`Hybrid::weights`] is of.
pub const SOURCES: [&str; N] = [
    "popular lately",
    "popular",
    "after the last item",
    "before the last item",
    "after recent items",
    "before recent items",
    "near recent items, for its popularity",
    "factors",
];
const N: usize = 8;

/// Weights before anything is learned: what is popular, nearness first.
const START: [f32; N] = [0.3, 0.2, 0.3, 0.1, 0.6, 0.6, 0.3, 0.2];

/// No weight leaves `±` this.
const WEIGHT_MAX: f32 = 10.0;

/// Below that, a share is as good as none: its logarithm is bounded.
const SHARE_MIN: f32 = 1e-4;

/// Candidates that each popularity brings, unless a longer list is asked for.
const POPULAR_MAX: usize = 100;

/// Checked parameters of [`Hybrid`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HybridParams {
    trails: TrailsParams,
    factors: OnlineMfParams,
    recent_days: f64,
    half_life_days: f64,
    rate: f32,
}

impl HybridParams {
    /// - `trails`, `factors`: of those sources; `trails.positive` is what counts as a hit
    /// - `recent_days`, `half_life_days` of the two popularities, 0.01 to 36500
    /// - `rate` of learning the weights, 0 (they stay) to 1
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        trails: TrailsParams,
        factors: OnlineMfParams,
        recent_days: f64,
        half_life_days: f64,
        rate: f64,
    ) -> Result<Self, BadParam> {
        let days = |key, x: f64| check(key, x, (0.01..=36_500.0).contains(&x), "0.01 to 36500");
        Ok(Self {
            trails,
            factors,
            recent_days: days("hybrid.recent_days", recent_days)?,
            half_life_days: days("hybrid.half_life_days", half_life_days)?,
            rate: check("hybrid.rate", rate, (0.0..=1.0).contains(&rate), "0 to 1")? as f32,
        })
    }

    /// Good on MovieLens; `positive` as in [`TrailsParams::new`].
    ///
    /// # Errors
    /// [`BadParam`] if `positive` is not finite.
    pub fn standard(positive: f32, seed: u64) -> Result<Self, BadParam> {
        Self::new(
            TrailsParams::standard(positive)?,
            OnlineMfParams::standard(positive, seed)?,
            230.0,
            6700.0,
            0.15,
        )
    }
}

impl Tunable for HybridParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "context", range: Range::Whole(3, 20) },
        Dimension { name: "visits", range: Range::Choice(&[50.0, 100.0, 200.0]) },
        Dimension { name: "reach", range: Range::Whole(4, 16) },
        Dimension { name: "context_decay", range: Range::Linear(0.6, 1.0) },
        Dimension { name: "reach_decay", range: Range::Linear(0.6, 1.0) },
        Dimension { name: "below", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "rank", range: Range::Choice(&[8.0, 16.0, 32.0]) },
        Dimension { name: "factors_rate", range: Range::Log(0.01, 0.4) },
        Dimension { name: "recent_days", range: Range::Log(1.0, 300.0) },
        Dimension { name: "half_life_days", range: Range::Log(300.0, 20_000.0) },
        Dimension { name: "weights_rate", range: Range::Log(0.005, 0.2) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let mut factors = point.clone();
        if let Some(rate) = factors.remove("factors_rate") {
            factors.insert("rate".to_owned(), rate);
        }
        let p = Self::standard(get("positive", 0.0) as f32, 0)?;
        Self::new(
            TrailsParams::at(point)?,
            OnlineMfParams::at(&factors)?,
            get("recent_days", p.recent_days),
            get("half_life_days", p.half_life_days),
            get("weights_rate", p.rate.into()),
        )
    }
}

/// The list that was asked for last, until its user shows what he wanted.
#[derive(Debug, Clone, Default)]
struct Asked {
    user: Option<u32>,
    /// Of each candidate, in the order in which they were found.
    opinions: Vec<[f32; N]>,
    /// Mean opinion, each candidate weighted by its probability.
    expected: [f32; N],
}

/// Popularity, trails and factors in one list.
#[derive(Debug, Clone)]
pub struct Hybrid {
    params: HybridParams,
    recent: Trend,
    long: Trend,
    trails: Trails,
    factors: OnlineMf,
    weights: [f32; N],
    /// Squares of each weight's gradients so far.
    squares: [f32; N],
    found: Found,
    asked: Asked,
}

impl Hybrid {
    pub fn new(params: HybridParams) -> Self {
        Self {
            params,
            recent: Trend::new(params.recent_days),
            long: Trend::new(params.half_life_days),
            trails: Trails::new(params.trails),
            factors: OnlineMf::new(params.factors),
            weights: START,
            squares: [1.0; N],
            found: Found::default(),
            asked: Asked::default(),
        }
    }

    /// What each of [`SOURCES`] counts now.
    pub fn weights(&self) -> [f32; N] {
        self.weights
    }

    fn opinions(&self, user: u32, item: u32, signs: &[f32; SIGNS]) -> [f32; N] {
        let log = |share: f32| (share + SHARE_MIN).ln();
        let long = self.long.share(item);
        let near = signs[2] + signs[3];
        [
            log(self.recent.share(item)),
            log(long),
            log(signs[0]),
            log(signs[1]),
            log(signs[2]),
            log(signs[3]),
            near / (near + POPULARITY_SCALE * long + SHARE_MIN),
            self.factors.score(user, item),
        ]
    }

    /// A step of gradient ascent on the likelihood of the choice that was made.
    fn reward(&mut self, item: u32) {
        let Some(chosen) = self.found.place(item).and_then(|at| self.asked.opinions.get(at)) else { return };
        let pairs = chosen.iter().zip(&self.asked.expected);
        for ((weight, squares), (chosen, expected)) in
            self.weights.iter_mut().zip(&mut self.squares).zip(pairs)
        {
            let gradient = chosen - expected;
            *squares += gradient * gradient;
            let moved = *weight + self.params.rate * gradient / squares.sqrt();
            *weight = moved.clamp(-WEIGHT_MAX, WEIGHT_MAX);
        }
    }
}

/// A nearness of that many times an item's share in everything is as good as can be.
const POPULARITY_SCALE: f32 = 10.0;

impl LearnEvent for Hybrid {
    /// Candidates are what lies near the user's last items and the most popular hundred. Cost as of [`Trails`], and
    /// `O(rank)` for each candidate.
    fn top(&mut self, user: u32, _: i64, skip: &[u32], k: usize) -> Scored {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.trails.gather(user, &mut found);
        let leaders = |trend: &Trend, extra: usize| {
            let shares = trend.leaders().iter().map(|&item| (item, trend.share(item)));
            best(shares.collect(), skip, POPULAR_MAX.max(extra))
        };
        for (item, _) in leaders(&self.recent, k).into_iter().chain(leaders(&self.long, k)) {
            found.of(item);
        }
        let mut asked = std::mem::take(&mut self.asked);
        asked.user = Some(user);
        asked.opinions.clear();
        let mut list = Scored::with_capacity(found.items.len());
        for (&item, signs) in found.items.iter().zip(&found.signs) {
            let opinions = self.opinions(user, item, signs);
            let score: f32 = opinions.iter().zip(&self.weights).map(|(o, w)| o * w).sum();
            asked.opinions.push(opinions);
            list.push((item, score));
        }
        // What the user may not be shown was no choice of his.
        let open = |item: u32| skip.binary_search(&item).is_err();
        let most = list.iter().filter(|s| open(s.0)).map(|s| s.1).fold(f32::MIN, f32::max);
        let (mut total, mut expected) = (0f32, [0f32; N]);
        for (&(item, score), opinions) in list.iter().zip(&asked.opinions) {
            if open(item) {
                let odds = (score - most).exp();
                total += odds;
                expected.iter_mut().zip(opinions).for_each(|(e, o)| *e += odds * o);
            }
        }
        asked.expected = expected.map(|e| if 0.0 < total { e / total } else { 0.0 });
        (self.found, self.asked) = (found, asked);
        best(list, skip, k)
    }

    /// Cost `O(rank)`. The weights learn only if the user's list was the last one asked for.
    fn learn(&mut self, event: &Rated) {
        if !learnable(event) {
            return;
        }
        let liked = self.params.trails.positive() <= event.value;
        if liked && self.asked.user == Some(event.user) && 0.0 < self.params.rate {
            self.reward(event.item);
            self.asked.user = None;
        }
        if liked {
            self.recent.add(event.item, event.at_s);
            self.long.add(event.item, event.at_s);
        }
        self.trails.push(event);
        self.factors.push(event);
    }
}
