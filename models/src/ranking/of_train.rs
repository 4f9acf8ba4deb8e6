//! A model together with the histories of the users it was trained on.

use rayon::prelude::*;

use crate::matrix::Interactions;
use crate::model::{RankItems, Scored, best};
use crate::ranking::{History, ScoreItems, top_of};

/// Histories that are scored in one call of the model. Enough to read a large matrix rarely, few enough that the scores
/// stay small: 64 · 4 bytes per item and thread.
pub(crate) const BATCH: usize = 64;

/// A model that knows its users: ranks user `u` from row `u` of the training data.
pub struct OfTrain<M> {
    model: M,
    histories: Vec<Vec<(u32, f32)>>,
    /// Each user's best items beyond the history, if made beforehand, and how many were asked for.
    lists: Vec<Scored>,
    list_max: usize,
}

impl<M: ScoreItems> OfTrain<M> {
    pub fn new(model: M, train: &Interactions) -> Self {
        Self { model, histories: histories(train), lists: Vec::new(), list_max: 0 }
    }

    /// Makes the list of every user now, `list_max` items each, many users at once: where scoring reads large matrices this is
    /// far cheaper than one by one. A question that a list cannot answer is still answered by the model.
    pub fn with_lists(mut self, list_max: usize) -> Self {
        let users: Vec<History<'_>> = self.histories.iter().map(Vec::as_slice).collect();
        let lists: Vec<Vec<Scored>> =
            users.par_chunks(BATCH).map(|batch| tops(&self.model, batch, list_max)).collect();
        self.lists = lists.into_iter().flatten().collect();
        self.list_max = list_max;
        self
    }

    /// The model, for histories of anonymous users.
    pub fn model(&self) -> &M {
        &self.model
    }
}

/// The rows of the data as histories: in the order of their places.
pub(crate) fn histories(train: &Interactions) -> Vec<Vec<(u32, f32)>> {
    let history = |user: usize| {
        let (items, strengths) = train.row(user);
        let mut placed: Vec<(u32, u32, f32)> =
            train.places(user).iter().zip(items).zip(strengths).map(|((p, i), s)| (*p, *i, *s)).collect();
        placed.sort_unstable_by_key(|entry| entry.0);
        placed.into_iter().map(|(_, item, s)| (item, s)).collect()
    };
    (0..train.n_rows()).map(history).collect()
}

/// The best `k` items for each history that are not in it.
fn tops<M: ScoreItems>(model: &M, histories: &[History<'_>], k: usize) -> Vec<Scored> {
    let n_items = model.n_items();
    let mut scores = vec![0f32; n_items * histories.len()];
    model.score(histories, &mut scores);
    let rows = scores.chunks_exact_mut(n_items.max(1)).zip(histories);
    let mut made: Vec<Scored> = rows
        .map(|(scores, history)| {
            let skip: Vec<u32> = history.iter().map(|entry| entry.0).collect();
            top_of(scores, &skip, k)
        })
        .collect();
    made.resize(histories.len(), Scored::new());
    made
}

impl<M: ScoreItems> RankItems for OfTrain<M> {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        let Some(history) = self.histories.get(user as usize).filter(|h| !h.is_empty()) else {
            return Scored::new();
        };
        if let Some(list) = self.lists.get(user as usize) {
            let skipped = |item: &u32| skip.binary_search(item).is_ok();
            let left = best(list.clone(), skip, k);
            let complete = left.len() == k || list.len() < self.list_max;
            if complete && history.iter().all(|(item, _)| skipped(item)) {
                return left;
            }
        }
        self.model.top(history, skip, k)
    }
}
