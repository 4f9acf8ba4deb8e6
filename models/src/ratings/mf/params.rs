//! What shapes a model learned by gradient descent.

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable, switch, whole};

/// Checked parameters of [`BiasedMf`](super::BiasedMf).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MfParams {
    rank: usize,
    epochs: usize,
    rate: f32,
    rate_decay: f32,
    reg_bias: f32,
    reg_factors: f32,
    implicit: bool,
    seed: u64,
}

impl MfParams {
    /// Rates and penalties are for ratings in units of a quarter of their scale, so they mean the same on any scale.
    /// - `rank`: length of a factor vector, 0 (biases only) to 512
    /// - `epochs`: passes over all ratings, 1 to 1000
    /// - `rate` of learning in the first pass, 1e-6 to 0.2; `rate_decay`: its factor from pass to pass, 0.1 to 1
    /// - `reg_bias`, `reg_factors`: penalties of biases and factors, 0 to 1
    /// - `implicit`: whether a user's vector has a part from which items were rated, whatever the value (SVD++)
    /// - `seed` of the random start and order
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    #[expect(clippy::too_many_arguments, reason = "each is a number of its own; tuning names them")]
    pub fn new(
        rank: usize,
        epochs: usize,
        rate: f64,
        rate_decay: f64,
        reg_bias: f64,
        reg_factors: f64,
        implicit: bool,
        seed: u64,
    ) -> Result<Self, BadParam> {
        let reg = |key, x: f64| check(key, x, (0.0..=1.0).contains(&x), "0 to 1").map(|x| x as f32);
        let rate_ok = (1e-6..=0.2).contains(&rate);
        let decay_ok = (0.1..=1.0).contains(&rate_decay);
        Ok(Self {
            rank: check("mf.rank", rank, rank <= 512, "0 to 512")?,
            epochs: check("mf.epochs", epochs, (1..=1000).contains(&epochs), "1 to 1000")?,
            rate: check("mf.rate", rate, rate_ok, "1e-6 to 0.2")? as f32,
            rate_decay: check("mf.rate_decay", rate_decay, decay_ok, "0.1 to 1")? as f32,
            reg_bias: reg("mf.reg_bias", reg_bias)?,
            reg_factors: reg("mf.reg_factors", reg_factors)?,
            implicit,
            seed,
        })
    }

    /// Without implicit terms; good on five-star ratings.
    pub fn plain(seed: u64) -> Self {
        Self {
            rank: 64,
            epochs: 40,
            rate: 0.025,
            rate_decay: 0.93,
            reg_bias: 0.01,
            reg_factors: 0.04,
            implicit: false,
            seed,
        }
    }

    /// With implicit terms; good on five-star ratings.
    pub fn svdpp(seed: u64) -> Self {
        Self { implicit: true, ..Self::plain(seed) }
    }

    pub fn rank(&self) -> usize {
        self.rank
    }
    pub fn epochs(&self) -> usize {
        self.epochs
    }
    pub fn implicit(&self) -> bool {
        self.implicit
    }
    pub fn seed(&self) -> u64 {
        self.seed
    }
    pub(crate) fn reg_bias(&self) -> f32 {
        self.reg_bias
    }
    pub(crate) fn reg_factors(&self) -> f32 {
        self.reg_factors
    }

    /// The rate in a pass, the first being 0.
    pub(crate) fn rate(&self, epoch: usize) -> f32 {
        self.rate * self.rate_decay.powi(epoch.min(1000) as i32)
    }
}

impl Tunable for MfParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[0.0, 8.0, 16.0, 32.0, 64.0, 128.0]) },
        Dimension { name: "epochs", range: Range::Whole(10, 80) },
        Dimension { name: "rate", range: Range::Log(0.003, 0.05) },
        Dimension { name: "rate_decay", range: Range::Linear(0.9, 1.0) },
        Dimension { name: "reg_bias", range: Range::Log(0.002, 0.3) },
        Dimension { name: "reg_factors", range: Range::Log(0.01, 0.5) },
        Dimension { name: "implicit", range: Range::Choice(&[0.0, 1.0]) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let default = Self::svdpp(0);
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(
            whole(point, "rank", default.rank)?,
            whole(point, "epochs", default.epochs)?,
            get("rate", default.rate.into()),
            get("rate_decay", default.rate_decay.into()),
            get("reg_bias", default.reg_bias.into()),
            get("reg_factors", default.reg_factors.into()),
            switch(point, "implicit", default.implicit)?,
            whole(point, "seed", 0)? as u64,
        )
    }
}
