//! One list out of several opinions: factors, item-item neighbours, popularity and trend, weighed against each other.

mod params;
mod top;

pub use params::{BlendParams, Source};

use crate::als::FoldScratch;
use crate::item_item::{NeighbourScore, NeighbourScratch};
use crate::simd::scores;
use crate::snapshot::Snapshot;
use crate::vector::dot;
use params::WEIGHED;
use top::Top;

/// What is known of a user's liking for one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taste {
    /// Index in the model.
    pub item: u32,
    /// Unitless; what is not above 0 says nothing here.
    pub strength: f32,
}

/// One place of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub item: u32,
    /// Sum of the parts.
    pub score: f32,
    /// The source with the largest part; [`Source::Catalogue`] if none has one above 0.
    pub source: Source,
    /// Weighed contributions of factors, item-item, popularity, trending.
    pub parts: [f32; 4],
    /// The history item that speaks most for this one: the largest share of the item-item score, else the nearest by
    /// cosine of the factors; none without either.
    pub evidence: Option<u32>,
}

/// Working memory of a [`Scorer`]; keep one per thread.
#[derive(Debug, Default, Clone)]
pub struct Scratch {
    fold: FoldScratch,
    near: NeighbourScratch,
    history: Vec<(u32, f32)>,
    factors: Vec<f32>,
    near_scores: Vec<f32>,
    evidence: Vec<u32>,
    totals: Vec<f32>,
    top: Top,
    directions: Directions,
}

/// A history's item factors at length 1, to find the nearest to a candidate.
#[derive(Debug, Default, Clone)]
struct Directions {
    items: Vec<u32>,
    /// `(items, rank)`.
    units: Vec<f32>,
    near: Vec<f32>,
}

/// Ranks a model's items for one user at a time.
#[derive(Debug, Clone, Copy)]
pub struct Scorer<'a> {
    model: &'a Snapshot,
    /// Weight over scale of popularity and of trending.
    shared: [f32; 2],
    params: BlendParams,
}

/// No history item.
const NOBODY: u32 = u32::MAX;

impl<'a> Scorer<'a> {
    /// Cheap enough to make one for every list.
    pub fn new(model: &'a Snapshot, params: &BlendParams) -> Self {
        let weights = params.weights();
        let (popular, trending) = model.popularity().largest();
        let shared = [weights[2] * inverse(popular), weights[3] * inverse(trending)];
        Self { model, shared, params: *params }
    }

    /// The best `n` items for a history, best first, ties by lower index.
    ///
    /// Each source is divided by its largest score over the whole catalogue, then weighed and summed. A source that
    /// the model or the history has nothing for counts 0; with nothing at all the list is the catalogue's order.
    /// - `history`: oldest first if [`BlendParams::with_recency`] is set, else in any order; unknown items and strengths
    ///   that are not finite or not above 0 are passed over, a repeated item counts with the sum; its items are not left
    ///   out by themselves
    /// - `exclude`: items that must not be in the list
    /// - cost: a fold-in, `O(n_items·rank)` for the scores, `O(n·history·rank)` for the evidence
    pub fn candidates(
        &self,
        history: &[Taste],
        n: usize,
        exclude: &dyn Fn(u32) -> bool,
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        let n_items = self.model.n_items();
        clean(history, n_items, self.params.recency_places(), &mut scratch.history);
        let factor_scale = self.score_factors(scratch);
        let near_scale = self.score_neighbours(scratch);
        let Scratch { history, factors, near_scores, evidence, totals, top, directions, .. } = scratch;

        let popularity = self.model.popularity();
        totals.clear();
        totals.resize(n_items, 0.0);
        for (scale, scores) in [
            (factor_scale, factors.as_slice()),
            (near_scale, near_scores.as_slice()),
            (self.shared[0], popularity.score()),
            (self.shared[1], popularity.trending()),
        ] {
            if scale != 0.0 {
                totals.iter_mut().zip(scores).for_each(|(total, score)| *total += scale * score);
            }
        }
        top.start(n.min(n_items));
        top.offer_all(totals, exclude);
        directions.items.clear();
        let at = |scores: &[f32], item: u32| scores.get(item as usize).copied().unwrap_or(0.0);
        top.finish()
            .map(|item| {
                let parts = [
                    factor_scale * at(factors, item),
                    near_scale * at(near_scores, item),
                    self.shared[0] * at(popularity.score(), item),
                    self.shared[1] * at(popularity.trending(), item),
                ];
                let nearest = evidence.get(item as usize).copied().filter(|&from| from != NOBODY);
                Candidate {
                    item,
                    score: at(totals, item),
                    source: largest(&parts),
                    parts,
                    evidence: nearest.or_else(|| self.nearest_by_factors(item, history, directions)),
                }
            })
            .collect()
    }

