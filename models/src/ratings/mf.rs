//! Biased matrix factorisation by stochastic gradient descent, in batch or one event at a time.
//!
//! Koren, Bell & Volinsky, *Matrix factorization techniques for recommender systems*, Computer 2009, and for the implicit
//! terms Koren, *Factorization meets the neighborhood* (SVD++), KDD 2008.

mod params;
mod step;

pub use params::MfParams;

use super::data::{Ratings, Scale};
use crate::dice::Dice;
use crate::model::{PredictRating, Progress, Rated};
use crate::simd::{dispatch, padded};
use step::{Pass, Step};

/// Spread of the random start, of the whole vector.
const INIT_SPREAD: f64 = 0.1;

/// The running mean of a stream forgets beyond that many ratings, so that it can follow a drift.
const MEAN_OF_MAX: u64 = 1_000_000;

/// Bytes that one side's factors may take in a stream: an index beyond is no shop's, but a mistake or an attack.
const SIDE_BYTES_MAX: usize = 2 << 30;

/// One side: a bias and a vector a row.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    /// Tells the sides' random starts apart.
    salt: u64,
    bias: Vec<f32>,
    /// `(n, padded rank)`; the padding stays 0.
    factors: Vec<f32>,
}

impl Side {
    fn new(salt: u64, n: usize, params: &MfParams) -> Self {
        let mut side = Self { salt, bias: vec![], factors: vec![] };
        side.grow(n, params);
        side
    }

    /// Adds rows up to `n`, each starting from numbers of its own index, whenever it comes.
    fn grow(&mut self, n: usize, params: &MfParams) {
        let ld = padded(params.rank());
        let scale = INIT_SPREAD / (params.rank().max(1) as f64).sqrt();
        for row in self.bias.len()..n {
            let mut dice = Dice::at(params.seed(), [self.salt, row as u64, 0]);
            self.bias.push(0.0);
            self.factors.extend((0..params.rank()).map(|_| (dice.about_normal() * scale) as f32));
            self.factors.resize((row + 1) * ld, 0.0);
        }
    }

    fn row(&self, row: usize, ld: usize) -> &[f32] {
        self.factors.get(row * ld..(row + 1) * ld).unwrap_or(&[])
    }
}

/// `mean + b_u + b_i + q_i'(p_u + |N(u)|^-1/2 Σ y_j)`, the sum being there only with implicit terms.
#[derive(Debug, Clone, PartialEq)]
pub struct BiasedMf {
    params: MfParams,
    scale: Scale,
    mean: f32,
    /// Ratings behind the mean.
    learned: u64,
    users: Side,
    items: Side,
    /// `y`, `(n_items, padded rank)`; empty without implicit terms.
    implicit: Vec<f32>,
    /// `Σ y_j` of each user, and how many items are in it.
    sums: Vec<f32>,
    counts: Vec<u32>,
}

/// Why an event was passed over: it changes nothing, and never will.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NotLearned {
    #[error("the rating is {value}, expected a number from {low} to {high}")]
    Value { value: f32, low: f32, high: f32 },
    #[error("{side} {index} is beyond what a stream may hold, expected below {max}")]
    Index { side: &'static str, index: u32, max: usize },
}

impl BiasedMf {
    /// Learns nothing yet: for a stream. Until the first event everything is predicted to be the middle of the scale.
    pub fn new(params: MfParams, scale: Scale) -> Self {
        Self {
            params,
            scale,
            mean: (scale.low() + scale.high()) / 2.0,
            learned: 0,
            users: Side::new(0, 0, &params),
            items: Side::new(1, 0, &params),
            implicit: vec![],
            sums: vec![],
            counts: vec![],
        }
    }

    /// Learns from all ratings, user by user in an order shuffled in every pass.
    /// - `observe` hears of every pass; its loss is the mean squared error in passing, in the ratings' own unit
    /// - cost `O(epochs · ratings · rank)`, on one thread: members of an ensemble run beside each other instead
    ///
    /// Same ratings, parameters and CPU target: same bytes.
    ///
    /// ```
    /// use shoptide_models::{model::{PredictRating, Rated}, ratings::{BiasedMf, MfParams, Ratings}};
    /// let rated = |user, item, value| Rated { user, item, value, at_s: 0 };
    /// let r = Ratings::new(3, 2, [rated(0, 0, 5.0), rated(0, 1, 4.0), rated(1, 0, 2.0), rated(2, 1, 4.5)]).unwrap();
    /// let model = BiasedMf::fit(&r, &MfParams::plain(7), &mut |_| {});
    /// assert!(model.predict(1, 1) < model.predict(2, 0));
    /// assert!((model.predict(9, 9) - r.mean()).abs() < 1e-6);
    /// ```
    pub fn fit(ratings: &Ratings, params: &MfParams, observe: &mut dyn FnMut(Progress)) -> Self {
        let (n_users, n_items, ld) = (ratings.n_users(), ratings.n_items(), padded(params.rank()));
        let n_implicit = if params.implicit() { ld } else { 0 };
        let mut model = Self {
            params: *params,
            scale: ratings.scale(),
            mean: ratings.mean(),
            learned: ratings.len() as u64,
            users: Side::new(0, n_users, params),
            items: Side::new(1, n_items, params),
            implicit: vec![0.0; n_items * n_implicit],
            sums: vec![0.0; n_users * n_implicit],
            counts: vec![0; if params.implicit() { n_users } else { 0 }],
        };
        let unit = ratings.scale().unit();
        let mut order: Vec<u32> =
            (0..n_users as u32).filter(|u| 0 < ratings.by_user.count(*u as usize)).collect();
        let mut scratch = step::Scratch::default();
        for epoch in 0..params.epochs() {
            let mut dice = Dice::at(params.seed(), [2, epoch as u64, 0]);
            dice.shuffle(&mut order);
            let mut squares = 0f64;
            for &user in &order {
                let (items, values) = ratings.of_user(user as usize);
                squares += dispatch(Pass {
                    step: model.step(params.rate(epoch)),
                    user: user as usize,
                    rated: items,
                    values,
                    mean: ratings.mean(),
                    unit,
                    dice: &mut dice,
                    scratch: &mut scratch,
                });
            }
            let loss = squares / ratings.len().max(1) as f64 * f64::from(unit * unit);
            observe(Progress { done: epoch + 1, total: params.epochs(), loss: Some(loss) });
        }
        if params.implicit() {
            for user in 0..n_users {
                let sum = &mut model.sums[user * ld..(user + 1) * ld];
                for &item in ratings.of_user(user).0 {
                    let y = &model.implicit[item as usize * ld..(item as usize + 1) * ld];
                    sum.iter_mut().zip(y).for_each(|(sum, y)| *sum += y);
                }
                model.counts[user] = ratings.by_user.count(user) as u32;
            }
        }
        model
    }

