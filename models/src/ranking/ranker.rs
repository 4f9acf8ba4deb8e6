//! Boosted trees over what several models say of an item: the top of their mix, put into a better order.
//!
//! A mix weighs each model the same for everyone; trees learn whom to believe for whom: users of two items and of two hundred,
//! items that everybody has and that few have.

use crate::matrix::Interactions;
use crate::params::BadParam;
use crate::ranking::blend::{check_parts, level};
use crate::ranking::{History, ScoreItems, top_of};
use crate::trees::Trees;

/// Values of each model in a row of features: its score as a part of its best ones, the place that this gives, and how high
/// its best ones are for this user.
const EACH: usize = 3;
/// Values beside those: the mix, its place, the item's users, the user's items.
const SHARED: usize = 4;

/// A mix and the trees that order its top.
pub struct Ranker {
    n_items: usize,
    parts: Vec<(f32, Box<dyn ScoreItems>)>,
    trees: Trees,
    trust: f32,
    popular: Vec<f32>,
    depth: usize,
}

/// What several models say of the items that any of them has near its top for one history.
pub(crate) struct Opinions {
    /// Ascending; none of the history.
    pub items: Vec<u32>,
    /// `(models, items)`: the mean of a model's best scores is 1.
    pub scores: Vec<Vec<f32>>,
    /// That mean, of each model.
    pub levels: Vec<f32>,
}

impl Ranker {
    /// - `parts`: as of a [`Blend`](crate::ranking::Blend), in the order that the trees were trained with
    /// - `trees`, and how much the mix counts beside them, 0 or more
    /// - `depth`: items of each part that are put into order
    ///
    /// # Errors
    /// As [`Blend::new`](crate::ranking::Blend::new).
    pub fn new(
        parts: Vec<(f64, Box<dyn ScoreItems>)>,
        trees: (Trees, f32),
        train: &Interactions,
        depth: usize,
    ) -> Result<Self, BadParam> {
        let (n_items, parts) = check_parts(parts)?;
        let (trees, trust) = trees;
        Ok(Self { n_items, parts, trees, trust, popular: popular(train), depth })
    }
}

/// Logarithm of each item's users.
pub(crate) fn popular(train: &Interactions) -> Vec<f32> {
    let by_item = train.transpose();
    (0..by_item.n_rows()).map(|item| (by_item.row(item).0.len() as f32).ln_1p()).collect()
}

/// Values in a row of features.
pub(crate) fn width(models: usize) -> usize {
    models * EACH + SHARED
}

/// Asks the models about several histories at once. Also hands each model's scores of each history's whole catalogue to
/// `whole(history, model, scores)`.
pub(crate) fn opinions(
    models: &[&dyn ScoreItems],
    histories: &[History<'_>],
    depth: usize,
    mut whole: impl FnMut(usize, usize, &[f32]),
) -> Vec<Opinions> {
    let n_items = models.first().map_or(1, |model| model.n_items()).max(1);
    let mut dense: Vec<Vec<f32>> = Vec::with_capacity(models.len());
    let mut made: Vec<Opinions> =
        histories.iter().map(|_| Opinions { items: vec![], scores: vec![], levels: vec![] }).collect();
    for (at, model) in models.iter().enumerate() {
        let mut scores = vec![0f32; n_items * histories.len()];
        model.score(histories, &mut scores);
        let rows = scores.chunks_exact_mut(n_items).zip(histories).zip(&mut made);
        for (user, ((scores, history), made)) in rows.enumerate() {
            let level = level(scores, history);
            scores.iter_mut().for_each(|x| *x = if x.is_finite() { *x / level } else { 0.0 });
            whole(user, at, scores);
            made.levels.push(level);
            made.items.extend(top_of(scores, &[], depth).iter().map(|x| x.0));
        }
        dense.push(scores);
    }
    for (user, made) in made.iter_mut().enumerate() {
        made.items.sort_unstable();
        made.items.dedup();
        let of_user = |scores: &Vec<f32>| {
            let scores = &scores[user * n_items..][..n_items];
            made.items.iter().map(|&item| scores[item as usize]).collect()
        };
        made.scores = dense.iter().map(of_user).collect();
    }
    made
}

/// A row of features for each item.
pub(crate) fn features(said: &Opinions, weights: &[f32], history: History<'_>, popular: &[f32]) -> Vec<f32> {
    let n = said.items.len();
    let mut mix = vec![0f32; n];
    for (scores, &weight) in said.scores.iter().zip(weights) {
        mix.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight * score);
    }
    let places: Vec<Vec<f32>> = said.scores.iter().map(|scores| log_places(scores)).collect();
    let of_mix = log_places(&mix);
    let long = (history.len() as f32).ln_1p();
    let mut rows = Vec::with_capacity(n * width(said.scores.len()));
    for (at, &item) in said.items.iter().enumerate() {
        for ((scores, places), level) in said.scores.iter().zip(&places).zip(&said.levels) {
            rows.extend([scores[at], places[at], level.max(f32::MIN_POSITIVE).ln()]);
        }
        let popular = popular.get(item as usize).copied().unwrap_or(0.0);
        rows.extend([mix[at], of_mix[at], popular, long]);
    }
    rows
}

/// What the mix says, of a row of features.
pub(crate) fn mix_of(row: &[f32]) -> f32 {
    row.len().checked_sub(SHARED).and_then(|at| row.get(at)).copied().unwrap_or(0.0)
}

/// Below this a mix says nothing: the best ones have about the sum of its weights.
const MIX_MIN: f32 = 1e-4;

/// What an item is ordered by: the trees' logarithm of a chance, and that of the mix.
pub(crate) fn order_of(trees: &Trees, trust: f32, row: &[f32]) -> f32 {
    trees.score(row) + trust * mix_of(row).max(MIX_MIN).ln()
}

/// Logarithm of each score's place among them, from 1; the first of equals is before the others.
fn log_places(scores: &[f32]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut places = vec![0f32; scores.len()];
    for (place, at) in order.into_iter().enumerate() {
        places[at] = ((place + 1) as f32).ln();
    }
    places
}

impl ScoreItems for Ranker {
    fn n_items(&self) -> usize {
        self.n_items
    }

    /// What is not near the top of any part has the score of the mix, below all that is.
    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        let n = self.n_items;
        if n == 0 {
            return;
        }
        let models: Vec<&dyn ScoreItems> = self.parts.iter().map(|part| &*part.1).collect();
        let weights: Vec<f32> = self.parts.iter().map(|part| part.0).collect();
        let rows = histories.len().min(out.len() / n);
        let said = opinions(&models, &histories[..rows], self.depth, |user, model, scores| {
            let out = &mut out[user * n..][..n];
            out.iter_mut().zip(scores).for_each(|(out, score)| *out += weights[model] * score);
        });
        for ((said, history), out) in said.iter().zip(histories).zip(out.chunks_exact_mut(n)) {
            let rows = features(said, &weights, history, &self.popular);
            let scores: Vec<f32> = rows
                .chunks_exact(width(weights.len()))
                .map(|row| order_of(&self.trees, self.trust, row))
                .collect();
            let lowest = scores.iter().fold(f32::INFINITY, |a, &b| a.min(b));
            let highest = out.iter().fold(0f32, |a, &b| a.max(b));
            for (&item, score) in said.items.iter().zip(scores) {
                out[item as usize] = highest + 1.0 + (score - lowest);
            }
        }
    }
}
