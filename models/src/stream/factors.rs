//! Factors of users and items that move a little with every event.
//!
//! Vinagre, Jorge & Gama, *Fast incremental matrix factorization for recommendation with positive-only feedback*, UMAP 2014
//! (ISGD), with a recent event of somebody else as the example of what the user did not turn to: without any, every score
//! drifts to 1.

use super::{ITEMS_MAX, USERS_MAX, learnable};
use crate::dice::Dice;
use crate::model::{LearnEvent, Rated, Scored, best};
use crate::params::{BadParam, check};
use crate::simd::{Kernel, dispatch, dot32, fma, padded};
use crate::tune::{Dimension, Point, Range, Tunable, whole};

/// Items of the last events, from which examples of what a user did not turn to are drawn.
const RECENT_MAX: usize = 1024;

/// Spread of the random start, of the whole vector.
const INIT_SPREAD: f64 = 0.3;

/// No element leaves `±` this: a rate that is too high must not end in infinities.
const ELEMENT_MAX: f32 = 4.0;

/// Bytes that each side may take.
const SIDE_BYTES_MAX: usize = 2 << 30;

/// Checked parameters of [`OnlineMf`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnlineMfParams {
    positive: f32,
    rank: usize,
    rate: f32,
    reg: f32,
    negatives: usize,
    seed: u64,
}

impl OnlineMfParams {
    /// - `positive`: events of a lower value are not learned; any finite number
    /// - `rank`: length of a factor vector, 1 to 256
    /// - `rate` of learning, 1e-4 to 0.5; `reg`: penalty, 0 to 1
    /// - `negatives`: examples of other items for each event, 0 to 16
    /// - `seed` of the random start and of those examples
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        positive: f32,
        rank: usize,
        rate: f64,
        reg: f64,
        negatives: usize,
        seed: u64,
    ) -> Result<Self, BadParam> {
        let (rate_ok, reg_ok) = ((1e-4..=0.5).contains(&rate), (0.0..=1.0).contains(&reg));
        Ok(Self {
            positive: check("online_mf.positive", positive, positive.is_finite(), "a finite number")?,
            rank: check("online_mf.rank", rank, (1..=256).contains(&rank), "1 to 256")?,
            rate: check("online_mf.rate", rate, rate_ok, "1e-4 to 0.5")? as f32,
            reg: check("online_mf.reg", reg, reg_ok, "0 to 1")? as f32,
            negatives: check("online_mf.negatives", negatives, negatives <= 16, "0 to 16")?,
            seed,
        })
    }

    /// Good on MovieLens; `positive` as in [`OnlineMfParams::new`].
    ///
    /// # Errors
    /// [`BadParam`] if `positive` is not finite.
    pub fn standard(positive: f32, seed: u64) -> Result<Self, BadParam> {
        Self::new(positive, 16, 0.15, 0.08, 1, seed)
    }
}

impl Tunable for OnlineMfParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[8.0, 16.0, 32.0, 64.0]) },
        Dimension { name: "rate", range: Range::Log(0.01, 0.4) },
        Dimension { name: "reg", range: Range::Log(0.001, 0.2) },
        Dimension { name: "negatives", range: Range::Whole(0, 4) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let p = Self::standard(get("positive", 0.0) as f32, whole(point, "seed", 0)? as u64)?;
        Self::new(
            p.positive,
            whole(point, "rank", p.rank)?,
            get("rate", p.rate.into()),
            get("reg", p.reg.into()),
            whole(point, "negatives", p.negatives)?,
            p.seed,
        )
    }
}

/// `p_u'q_i`, near 1 for what the user turns to and near 0 for the rest.
#[derive(Debug, Clone)]
pub struct OnlineMf {
    params: OnlineMfParams,
    /// `(n, padded rank)` each.
    users: Vec<f32>,
    items: Vec<f32>,
    recent: Vec<u32>,
    learned: u64,
    dice: Dice,
}

impl OnlineMf {
    pub fn new(params: OnlineMfParams) -> Self {
        let dice = Dice::at(params.seed, [2, 0, 0]);
        Self { params, users: vec![], items: vec![], recent: vec![], learned: 0, dice }
    }

