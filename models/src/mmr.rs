//! A list with less of the same: maximal marginal relevance.
//!
//! Carbonell & Goldstein, *The use of MMR, diversity-based reranking*, SIGIR 1998.

use crate::params::{BadParam, check};

/// How much relevance counts against diversity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmrParams {
    lambda: f32,
}

impl MmrParams {
    /// `lambda`: 0 (diversity only) to 1 (the order stays as it is), unitless.
    ///
    /// # Errors
    /// [`BadParam`] if it is out of bounds.
    pub fn new(lambda: f64) -> Result<Self, BadParam> {
        let lambda = check("mmr.lambda", lambda, (0.0..=1.0).contains(&lambda), "0 to 1")?;
        Ok(Self { lambda: lambda as f32 })
    }
}

/// Picks `n` places one after another, each the one that is largest in
/// `λ · relevance - (1 - λ) · (largest similarity to anything picked before)`.
/// - `scores`: relevance of each candidate, any finite scale (mapped to 0..1 over the list)
/// - `similarity(a, b)` of the candidates at places `a` and `b`, 0 to 1; equality of category is 0 or 1
/// - returns indices into `scores`, at most `n`; ties go to the earlier place; a score that is not finite counts as the
///   lowest
/// - cost `O(n · scores)` calls of `similarity`
///
/// ```
/// use shoptide_models::mmr::{MmrParams, rerank};
/// let category = ["shoes", "shoes", "bags"];
/// let same = |a: usize, b: usize| if category[a] == category[b] { 1.0 } else { 0.0 };
/// let half = MmrParams::new(0.5).unwrap();
/// assert_eq!(rerank(&[0.9, 0.8, 0.5], 3, half, same), [0, 2, 1]);
/// ```
pub fn rerank(
    scores: &[f32],
    n: usize,
    params: MmrParams,
    similarity: impl Fn(usize, usize) -> f32,
) -> Vec<usize> {
    let finite = || scores.iter().copied().filter(|x| x.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let range = high - low;
    let relevance = |x: f32| {
        if !x.is_finite() || !range.is_finite() || range <= 0.0 { 0.0 } else { (x - low) / range }
    };
    // What is still to be picked: (place, weighted relevance, largest similarity so far), in the order of places.
    let mut open: Vec<(usize, f32, f32)> =
        scores.iter().enumerate().map(|(i, &x)| (i, params.lambda * relevance(x), 0.0)).collect();
    let mut picked = Vec::with_capacity(n.min(open.len()));
    while picked.len() < n {
        let mut best: Option<(usize, f32)> = None;
        for (at, &(_, relevance, nearest)) in open.iter().enumerate() {
            let marginal = relevance - (1.0 - params.lambda) * nearest;
            if best.is_none_or(|best| best.1 < marginal) {
                best = Some((at, marginal));
            }
        }
        let Some((at, _)) = best else { break };
        let (place, ..) = open.remove(at);
        picked.push(place);
        for (other, _, nearest) in &mut open {
            // `max` passes over a similarity that is not a number.
            *nearest = nearest.max(similarity(*other, place));
        }
    }
    picked
}

/// [`rerank`] where two candidates are either of one category (similarity 1) or not (0).
/// - `scores`: best first; `categories`: as many numbers, 0 is no category and like nothing
/// - returns what `rerank` returns; cost `O(n · categories)`, which for a list of 100 in a dozen categories is a tenth
///
/// ```
/// use shoptide_models::mmr::{MmrParams, rerank_categories};
/// let half = MmrParams::new(0.5).unwrap();
/// assert_eq!(rerank_categories(&[0.9, 0.8, 0.5], &[1, 1, 2], 3, half), [0, 2, 1]);
/// ```
pub fn rerank_categories(scores: &[f32], categories: &[u16], n: usize, params: MmrParams) -> Vec<usize> {
    let (high, low) = (scores.first().copied().unwrap_or(0.0), scores.last().copied().unwrap_or(0.0));
    let range = high - low;
    let relevance = |place: usize| {
        let score = scores.get(place).copied().unwrap_or(low);
        params.lambda * if range.is_finite() && 0.0 < range { (score - low) / range } else { 0.0 }
    };
    // Within a category the penalty is the same for all, so only its first place can be the next.
    let mut rows: Vec<Row> = Vec::new();
    for (place, category) in categories.iter().enumerate().take(scores.len()) {
        match rows.iter_mut().find(|row| row.category == *category) {
            Some(row) => row.places.push(place),
            None => rows.push(Row { category: *category, places: vec![place], next: 0, picked: false }),
        }
    }
    let mut order = Vec::with_capacity(n.min(scores.len()));
    while order.len() < n {
        let mut best: Option<(usize, usize, f32)> = None;
        for (at, row) in rows.iter().enumerate() {
            let Some(place) = row.places.get(row.next).copied() else { continue };
            let penalty = if row.picked { 1.0 - params.lambda } else { 0.0 };
            let marginal = relevance(place) - penalty;
            if best.is_none_or(|(_, first, most)| most < marginal || (most == marginal && place < first)) {
                best = Some((at, place, marginal));
            }
        }
        let Some((at, place, _)) = best else { break };
        if let Some(row) = rows.get_mut(at) {
            row.next += 1;
            row.picked = row.category != 0;
        }
        order.push(place);
    }
    order
}

/// The candidates of one category, best first.
struct Row {
    category: u16,
    places: Vec<usize>,
    next: usize,
    picked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lambda(x: f64) -> MmrParams {
        MmrParams::new(x).unwrap()
    }

    #[test]
    fn lambda_one_keeps_the_order_and_zero_seeks_difference() {
        let scores = [5.0, 4.0, 3.0, 2.0];
        let group = |a: usize, b: usize| f32::from(u8::from(a / 2 == b / 2));
        assert_eq!(rerank(&scores, 4, lambda(1.0), group), [0, 1, 2, 3]);
        assert_eq!(rerank(&scores, 4, lambda(0.0), group), [0, 2, 1, 3]);
        assert_eq!(rerank(&scores, 2, lambda(0.3), group), [0, 2]);
        assert_eq!(rerank(&scores, 0, lambda(0.3), group), [0usize; 0]);
    }

    #[test]
    fn odd_scores_do_no_harm() {
        assert_eq!(rerank(&[], 3, lambda(0.5), |_, _| 1.0), [0usize; 0]);
        assert_eq!(rerank(&[1.0, 1.0], 3, lambda(0.5), |_, _| f32::NAN), [0, 1]);
        assert_eq!(rerank(&[f32::NAN, 1.0, 2.0], 3, lambda(1.0), |_, _| 0.0), [2, 0, 1]);
        assert!(MmrParams::new(1.1).is_err() && MmrParams::new(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn categories_are_the_special_case(
            mut scores in prop::collection::vec(-9f32..9.0, 0..60),
            seed in 0u16..1000, kinds in 1u16..8, l in 0f64..1.0, n in 0usize..70,
        ) {
            scores.sort_by(|a, b| b.total_cmp(a));
            let categories: Vec<u16> =
                (0..scores.len() as u16).map(|i| (i.wrapping_mul(31).wrapping_add(seed) / 3) % kinds).collect();
            let same = |a: usize, b: usize| {
                f32::from(u8::from(categories[a] == categories[b] && categories[a] != 0))
            };
            let general = rerank(&scores, n, lambda(l), same);
            prop_assert_eq!(rerank_categories(&scores, &categories, n, lambda(l)), general);
        }

        #[test]
        fn nothing_is_lost_or_doubled(scores in prop::collection::vec(-9f32..9.0, 0..40), l in 0f64..1.0, n in 0usize..50) {
            let mut picked = rerank(&scores, n, lambda(l), |a, b| ((a * 7 + b * 7) % 5) as f32 / 5.0);
            prop_assert_eq!(picked.len(), n.min(scores.len()));
            picked.sort_unstable();
            picked.dedup();
            prop_assert_eq!(picked.len(), n.min(scores.len()));
        }
    }
}
