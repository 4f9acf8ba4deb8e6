//! Bayesian personalised ranking: factors that put what a user took above what he did not, pair by pair.
//!
//! Rendle, Freudenthaler, Gantner & Schmidt-Thieme, *BPR: Bayesian personalized ranking from implicit feedback*, UAI 2009; the
//! item that a user did not take is drawn at random, or is the best scored of a few (after Zhang et al., *Optimizing top-N
//! collaborative filtering via dynamic negative item sampling*, SIGIR 2013). Kept as a comparison: iALS and item graphs rank
//! better on the same data.

use crate::dice::Dice;
use crate::matrix::Interactions;
use crate::model::{Progress, RankItems, Scored, best};
use crate::params::{BadParam, check};
use crate::simd::{Kernel, dispatch, dot32, fma, padded};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Spread of the random start, of the whole vector.
const INIT_SPREAD: f64 = 0.1;

/// No element leaves `±` this: a rate that is too high must not end in infinities.
const ELEMENT_MAX: f32 = 16.0;

/// Draws of an item that the user did not take before a step is given up: he may have nearly all.
const DRAWS_MAX: usize = 16;

/// Checked parameters of [`Bpr`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BprParams {
    rank: usize,
    epochs: usize,
    rate: f32,
    reg: f32,
    candidates: usize,
    seed: u64,
}

impl BprParams {
    /// - `rank`: length of a factor vector, 1 to 512
    /// - `epochs`: passes, each of as many steps as there are interactions, 1 to 1000
    /// - `rate` of learning, 1e-5 to 1; `reg`: penalty, 0 to 1
    /// - `candidates`: items drawn for each step, of which the best scored is the one to be outranked; 1 is uniform
    ///   sampling, more find mistakes that matter at the top of the list; 1 to 64
    /// - `seed` of the start and of every draw
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        rank: usize,
        epochs: usize,
        rate: f64,
        reg: f64,
        candidates: usize,
        seed: u64,
    ) -> Result<Self, BadParam> {
        let (rate_ok, reg_ok) = ((1e-5..=1.0).contains(&rate), (0.0..=1.0).contains(&reg));
        Ok(Self {
            rank: check("bpr.rank", rank, (1..=512).contains(&rank), "1 to 512")?,
            epochs: check("bpr.epochs", epochs, (1..=1000).contains(&epochs), "1 to 1000")?,
            rate: check("bpr.rate", rate, rate_ok, "1e-5 to 1")? as f32,
            reg: check("bpr.reg", reg, reg_ok, "0 to 1")? as f32,
            candidates: check("bpr.candidates", candidates, (1..=64).contains(&candidates), "1 to 64")?,
            seed,
        })
    }

    /// Good on MovieLens.
    pub fn standard(seed: u64) -> Self {
        Self { rank: 64, epochs: 40, rate: 0.05, reg: 0.01, candidates: 4, seed }
    }
}

impl Tunable for BprParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[32.0, 64.0, 128.0]) },
        Dimension { name: "epochs", range: Range::Whole(10, 120) },
        Dimension { name: "rate", range: Range::Log(0.01, 0.2) },
        Dimension { name: "reg", range: Range::Log(0.0005, 0.1) },
        Dimension { name: "candidates", range: Range::Choice(&[1.0, 2.0, 4.0, 8.0, 16.0]) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let p = Self::standard(0);
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(
            get("rank", p.rank as f64) as usize,
            get("epochs", p.epochs as f64) as usize,
            get("rate", p.rate.into()),
            get("reg", p.reg.into()),
            get("candidates", p.candidates as f64) as usize,
            get("seed", 0.0) as u64,
        )
    }
}

/// `b_i + p_u'q_i`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bpr {
    /// Length of a padded row: the vector, then on the item's side its bias, which meets a 1 on the user's.
    ld: usize,
    users: Vec<f32>,
    items: Vec<f32>,
    /// Whether training knew anything of the user.
    known: Vec<bool>,
}

