//! How much the older part of a history counts.

use crate::params::{BadParam, check};
use crate::ranking::{History, ScoreItems};

/// How the place of an entry in a history changes its weight: the last counts 1, one that lies `d` places before it
/// `floor + (1 - floor) 2^(-d / half_places)`. Only of use where histories are in the order of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recency {
    half_places: f64,
    floor: f64,
}

impl Recency {
    /// Every place counts the same.
    pub const NONE: Self = Self { half_places: 1.0, floor: 1.0 };

    /// - `half_places`: 0.1 to 1e6
    /// - `floor`: weight that is left to the oldest, 0 to 1; 1 is [`Recency::NONE`]
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(half_places: f64, floor: f64) -> Result<Self, BadParam> {
        let (half_ok, floor_ok) = ((0.1..=1e6).contains(&half_places), (0.0..=1.0).contains(&floor));
        Ok(Self {
            half_places: check("recency.half_places", half_places, half_ok, "0.1 to 1e6")?,
            floor: check("recency.floor", floor, floor_ok, "0 to 1")?,
        })
    }

    /// Weight of an entry with `after` later ones.
    pub fn weight(&self, after: usize) -> f32 {
        (self.floor + (1.0 - self.floor) * (-(after as f64) / self.half_places).exp2()) as f32
    }
}

/// A model that is shown histories (oldest first) with their older part faded.
pub struct Faded<M> {
    model: M,
    recency: Recency,
}

impl<M> Faded<M> {
    pub fn new(model: M, recency: Recency) -> Self {
        Self { model, recency }
    }
}

impl<M: ScoreItems> ScoreItems for Faded<M> {
    fn n_items(&self) -> usize {
        self.model.n_items()
    }

    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        if self.recency.floor == 1.0 {
            return self.model.score(histories, out);
        }
        let fade = |history: &History<'_>| {
            let aged = history.iter().rev().enumerate();
            aged.map(|(after, &(item, s))| (item, s * self.recency.weight(after))).rev().collect()
        };
        let faded: Vec<Vec<(u32, f32)>> = histories.iter().map(fade).collect();
        let faded: Vec<History<'_>> = faded.iter().map(Vec::as_slice).collect();
        self.model.score(&faded, out);
    }
}
