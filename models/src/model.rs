//! What can be asked of a model, whatever its method: one evaluator, one tuner and one suite of tests serve all of them.
//!
//! Users and items are dense indices here (`0..n`); ids stay outside. An index that training has not seen is allowed
//! everywhere and is passed over.

/// Items with their scores. The scale is the model's own: scores compare only within one answer. Always finite.
pub type Scored = Vec<(u32, f32)>;

/// Predicts how a session goes on.
pub trait NextItem: Sync {
    /// Scores what may follow `session`: items in the order of their clicks, the last is the current one.
    ///
    /// Fills `out` (cleared first) with every item that the model has an opinion on, each once, in any order; an item that
    /// is absent ranks below all that are there. The current item may be among them: whether it may be listed is the
    /// caller's choice.
    fn score(&self, session: &[u32], out: &mut Scored);
}

/// Ranks the whole catalogue for a user of the training data.
pub trait RankItems: Sync {
    /// The best `k` items for `user`, best first, equal scores by the lower item, none of `skip` (ascending).
    /// Shorter only if the model has nothing to say about the rest; empty for a user who is unknown to it.
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored;
}

/// One observed value of a stream, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rated {
    pub user: u32,
    pub item: u32,
    /// A rating, or the strength of a preference.
    pub value: f32,
    /// Seconds since 1970.
    pub at_s: i64,
}

/// Ranks now and learns the next event at once: for measuring test-then-learn.
pub trait LearnEvent: Send {
    /// As [`RankItems::top`], with what has been learned so far, at the time `at_s` (seconds since 1970).
    fn top(&mut self, user: u32, at_s: i64, skip: &[u32], k: usize) -> Scored;
    /// Takes the event in. Unseen users and items are added. Must be cheap: this is the stream's way.
    fn learn(&mut self, event: &Rated);
}

/// Predicts a rating.
pub trait PredictRating: Sync {
    /// The expected rating, clamped to the scale of the training data; for unknown users or items the mean with what
    /// biases are known.
    fn predict(&self, user: u32, item: u32) -> f32;
}

/// How far a training is, for a progress bar or a table of losses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Passes done, from 1.
    pub done: usize,
    pub total: usize,
    /// The objective after this pass, where the method has one and was asked for it.
    pub loss: Option<f64>,
}

/// The best `k` of `scored`, best first, equal scores by the lower item, none of `skip` (ascending).
///
/// ```
/// use shoptide_models::model::best;
/// assert_eq!(best(vec![(3, 1.0), (9, 2.0), (1, 1.0), (4, 5.0)], &[4], 2), [(9, 2.0), (1, 1.0)]);
/// ```
pub fn best(mut scored: Scored, skip: &[u32], k: usize) -> Scored {
    scored.retain(|(item, _)| skip.binary_search(item).is_err());
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if k == 0 {
        return Scored::new();
    }
    if k < scored.len() {
        scored.select_nth_unstable_by(k - 1, order);
        scored.truncate(k);
    }
    scored.sort_unstable_by(order);
    scored
}

/// Keeps the best `k` of what is offered, as [`best`] would of all of it, in memory for a few times `k`: most of a long row
/// is passed over after one comparison.
///
/// ```
/// use shoptide_models::model::BestSoFar;
/// let mut kept = BestSoFar::new(2);
/// [(3, 1.0), (9, 2.0), (1, 1.0), (4, 0.5)].into_iter().for_each(|(item, score)| kept.offer(item, score));
/// assert_eq!(kept.finish(), [(9, 2.0), (1, 1.0)]);
/// ```
#[derive(Debug)]
pub struct BestSoFar {
    k: usize,
    /// `k` items have at least this score.
    floor: f32,
    held: Scored,
}

/// Items held beyond `k` before the worst are dropped: dropping costs a pass, which so many offers share.
const SPARE_OFFERS: usize = 512;

impl BestSoFar {
    pub fn new(k: usize) -> Self {
        Self { k, floor: f32::NEG_INFINITY, held: Scored::new() }
    }

    /// Takes an item into account; each item at most once. The score must not be NaN.
    #[inline]
    pub fn offer(&mut self, item: u32, score: f32) {
        // One that equals the floor may still win by its number.
        if score < self.floor {
            return;
        }
        self.held.push((item, score));
        if self.k.saturating_add(SPARE_OFFERS) <= self.held.len() {
            self.held = best(std::mem::take(&mut self.held), &[], self.k);
            self.floor = self.held.last().map_or(f32::INFINITY, |(_, score)| *score);
        }
    }

    /// What is below this gets in no more.
    pub(crate) fn floor(&self) -> f32 {
        self.floor
    }

    /// The best, in order.
    pub fn finish(self) -> Scored {
        best(self.held, &[], self.k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn offering_one_by_one_is_choosing_from_all(
            scores in prop::collection::vec(0u8..40, 0..3000), k in 0usize..40
        ) {
            let all: Scored = (0u32..).zip(scores.iter().map(|&s| f32::from(s))).collect();
            let mut kept = BestSoFar::new(k);
            all.iter().for_each(|&(item, score)| kept.offer(item, score));
            prop_assert_eq!(kept.finish(), best(all, &[], k));
        }
    }
}
