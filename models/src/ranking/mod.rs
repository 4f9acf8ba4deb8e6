//! Models that rank the catalogue from a history alone: they serve users of the training data and anonymous ones alike.
//!
//! [`ScoreItems`] is what such a model can do; [`OfTrain`] makes it a [`RankItems`](crate::model::RankItems) by remembering who did what. Blends and
//! the search for the best model work on the trait, whatever the method.

mod blend;
mod factors;
mod faded;
mod of_train;
mod ranker;
pub mod search;

pub use blend::Blend;
pub use factors::Factorized;
pub use faded::{Faded, Recency};
pub use of_train::OfTrain;
pub use ranker::Ranker;

use crate::model::{Scored, best};

/// What a user did: `(item, strength)`, oldest first where the order is known. Unknown items and strengths that are not finite or not above 0 are passed over.
pub type History<'a> = &'a [(u32, f32)];

/// Scores the whole catalogue from a history.
pub trait ScoreItems: Send + Sync {
    /// Items that can be scored: `0..n_items`.
    fn n_items(&self) -> usize;

    /// Scores every item for each history. Several at once, because some models read a large matrix only once per call;
    /// the scores of one history do not depend on the others.
    /// - `out`: `(histories, n_items)` row-major, overwritten; 0 says nothing about an item, items of the history
    ///   included have any score
    fn score(&self, histories: &[History<'_>], out: &mut [f32]);

    /// The best `k` items for a history, best first, equal scores by the lower item, none of `skip` (ascending). Items with
    /// a score of exactly 0 are left out: there is nothing to say about them.
    fn top(&self, history: History<'_>, skip: &[u32], k: usize) -> Scored {
        let mut scores = vec![0f32; self.n_items()];
        self.score(&[history], &mut scores);
        top_of(&mut scores, skip, k)
    }
}

impl<M: ScoreItems + ?Sized> ScoreItems for Box<M> {
    fn n_items(&self) -> usize {
        (**self).n_items()
    }

    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        (**self).score(histories, out);
    }
}

impl<M: ScoreItems + ?Sized> ScoreItems for std::sync::Arc<M> {
    fn n_items(&self) -> usize {
        (**self).n_items()
    }

    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        (**self).score(histories, out);
    }
}

/// The usable part of a history: items below `n_items` with a finite strength above 0.
pub(crate) fn known(history: History<'_>, n_items: usize) -> impl Iterator<Item = (usize, f32)> {
    let good = move |&(item, s): &(u32, f32)| (item as usize) < n_items && s.is_finite() && 0.0 < s;
    history.iter().copied().filter(good).map(|(item, s)| (item as usize, s))
}

/// Candidates are gathered up to this multiple of `k` before the worst are thrown away.
const GATHER: usize = 4;

/// The best `k` of dense scores, as [`ScoreItems::top`]. Scores of `skip` are lost.
pub(crate) fn top_of(scores: &mut [f32], skip: &[u32], k: usize) -> Scored {
    for &item in skip {
        if let Some(score) = scores.get_mut(item as usize) {
            *score = 0.0;
        }
    }
    if k == 0 {
        return Scored::new();
    }
    let room = k.saturating_mul(GATHER).max(64).min(scores.len());
    let mut kept = Scored::with_capacity(room);
    let mut bar = f32::NEG_INFINITY;
    for (item, &score) in (0u32..).zip(scores.iter()) {
        // Items come in ascending order, so one that only equals the k-th best so far has lost already.
        if bar < score && score != 0.0 && score.is_finite() {
            kept.push((item, score));
            if room <= kept.len() && k < room {
                kept = best(kept, &[], k);
                bar = kept.last().map_or(bar, |last| last.1);
            }
        }
    }
    best(kept, &[], k)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod top_tests {
    use super::*;

    #[test]
    fn the_top_of_dense_scores_is_that_of_a_full_sort() {
        let scores: Vec<f32> = (0..5000u32).map(|i| ((i * 7919) % 613) as f32 - 100.0).collect();
        for k in [0, 1, 7, 100, 4999, 9000] {
            let skip = [0, 3, 77, 9999];
            let all = (0u32..).zip(scores.iter().copied()).filter(|x| x.1 != 0.0).collect();
            assert_eq!(top_of(&mut scores.clone(), &skip, k), best(all, &skip, k), "{k}");
        }
    }

    #[test]
    fn scores_that_say_nothing_are_not_listed() {
        let mut scores = [0.0, f32::NAN, -1.0, f32::INFINITY, 2.0, -0.0];
        assert_eq!(top_of(&mut scores, &[], 9), [(4, 2.0), (2, -1.0)]);
        assert_eq!(top_of(&mut [], &[1], 9), []);
    }
}
