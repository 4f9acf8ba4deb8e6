//! Biased matrix factorisation by Gibbs sampling: the mean over many plausible models instead of the one that fits best.
//!
//! Salakhutdinov & Mnih, *Bayesian probabilistic matrix factorization using Markov chain Monte Carlo*, ICML 2008, with the
//! biases as one more dimension of the vectors, and with implicit terms on both sides as in Rendle, Zhang & Koren, *On the
//! difficulty of evaluating baselines*, 2019 ("flipped" SVD++), here as the means of the vectors' priors.

mod params;
mod sweep;

pub use params::BayesParams;

use super::data::{Ratings, Scale};
use crate::dice::Dice;
use crate::model::{PredictRating, Progress};
use rayon::prelude::*;
use sweep::{Chain, noise_precision};

/// Bytes of all kept models together; fewer are kept of large data, where one differs less from the next.
const KEPT_BYTES_MAX: usize = 1 << 30;

/// Rows copied by one task.
const ROWS_PER_TASK: usize = 256;

/// The mean of the kept models, each `mean + b_u + b_i + p_u'q_i`.
#[derive(Debug, Clone, PartialEq)]
pub struct BayesMf {
    params: BayesParams,
    scale: Scale,
    mean: f32,
    /// Kept models.
    kept: usize,
    n_users: usize,
    n_items: usize,
    /// `(n + 1, kept, 1 + rank)`: each row's bias and vector in every kept model; the last row is that of a stranger.
    users: Vec<f32>,
    items: Vec<f32>,
}

impl BayesMf {
    /// Samples the models.
    /// - `observe` hears of every sweep; its loss is the mean squared error of that single sample on the training data
    /// - cost `O(sweeps · (ratings · rank² + (n_users + n_items) · rank³))`, on all threads of the current rayon pool
    /// - memory `4 · kept · (n_users + n_items) · (rank + 1)` bytes, at most a GiB: fewer are kept then
    ///
    /// A kept model has the users' vectors as drawn and the items' at their mean given those users: what need not be
    /// drawn adds no noise. Same ratings, parameters and CPU target: same bytes, whatever the number of threads.
    ///
    /// ```
    /// use shoptide_models::{model::{PredictRating, Rated}, ratings::{BayesMf, BayesParams, Ratings}};
    /// let all = (0..40).map(|i| Rated { user: i / 4, item: i % 4, value: if i % 4 < 2 { 5.0 } else { 2.0 }, at_s: 0 });
    /// let r = Ratings::new(10, 4, all).unwrap();
    /// let model = BayesMf::fit(&r, &BayesParams::standard(7), &mut |_| {});
    /// assert!(model.predict(99, 2) + 1.0 < model.predict(99, 1));
    /// ```
    pub fn fit(ratings: &Ratings, params: &BayesParams, observe: &mut dyn FnMut(Progress)) -> Self {
        let (n_users, n_items, width) = (ratings.n_users(), ratings.n_items(), params.rank() + 1);
        let one = (n_users + n_items + 2) * width * size_of::<f32>();
        let chances = params.sweeps() - params.burn_in();
        let kept = params.kept().min(chances).min(KEPT_BYTES_MAX / one).max(1);
        let mut made = Self {
            params: *params,
            scale: ratings.scale(),
            mean: ratings.mean(),
            kept,
            n_users,
            n_items,
            users: vec![0.0; (n_users + 1) * kept * width],
            items: vec![0.0; (n_items + 1) * kept * width],
        };
        if ratings.is_empty() {
            return made;
        }
        let unit = ratings.scale().unit();
        let centred = |rows: &super::data::Rows| -> Vec<f32> {
            rows.values.iter().map(|value| (value - ratings.mean()) / unit).collect()
        };
        let (by_user, by_item) = (centred(&ratings.by_user), centred(&ratings.by_item));
        let implicit = (params.user_implicit(), params.item_implicit());
        let mut users =
            Chain::new(&ratings.by_user, n_items, width, implicit.0, Dice::at(params.seed(), [0; 3]));
        let mut items =
            Chain::new(&ratings.by_item, n_users, width, implicit.1, Dice::at(params.seed(), [1; 3]));
        let mut precision = 1.0;
        let mut done = 0;
        for sweep in 0..params.sweeps() {
            let place = |side| [params.seed(), sweep as u64, side];
            users.sweep(&ratings.by_user, &by_user, &ratings.by_item, &items, precision, place(0));
            items.sweep(&ratings.by_item, &by_item, &ratings.by_user, &users, precision, place(1));
            let squares = users.squares(&ratings.by_user, &by_user, &items);
            let mut dice = Dice::at(params.seed(), [sweep as u64, 2, 0]);
            precision = noise_precision(squares, ratings.len(), &mut dice);
            // Spread evenly, the last sweep among them.
            if params.burn_in() <= sweep && (done + 1) * chances <= (sweep + 1 - params.burn_in()) * kept {
                keep(&mut made.users, users.drawn(), users.stranger(), (done, kept, width));
                keep(&mut made.items, items.expected(), items.stranger(), (done, kept, width));
                done += 1;
            }
            let loss = squares / ratings.len() as f64 * f64::from(unit * unit);
            observe(Progress { done: sweep + 1, total: params.sweeps(), loss: Some(loss) });
        }
        made
    }

    pub fn params(&self) -> &BayesParams {
        &self.params
    }

    /// Models kept: as many as were asked for, unless there were fewer sweeps or too much data.
    pub fn kept(&self) -> usize {
        self.kept
    }
}

/// Writes one sample's rows into their place among the kept ones.
fn keep(into: &mut [f32], rows: &[f64], stranger: &[f64], (at, kept, width): (usize, usize, usize)) {
    into.par_chunks_mut(kept * width).with_min_len(ROWS_PER_TASK).enumerate().for_each(|(row, into)| {
        let from = rows.get(row * width..(row + 1) * width).unwrap_or(stranger);
        let into = &mut into[at * width..(at + 1) * width];
        into.iter_mut().zip(from).for_each(|(into, from)| *into = *from as f32);
    });
}

impl PredictRating for BayesMf {
    /// Each kept model's prediction is clamped by itself. Cost `O(kept · rank)`.
    fn predict(&self, user: u32, item: u32) -> f32 {
        let width = self.params.rank() + 1;
        let size = self.kept * width;
        let (user, item) = ((user as usize).min(self.n_users), (item as usize).min(self.n_items));
        let users = self.users[user * size..(user + 1) * size].chunks_exact(width);
        let items = self.items[item * size..(item + 1) * size].chunks_exact(width);
        let unit = self.scale.unit();
        let one = |(p, q): (&[f32], &[f32])| {
            let taste: f32 = p[1..].iter().zip(&q[1..]).map(|(p, q)| p * q).sum();
            self.scale.clamp(self.mean + unit * (p[0] + q[0] + taste))
        };
        self.scale.clamp(users.zip(items).map(one).sum::<f32>() / self.kept as f32)
    }
}