impl Bpr {
    /// Learns from `(n_users, n_items)`; every interaction counts the same, whatever its strength.
    /// - `observe` hears of every pass; its loss is the mean of `-ln σ(difference)` in passing
    /// - cost `O(epochs · interactions · rank · candidates)`, on one thread
    ///
    /// Same data, parameters and CPU target: same bytes.
    ///
    /// ```
    /// use shoptide_models::{bpr::{Bpr, BprParams}, matrix::Interactions, model::RankItems};
    /// let rows = (0..20).map(|u| (0..3).map(|i| (u % 2 * 3 + i, 1.0)).filter(|e| e.0 != u % 6).collect());
    /// let data = Interactions::from_rows(6, rows).unwrap();
    /// let model = Bpr::fit(&data, &BprParams::standard(7), &mut |_| {});
    /// assert_eq!(model.top(2, data.row(2).0, 1)[0].0, 2);
    /// ```
    pub fn fit(data: &Interactions, params: &BprParams, observe: &mut dyn FnMut(Progress)) -> Self {
        let (n_users, n_items, rank) = (data.n_rows(), data.n_cols(), params.rank);
        let ld = padded(rank + 1);
        let start = |salt: u64, n: usize, last: f32| {
            let scale = INIT_SPREAD / (rank as f64).sqrt();
            let mut side = Vec::with_capacity(n * ld);
            for row in 0..n {
                let mut dice = Dice::at(params.seed, [salt, row as u64, 0]);
                side.extend((0..rank).map(|_| (dice.normal() * scale) as f32));
                side.push(last);
                side.resize((row + 1) * ld, 0.0);
            }
            side
        };
        let known = (0..n_users).map(|user| !data.row(user).0.is_empty()).collect();
        let mut model = Self { ld, users: start(0, n_users, 1.0), items: start(1, n_items, 0.0), known };
        let pairs: Vec<(u32, u32)> = (0..n_users)
            .flat_map(|user| data.row(user).0.iter().map(move |item| (user as u32, *item)))
            .collect();
        for epoch in 0..params.epochs {
            let mut dice = Dice::at(params.seed, [2, epoch as u64, 0]);
            let mut loss = 0f64;
            for _ in 0..pairs.len() {
                let (user, taken) = pairs[dice.below(pairs.len())];
                let had = data.row(user as usize).0;
                let Some(other) = model.other(params, user, had, n_items, &mut dice) else { continue };
                let [taken, other] = [taken, other as u32].map(|item| item as usize * ld);
                loss += dispatch(Outrank {
                    user: &mut model.users[user as usize * ld..(user as usize + 1) * ld],
                    items: &mut model.items,
                    taken,
                    other,
                    rank,
                    rate: params.rate,
                    reg: params.reg,
                });
            }
            let loss = loss / pairs.len().max(1) as f64;
            observe(Progress { done: epoch + 1, total: params.epochs, loss: Some(loss) });
        }
        model
    }

    /// The best scored of a few items that the user did not take.
    fn other(
        &self,
        params: &BprParams,
        user: u32,
        had: &[u32],
        n_items: usize,
        dice: &mut Dice,
    ) -> Option<usize> {
        let user = &self.users[user as usize * self.ld..(user as usize + 1) * self.ld];
        let mut most: Option<(f64, usize)> = None;
        for _ in 0..params.candidates {
            let mut draws = (0..DRAWS_MAX).map(|_| dice.below(n_items));
            let Some(item) = draws.find(|item| had.binary_search(&(*item as u32)).is_err()) else { continue };
            if params.candidates == 1 {
                return Some(item);
            }
            let score = crate::vector::dot(user, &self.items[item * self.ld..(item + 1) * self.ld]);
            if most.is_none_or(|(best, _)| best < score) {
                most = Some((score, item));
            }
        }
        most.map(|(_, item)| item)
    }
}

/// One step: up with the item taken, down with the other.
struct Outrank<'a> {
    user: &'a mut [f32],
    items: &'a mut [f32],
    /// Where the two items' rows begin.
    taken: usize,
    other: usize,
    rank: usize,
    rate: f32,
    reg: f32,
}

impl Kernel for Outrank<'_> {
    /// `-ln σ(difference)` before the step.
    type Out = f64;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let ld = self.user.len();
        let difference = dot32::<FUSED>(self.user, &self.items[self.taken..self.taken + ld])
            - dot32::<FUSED>(self.user, &self.items[self.other..self.other + ld]);
        let by = self.rate / (1.0 + difference.exp());
        let keep = 1.0 - self.rate * self.reg;
        // Two rows of one matrix, which one comes first is not known.
        let (first, second) = (self.taken.min(self.other), self.taken.max(self.other));
        let (low, high) = self.items.split_at_mut(second);
        let (low, high) = (&mut low[first..first + ld], &mut high[..ld]);
        let (taken, other) = if self.taken < self.other { (low, high) } else { (high, low) };
        let bounded = |x: f32| x.clamp(-ELEMENT_MAX, ELEMENT_MAX);
        let one = self.user[self.rank];
        for ((p, q), r) in self.user.iter_mut().zip(taken).zip(other) {
            let (before, apart) = (*p, *q - *r);
            *p = bounded(fma::<f32, FUSED>(keep, before, by * apart));
            *q = bounded(fma::<f32, FUSED>(keep, *q, by * before));
            *r = bounded(fma::<f32, FUSED>(keep, *r, -by * before));
        }
        self.user[self.rank] = one;
        f64::from((-difference).exp().ln_1p())
    }
}