    fn ld(&self) -> usize {
        padded(self.params.rank)
    }

    /// Adds rows up to `row`; each starts from numbers of its own index, whenever it comes.
    fn grow(side: &mut Vec<f32>, salt: u64, row: usize, params: &OnlineMfParams) {
        let ld = padded(params.rank);
        let scale = INIT_SPREAD / (params.rank as f64).sqrt();
        for row in side.len() / ld..=row {
            let mut dice = Dice::at(params.seed, [salt, row as u64, 0]);
            side.extend((0..params.rank).map(|_| (dice.about_normal() * scale) as f32));
            side.resize((row + 1) * ld, 0.0);
        }
    }

    /// How much the user is thought to want the item; 0 for whom or what is unknown.
    pub(super) fn score(&self, user: u32, item: u32) -> f32 {
        let row = |side: &'_ [f32], row: u32| {
            let from = row as usize * self.ld();
            side.get(from..from + self.ld()).map_or(0..0, |_| from..from + self.ld())
        };
        let (p, q) = (row(&self.users, user), row(&self.items, item));
        crate::vector::dot(&self.users[p], &self.items[q]) as f32
    }

    /// The event must be learnable.
    pub(super) fn push(&mut self, event: &Rated) {
        let max = (SIDE_BYTES_MAX / size_of::<f32>() / self.ld()).min(USERS_MAX.max(ITEMS_MAX));
        let (user, item) = (event.user as usize, event.item as usize);
        if event.value < self.params.positive || max <= user || max <= item {
            return;
        }
        Self::grow(&mut self.users, 0, user, &self.params);
        Self::grow(&mut self.items, 1, item, &self.params);
        let ld = self.ld();
        for n in 0..=self.params.negatives {
            let (other, wanted) = match n {
                0 => (item, 1.0),
                _ => match self.recent.get(self.dice.below(self.recent.len())) {
                    Some(&other) if other as usize != item => (other as usize, 0.0),
                    _ => continue,
                },
            };
            dispatch(Move {
                user: &mut self.users[user * ld..(user + 1) * ld],
                item: &mut self.items[other * ld..(other + 1) * ld],
                wanted,
                rate: self.params.rate,
                reg: self.params.reg,
            });
        }
        let slot = (self.learned % RECENT_MAX as u64) as usize;
        self.learned += 1;
        match self.recent.get_mut(slot) {
            Some(slot) => *slot = event.item,
            None => self.recent.push(event.item),
        }
    }
}

/// One step towards `wanted`.
struct Move<'a> {
    user: &'a mut [f32],
    item: &'a mut [f32],
    wanted: f32,
    rate: f32,
    reg: f32,
}

impl Kernel for Move<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let error = (self.wanted - dot32::<FUSED>(self.user, self.item)).clamp(-1.0, 1.0);
        let (by, keep) = (self.rate * error, 1.0 - self.rate * self.reg);
        for (p, q) in self.user.iter_mut().zip(self.item) {
            let before = *p;
            *p = fma::<f32, FUSED>(keep, before, by * *q).clamp(-ELEMENT_MAX, ELEMENT_MAX);
            *q = fma::<f32, FUSED>(keep, *q, by * before).clamp(-ELEMENT_MAX, ELEMENT_MAX);
        }
    }
}

impl LearnEvent for OnlineMf {
    /// Looks at every item: cost `O(n_items · rank)`. Empty for a user who is new.
    fn top(&mut self, user: u32, _: i64, skip: &[u32], k: usize) -> Scored {
        let ld = self.ld();
        let from = user as usize * ld;
        let Some(user) = self.users.get(from..from + ld) else { return vec![] };
        let mut scores = vec![0f32; self.items.len() / ld];
        crate::simd::scores(&self.items, ld, user, &mut scores);
        best((0u32..).zip(scores).collect(), skip, k)
    }

    /// Cost `O(rank · (1 + negatives))`.
    fn learn(&mut self, event: &Rated) {
        if learnable(event) {
            self.push(event);
        }
    }
}
