//! Next-item prediction in sessions: where the item that really followed stands among all items. Ties count as half a
//! place, so that a model which gives every item the same score gains nothing by the order it lists them in.

use crate::model::{NextItem, Scored, best};
use rayon::prelude::*;

/// What was clicked so far, and what came next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// Oldest first; the last is the current item. Items beyond the training data are allowed.
    pub known: &'a [u32],
    /// May be an item that training has not seen: a miss.
    pub target: u32,
}

/// A model's answer to one [`Query`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `1 + |above| + |as high| / 2` of the target, or infinite if the model has no opinion on it.
    pub rank: f64,
    /// The first k, best first, ties by the lower item.
    pub list: Vec<u32>,
}

/// Means over all queries.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SessionQuality {
    /// Share of targets with a rank of at most k.
    pub hit_rate: f64,
    /// `1 / rank` of those, 0 for the others.
    pub mrr: f64,
    /// `1 / log2(rank + 1)` of those, 0 for the others.
    pub ndcg: f64,
    /// Different items in all the lists, over the items of the training data.
    pub coverage: f64,
    /// Queries.
    pub n: usize,
}

/// Asks for one query; see [`place`].
/// - `scratch` is room for the scores
pub fn answer(
    model: &dyn NextItem,
    query: Query<'_>,
    k: usize,
    exclude_current: bool,
    scratch: &mut Scored,
) -> Answer {
    model.score(query.known, scratch);
    place(query, k, exclude_current, scratch)
}

/// Where the target stands among scores, and the first k of them; leaves `scored` in disorder.
/// - `exclude_current`: the current item may not be in the list (a target that is the current item is then a miss)
///
/// Scores that are not finite are passed over. Cost `O(scores)`.
pub fn place(query: Query<'_>, k: usize, exclude_current: bool, scored: &mut Scored) -> Answer {
    let current = if exclude_current { query.known.last().copied() } else { None };
    scored.retain(|&(item, score)| score.is_finite() && Some(item) != current);
    let target = scored.iter().find(|entry| entry.0 == query.target).map(|entry| entry.1);
    let rank = target.map_or(f64::INFINITY, |target| {
        let above = scored.iter().filter(|entry| target < entry.1).count();
        let as_high = scored.iter().filter(|entry| entry.1 == target).count();
        1.0 + above as f64 + as_high.saturating_sub(1) as f64 / 2.0
    });
    // Copied: a list that kept the room of all scores would be a thousand times its size.
    let top = best(std::mem::take(scored), &[], k);
    let list = top.iter().map(|entry| entry.0).collect();
    *scored = top;
    Answer { rank, list }
}

/// Asks for every query, in parallel; answers in the order of the queries.
pub fn answer_all(
    model: &dyn NextItem,
    queries: &[Query<'_>],
    k: usize,
    exclude_current: bool,
) -> Vec<Answer> {
    queries
        .par_iter()
        .map_init(Scored::new, |scratch, query| answer(model, *query, k, exclude_current, scratch))
        .collect()
}

impl SessionQuality {
    /// - `n_items`: of the training data, for the coverage
    ///
    /// All 0 without answers.
    ///
    /// ```
    /// use shoptide_models::evaluate::{Answer, SessionQuality};
    /// let answers = [Answer { rank: 2.0, list: vec![4, 1] }, Answer { rank: 20.5, list: vec![4, 2] }];
    /// let q = SessionQuality::of(&answers, 20, 6);
    /// assert_eq!((q.hit_rate, q.mrr, q.coverage), (0.5, 0.25, 0.5));
    /// ```
    pub fn of(answers: &[Answer], k: usize, n_items: usize) -> Self {
        let n = answers.len();
        let per = |sum: f64| sum / n.max(1) as f64;
        let ranks = || answers.iter().map(|answer| answer.rank).filter(|rank| *rank <= k as f64);
        let listed = answers.iter().flat_map(|answer| answer.list.iter().take(k).copied());
        Self {
            hit_rate: per(ranks().count() as f64),
            mrr: per(ranks().map(|rank| 1.0 / rank).sum()),
            ndcg: per(ranks().map(|rank| 1.0 / (rank + 1.0).log2()).sum()),
            coverage: super::lists::coverage(listed, n_items),
            n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every session with the same scores.
    struct Fixed(Scored);

    impl NextItem for Fixed {
        fn score(&self, _: &[u32], out: &mut Scored) {
            out.clone_from(&self.0);
        }
    }

    fn rank(scores: &[(u32, f32)], known: &[u32], target: u32, exclude_current: bool) -> f64 {
        let query = Query { known, target };
        answer(&Fixed(scores.to_vec()), query, 2, exclude_current, &mut Scored::new()).rank
    }

    #[test]
    fn a_tie_is_half_a_place() {
        let scores = [(0, 3.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, 0.5)];
        assert_eq!(rank(&scores, &[9], 0, false), 1.0);
        // One above, two others as high: 1 + 1 + 2 / 2.
        assert_eq!(rank(&scores, &[9], 3, false), 3.0);
        assert_eq!(rank(&scores, &[9], 4, false), 5.0);
        assert_eq!(rank(&scores, &[9], 7, false), f64::INFINITY);
        // The lowest and the highest index of a tie stand alike.
        assert_eq!(rank(&scores, &[9], 1, false), rank(&scores, &[9], 3, false));
    }

    #[test]
    fn the_current_item_makes_room_if_it_must() {
        let scores = [(0, 3.0), (1, 2.0), (2, 1.0)];
        assert_eq!(rank(&scores, &[1, 0], 1, false), 2.0);
        assert_eq!(rank(&scores, &[1, 0], 1, true), 1.0);
        assert_eq!(rank(&scores, &[1, 0], 0, true), f64::INFINITY);
        assert_eq!(rank(&scores, &[], 0, true), 1.0);
        let listed = answer(&Fixed(scores.to_vec()), Query { known: &[0], target: 1 }, 9, true, &mut vec![]);
        assert_eq!(listed.list, [1, 2]);
    }

    #[test]
    fn by_hand() {
        let model = Fixed(vec![(0, 4.0), (1, 3.0), (2, 2.0), (3, 2.0), (4, f32::NAN)]);
        let queries = [
            Query { known: &[8], target: 0 },  // rank 1
            Query { known: &[8], target: 1 },  // rank 2
            Query { known: &[8], target: 3 },  // rank 3.5: beyond 3
            Query { known: &[8], target: 4 },  // no opinion
            Query { known: &[8], target: 99 }, // never seen in training
        ];
        let q = SessionQuality::of(&answer_all(&model, &queries, 3, false), 3, 10);
        assert_eq!((q.hit_rate, q.mrr, q.n), (2.0 / 5.0, (1.0 + 0.5) / 5.0, 5));
        assert!((q.ndcg - (1.0 + 1.0 / 3f64.log2()) / 5.0).abs() < 1e-12);
        assert_eq!(q.coverage, 3.0 / 10.0);
    }

    #[test]
    fn nothing_asked_is_nothing_measured() {
        assert_eq!(SessionQuality::of(&[], 20, 0), SessionQuality::default());
        let none = answer_all(&Fixed(vec![]), &[Query { known: &[], target: 0 }], 20, true);
        assert_eq!(SessionQuality::of(&none, 20, 5), SessionQuality { n: 1, ..SessionQuality::default() });
    }
}