impl RankItems for Bpr {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        let row = user as usize * self.ld;
        if !self.known.get(user as usize).copied().unwrap_or(false) {
            return vec![];
        }
        let mut scores = vec![0f32; self.items.len() / self.ld];
        crate::simd::scores(&self.items, self.ld, &self.users[row..row + self.ld], &mut scores);
        best((0u32..).zip(scores).collect(), skip, k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tastes() -> Interactions {
        let row = |user: u32| {
            (0..10).filter(move |i| !(i + user / 2).is_multiple_of(4)).map(move |i| (user % 2 * 10 + i, 1.0))
        };
        Interactions::from_rows(20, (0..40).map(|user| row(user).collect())).unwrap()
    }

    #[test]
    fn tastes_are_told_apart_with_either_sampling() {
        let data = two_tastes();
        for candidates in [1, 4] {
            let params = BprParams::new(8, 60, 0.05, 0.002, candidates, 3).unwrap();
            let mut losses = vec![];
            let model = Bpr::fit(&data, &params, &mut |p| losses.extend(p.loss));
            assert!(losses[59] < losses[0] / 2.0, "{losses:?}");
            for user in 0..40u32 {
                let had = data.row(user as usize).0;
                let taken = model.top(user, &[], had.len());
                assert!(taken.iter().all(|(item, _)| had.contains(item)), "{user}: {taken:?}");
                // Drawing the best scored of a few pushes down what the user would like next, on so little data.
                let list = model.top(user, had, if candidates == 1 { 10 - had.len() } else { 0 });
                assert!(list.iter().all(|(item, _)| item / 10 == user % 2), "{user}: {list:?}");
            }
            assert_eq!(model, Bpr::fit(&data, &params, &mut |_| {}));
        }
    }

    #[test]
    fn odd_data_and_odd_questions_give_sensible_lists() {
        let all = |n| Interactions::from_rows(n, [(0..n as u32).map(|i| (i, 1e30)).collect()]).unwrap();
        let rows = |rows: &[&[u32]], n| {
            Interactions::from_rows(n, rows.iter().map(|r| r.iter().map(|i| (*i, 1.0)).collect::<Vec<_>>()))
                .unwrap()
        };
        let cases = [
            ("empty", rows(&[], 0)),
            ("no users", rows(&[], 3)),
            ("no items", rows(&[&[], &[]], 0)),
            ("nothing done", rows(&[&[], &[]], 4)),
            ("one user, one item", rows(&[&[0]], 1)),
            ("everything", all(5)),
            ("all the same item", rows(&[&[1], &[1], &[1]], 3)),
        ];
        for (name, data) in cases {
            for rate in [0.05, 1.0] {
                let params = BprParams::new(4, 10, rate, 0.0, 2, 1).unwrap();
                let model = Bpr::fit(&data, &params, &mut |_| {});
                for (user, k) in [(0, 0), (0, 99), (1, 2), (u32::MAX, 5)] {
                    let list = model.top(user, &[0, 77], k);
                    assert!(list.len() <= k.min(data.n_cols()), "{name}");
                    assert!(list.iter().all(|(item, score)| *item != 0 && score.is_finite()), "{name}");
                }
                assert!(model.top(u32::MAX, &[], 5).is_empty());
            }
        }
    }

    #[test]
    fn every_bound_is_named() {
        let message = |r: Result<BprParams, BadParam>| r.unwrap_err().to_string();
        assert_eq!(message(BprParams::new(0, 1, 0.1, 0.1, 1, 0)), "bpr.rank is 0, expected 1 to 512");
        assert_eq!(message(BprParams::new(1, 0, 0.1, 0.1, 1, 0)), "bpr.epochs is 0, expected 1 to 1000");
        assert_eq!(message(BprParams::new(1, 1, f64::NAN, 0.1, 1, 0)), "bpr.rate is NaN, expected 1e-5 to 1");
        assert_eq!(message(BprParams::new(1, 1, 0.1, -1.0, 1, 0)), "bpr.reg is -1, expected 0 to 1");
        assert_eq!(message(BprParams::new(1, 1, 0.1, 0.1, 65, 0)), "bpr.candidates is 65, expected 1 to 64");
        assert_eq!(BprParams::at(&Point::new()), Ok(BprParams::standard(0)));
    }
}