    /// The scores of these items alone, in their order: the sources of [`Self::candidates`], each divided by its largest score
    /// over these items instead of all, then weighed and summed.
    /// - `items`: indices in the model; one that it does not know scores 0
    /// - cost: a fold-in, and `O(items·rank)`
    pub fn scores_of(&self, history: &[Taste], items: &[u32], scratch: &mut Scratch) -> Vec<f32> {
        clean(history, self.model.n_items(), self.params.recency_places(), &mut scratch.history);
        let weights = self.params.weights();
        let side = self.model.side();
        let mut totals = vec![0.0; items.len()];
        let mut add = |weight: f32, scores: &[f32]| {
            let scale = weight * over_largest(scores);
            totals.iter_mut().zip(scores).for_each(|(total, score)| *total += scale * score);
        };
        if weights[0] != 0.0
            && side.n_items() != 0
            && !scratch.history.is_empty()
            && let Ok(user) = side.fold_in(&scratch.history, &mut scratch.fold)
        {
            let score = |item: &u32| side.item(*item).map_or(0.0, |factors| dot(factors, &user) as f32);
            add(weights[0], &items.iter().map(score).collect::<Vec<f32>>());
        }
        let (near_scale, mut near) = (self.score_neighbours(scratch), vec![0.0; items.len()]);
        if near_scale != 0.0 {
            let at = |item: &u32| scratch.near_scores.get(*item as usize).copied().unwrap_or(0.0);
            near = items.iter().map(at).collect();
        }
        add(weights[1], &near);
        for (weight, scores) in
            [(weights[2], self.model.popularity().score()), (weights[3], self.model.popularity().trending())]
        {
            let at = |item: &u32| scores.get(*item as usize).copied().unwrap_or(0.0);
            add(weight, &items.iter().map(at).collect::<Vec<f32>>());
        }
        totals
    }

    /// Fills `factors` `(n_items,)`, or empties it where there is nothing to say; returns weight over scale.
    fn score_factors(&self, scratch: &mut Scratch) -> f32 {
        let side = self.model.side();
        scratch.factors.clear();
        if self.params.weights()[0] == 0.0 || side.n_items() == 0 || scratch.history.is_empty() {
            return 0.0;
        }
        // Strengths so far apart that the equations lose all precision leave the other sources to decide.
        let Ok(user) = side.fold_in(&scratch.history, &mut scratch.fold) else { return 0.0 };
        side.score_all(&user, &mut scratch.factors);
        self.params.weights()[0] * over_largest(&scratch.factors)
    }

    /// Fills `near_scores` and `evidence` `(n_items,)`, or empties them; returns weight over scale.
    fn score_neighbours(&self, scratch: &mut Scratch) -> f32 {
        let Scratch { near, history, near_scores, evidence, .. } = scratch;
        near_scores.clear();
        evidence.clear();
        if self.params.weights()[1] == 0.0 || history.is_empty() {
            return 0.0;
        }
        let scored: Vec<NeighbourScore> = self.model.neighbours().score(history, near);
        near_scores.resize(self.model.n_items(), 0.0);
        evidence.resize(self.model.n_items(), NOBODY);
        for NeighbourScore { item, score, evidence: from } in scored {
            near_scores[item as usize] = score;
            evidence[item as usize] = from;
        }
        self.params.weights()[1] * over_largest(near_scores)
    }

    /// The history item with the largest cosine to `item`, if any is above 0; the lower index if several tie.
    /// `directions` is empty at a list's first call.
    fn nearest_by_factors(
        &self,
        item: u32,
        history: &[(u32, f32)],
        directions: &mut Directions,
    ) -> Option<u32> {
        let side = self.model.side();
        let target = side.item(item)?;
        let Directions { items, units, near } = directions;
        if items.is_empty() {
            units.clear();
            for &(from, _) in history {
                let Some(factors) = side.item(from) else { continue };
                let length = dot(factors, factors).sqrt();
                if length.is_normal() {
                    items.push(from);
                    units.extend(factors.iter().map(|x| (f64::from(*x) / length) as f32));
                }
            }
        }
        near.clear();
        near.resize(items.len(), 0.0);
        scores(units, side.params().rank(), target, near);
        let mut best = (0.0, None);
        for (&from, &near) in items.iter().zip(near.iter()) {
            if best.0 < near && from != item {
                best = (near, Some(from));
            }
        }
        best.1
    }
}

/// The known, positive part of a history by item, each once, what is older counting less.
fn clean(history: &[Taste], n_items: usize, recency_places: f32, into: &mut Vec<(u32, f32)>) {
    into.clear();
    let known = |t: &&Taste| (t.item as usize) < n_items && t.strength.is_finite() && 0.0 < t.strength;
    for (later, taste) in history.iter().rev().filter(known).enumerate() {
        let strength = taste.strength * (-(later as f32) / recency_places).exp2();
        // What has faded to nothing would be no interaction at all to the fold-in.
        into.push((taste.item, strength.max(f32::MIN_POSITIVE)));
    }
    into.sort_by_key(|entry| entry.0);
    into.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = (kept.1 + later.1).min(f32::MAX);
        }
        same
    });
}

/// One over the largest score, 0 if none is above 0.
fn over_largest(scores: &[f32]) -> f32 {
    inverse(scores.iter().copied().fold(0f32, f32::max))
}

/// One over a score; 0 for one that is too small to divide by.
fn inverse(largest: f32) -> f32 {
    if largest.is_normal() { 1.0 / largest } else { 0.0 }
}

/// The source of the largest part; the earlier one if several tie.
fn largest(parts: &[f32; 4]) -> Source {
    let mut best = (0.0, Source::Catalogue);
    for (&part, source) in parts.iter().zip(WEIGHED) {
        if best.0 < part {
            best = (part, source);
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
