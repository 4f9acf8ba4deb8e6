//! What shapes a sampled model. Nothing of it needs tuning: the penalties are sampled too.

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable, switch, whole};

/// Checked parameters of [`BayesMf`](super::BayesMf).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BayesParams {
    rank: usize,
    sweeps: usize,
    kept: usize,
    user_implicit: bool,
    item_implicit: bool,
    seed: u64,
}

impl BayesParams {
    /// - `rank`: length of a factor vector, 0 (biases only) to 64: the cost grows with its cube
    /// - `sweeps` over users and items, 5 to 2000; the first fifth is not kept, as it depends on the start
    /// - `kept`: models in the answer, 1 to 200, spread over the rest of the sweeps; each costs memory and time to predict
    /// - `user_implicit`: whether a user is expected to be as the items he rated suggest, whatever the values;
    ///   `item_implicit`: whether an item is expected to be as those who rated it suggest
    /// - `seed` of every draw
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        rank: usize,
        sweeps: usize,
        kept: usize,
        user_implicit: bool,
        item_implicit: bool,
        seed: u64,
    ) -> Result<Self, BadParam> {
        Ok(Self {
            rank: check("bayes.rank", rank, rank <= 64, "0 to 64")?,
            sweeps: check("bayes.sweeps", sweeps, (5..=2000).contains(&sweeps), "5 to 2000")?,
            kept: check("bayes.kept", kept, (1..=200).contains(&kept), "1 to 200")?,
            user_implicit,
            item_implicit,
            seed,
        })
    }

    /// Eight factors, 150 sweeps of which 24 are kept, implicit on both sides.
    pub fn standard(seed: u64) -> Self {
        Self { rank: 8, sweeps: 150, kept: 24, user_implicit: true, item_implicit: true, seed }
    }

    pub fn rank(&self) -> usize {
        self.rank
    }
    pub fn sweeps(&self) -> usize {
        self.sweeps
    }
    pub fn kept(&self) -> usize {
        self.kept
    }
    pub fn seed(&self) -> u64 {
        self.seed
    }
    pub fn user_implicit(&self) -> bool {
        self.user_implicit
    }
    pub fn item_implicit(&self) -> bool {
        self.item_implicit
    }

    /// Sweeps that only forget the start.
    pub(super) fn burn_in(&self) -> usize {
        self.sweeps / 5
    }
}

impl Tunable for BayesParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[4.0, 6.0, 8.0, 12.0, 16.0, 24.0]) },
        Dimension { name: "sweeps", range: Range::Whole(60, 300) },
        Dimension { name: "user_implicit", range: Range::Choice(&[0.0, 1.0]) },
        Dimension { name: "item_implicit", range: Range::Choice(&[0.0, 1.0]) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let default = Self::standard(0);
        Self::new(
            whole(point, "rank", default.rank)?,
            whole(point, "sweeps", default.sweeps)?,
            whole(point, "kept", default.kept)?,
            switch(point, "user_implicit", default.user_implicit)?,
            switch(point, "item_implicit", default.item_implicit)?,
            whole(point, "seed", 0)? as u64,
        )
    }
}