    fn step(&mut self, rate: f32) -> Step<'_> {
        Step {
            ld: padded(self.params.rank()),
            rate,
            reg_bias: self.params.reg_bias(),
            reg_factors: self.params.reg_factors(),
            user_bias: &mut self.users.bias,
            users: &mut self.users.factors,
            item_bias: &mut self.items.bias,
            items: &mut self.items.factors,
            implicit: &mut self.implicit,
        }
    }

    /// Takes one rating in by one step of gradient descent; users and items not seen before are added. The implicit part
    /// of the user gains the item (each time it is rated anew); the items' implicit vectors rest until the next fit.
    /// Cost `O(rank)`.
    ///
    /// # Errors
    /// [`NotLearned`] for a value outside the scale or an index too large to hold; the model is as before.
    pub fn learn(&mut self, rated: &Rated) -> Result<(), NotLearned> {
        let (low, high) = (self.scale.low(), self.scale.high());
        if !(low..=high).contains(&rated.value) {
            return Err(NotLearned::Value { value: rated.value, low, high });
        }
        let ld = padded(self.params.rank());
        let max = SIDE_BYTES_MAX / size_of::<f32>() / (ld + 1);
        for (side, index) in [("user", rated.user), ("item", rated.item)] {
            if max <= index as usize {
                return Err(NotLearned::Index { side, index, max });
            }
        }
        let (user, item) = (rated.user as usize, rated.item as usize);
        self.users.grow(user + 1, &self.params);
        self.items.grow(item + 1, &self.params);
        self.learned += 1;
        self.mean += (rated.value - self.mean) / self.learned.min(MEAN_OF_MAX) as f32;
        let value = (rated.value - self.mean) / self.scale.unit();
        if self.params.implicit() {
            let rows = self.users.bias.len();
            self.counts.resize(rows, 0);
            self.sums.resize(rows * ld, 0.0);
            self.implicit.resize(self.items.bias.len() * ld, 0.0);
            let y = &self.implicit[item * ld..(item + 1) * ld];
            self.sums[user * ld..(user + 1) * ld].iter_mut().zip(y).for_each(|(sum, y)| *sum += y);
            self.counts[user] = self.counts[user].saturating_add(1);
        }
        let norm = self.norm(user);
        let sums = std::mem::take(&mut self.sums);
        let sum = sums.get(user * ld..(user + 1) * ld).unwrap_or(&[]);
        dispatch(step::One { step: self.step(self.params.rate(0)), user, item, value, sum, norm });
        self.sums = sums;
        Ok(())
    }

    /// `|N(u)|^-1/2`, 0 without implicit terms.
    fn norm(&self, user: usize) -> f32 {
        match self.counts.get(user) {
            Some(&count) if 0 < count => 1.0 / (count as f32).sqrt(),
            _ => 0.0,
        }
    }

    pub fn params(&self) -> &MfParams {
        &self.params
    }

    pub fn n_users(&self) -> usize {
        self.users.bias.len()
    }

    pub fn n_items(&self) -> usize {
        self.items.bias.len()
    }
}

impl PredictRating for BiasedMf {
    /// Cost `O(rank)`.
    fn predict(&self, user: u32, item: u32) -> f32 {
        let (user, item, ld) = (user as usize, item as usize, padded(self.params.rank()));
        let bias = |side: &Side, row: usize| side.bias.get(row).copied().unwrap_or(0.0);
        let (p, q) = (self.users.row(user, ld), self.items.row(item, ld));
        let sum = self.sums.get(user * ld..(user + 1) * ld).unwrap_or(&[]);
        let taste = crate::vector::dot(p, q) as f32 + self.norm(user) * crate::vector::dot(sum, q) as f32;
        let off = bias(&self.users, user) + bias(&self.items, item) + taste;
        self.scale.clamp(self.mean + self.scale.unit() * off)
    }
}
