//! A model together with the histories of the users it was trained on, and how much the older part of a history counts.

use std::sync::Arc;

use crate::matrix::Interactions;
use crate::model::{RankItems, Scored};
use crate::params::{BadParam, check};
use crate::ranking::ScoreItems;

/// How the place of an entry in a history changes its weight: the last counts 1, one that lies `d` places before it
/// `floor + (1 - floor) 2^(-d / half_places)`. Only of use where rows are in the order of time.
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

    /// A row of the training data as a weighed history.
    pub fn history(&self, train: &Interactions, user: usize) -> Vec<(u32, f32)> {
        let (items, strengths) = train.row(user);
        let entries = items.iter().copied().zip(strengths.iter().copied());
        if self.floor == 1.0 {
            return entries.collect();
        }
        let places = train.places(user);
        let last = places.iter().copied().max().unwrap_or(0);
        entries.zip(places).map(|((i, s), &place)| (i, s * self.weight((last - place) as usize))).collect()
    }
}

/// A model that knows its users: ranks user `u` from row `u` of the training data.
pub struct OfTrain<M> {
    model: M,
    train: Arc<Interactions>,
    recency: Recency,
}

impl<M: ScoreItems> OfTrain<M> {
    pub fn new(model: M, train: Arc<Interactions>, recency: Recency) -> Self {
        Self { model, train, recency }
    }

    /// The model, for histories of anonymous users.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Weights of a history by age, as used for known users.
    pub fn recency(&self) -> &Recency {
        &self.recency
    }
}

impl<M: ScoreItems> RankItems for OfTrain<M> {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        let history = self.recency.history(&self.train, user as usize);
        if history.is_empty() { Scored::new() } else { self.model.top(&history, skip, k) }
    }
}
