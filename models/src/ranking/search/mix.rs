//! Weights of a mix, found by going through the models again and again: each gets the weight that helps most, the others held.
//!
//! Works on the few items of each user that any of the models has near its top, with all their scores kept, so that hundreds of
//! mixes can be judged in the time of one training.

use rayon::prelude::*;

use super::cut::{Asked, Cut};
use super::{SearchParams, Trial};
use crate::evaluate::{Mean, quality};
use crate::model::{Scored, best};
use crate::ranking::blend::level;
use crate::ranking::of_train::BATCH;
use crate::ranking::{History, ScoreItems, top_of};
use crate::tune::Point;

/// Items of each model that are kept per user, as a multiple of the length of the list.
const DEPTH: usize = 5;

/// Weights that are tried, where the best single model has 1.
const WEIGHTS: &[f64] = &[0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.4, 2.0, 3.0];

/// Rounds over all models; it settles in two or three.
const ROUNDS: usize = 4;

/// A model stays in the mix only if it adds this much to recall + NDCG: what adds less costs more than it gives.
const GAIN_MIN: f64 = 2e-4;

/// One user's candidates, and each one's score by each model.
struct Candidates {
    items: Vec<u32>,
    /// `(models, items)`
    scores: Vec<Vec<f32>>,
}

/// The weights of the best mix found, and how good it is on the cuts. Of each model there is one for each cut.
pub(super) fn weights(
    models: &[Vec<Box<dyn ScoreItems>>],
    cuts: &[Cut],
    params: &SearchParams,
) -> (Vec<f64>, Trial) {
    let mut gathered: Vec<(Candidates, &Asked)> = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        let of_cut: Vec<&dyn ScoreItems> = models.iter().filter_map(|m| Some(&**m.get(index)?)).collect();
        let each: Vec<Vec<Candidates>> =
            cut.asked.par_chunks(BATCH).map(|asked| gather(&of_cut, asked, params.k)).collect();
        gathered.extend(each.into_iter().flatten().zip(&cut.asked));
    }
    let judge = |weights: &[f64]| judge(&gathered, weights, params.k);
    let value = |(recall, ndcg): (f64, f64)| recall + ndcg;

    let alone = |model: usize| (0..models.len()).map(|m| f64::from(u8::from(m == model))).collect();
    let mut weights: Vec<f64> = alone(0);
    let mut top = judge(&weights);
    for model in 1..models.len() {
        let (single, found): (Vec<f64>, _) = (alone(model), judge(&alone(model)));
        if value(top) < value(found) {
            (weights, top) = (single, found);
        }
    }
    for _ in 0..ROUNDS {
        let before = value(top);
        for model in 0..models.len() {
            for &weight in WEIGHTS {
                let mut changed = weights.clone();
                changed[model] = weight;
                let found = judge(&changed);
                let needed = if weights[model] == 0.0 { GAIN_MIN } else { 0.0 };
                if value(top) + needed < value(found) {
                    (weights, top) = (changed, found);
                }
            }
        }
        if value(top) <= before {
            break;
        }
    }
    (weights, Trial { family: "mix", point: Point::new(), recall: top.0, ndcg: top.1 })
}

fn gather(models: &[&dyn ScoreItems], asked: &[Asked], k: usize) -> Vec<Candidates> {
    let users: Vec<History<'_>> = asked.iter().map(|asked| asked.history.as_slice()).collect();
    let n_items = models.first().map_or(1, |model| model.n_items()).max(1);
    let mut dense: Vec<Vec<f32>> = Vec::with_capacity(models.len());
    let mut items: Vec<Vec<u32>> = vec![Vec::new(); users.len()];
    for model in models {
        let mut scores = vec![0f32; n_items * users.len()];
        model.score(&users, &mut scores);
        for ((scores, history), items) in scores.chunks_exact_mut(n_items).zip(&users).zip(&mut items) {
            let scale = 1.0 / level(scores, history);
            scores.iter_mut().for_each(|x| *x = if x.is_finite() { *x * scale } else { 0.0 });
            items.extend(top_of(scores, &[], DEPTH * k).iter().map(|x| x.0));
        }
        dense.push(scores);
    }
    let each = items.into_iter().enumerate().map(|(user, mut items)| {
        items.sort_unstable();
        items.dedup();
        let row = |scores: &Vec<f32>| {
            let of_user = &scores[user * n_items..][..n_items];
            items.iter().map(|&item| of_user[item as usize]).collect()
        };
        let scores = dense.iter().map(row).collect();
        Candidates { items, scores }
    });
    each.collect()
}

/// Mean recall and NDCG of a mix.
fn judge(gathered: &[(Candidates, &Asked)], weights: &[f64], k: usize) -> (f64, f64) {
    let each: Vec<_> = gathered
        .par_iter()
        .map(|(candidates, asked)| {
            let mut sums = vec![0f32; candidates.items.len()];
            for (scores, &weight) in candidates.scores.iter().zip(weights).filter(|(_, w)| 0.0 < **w) {
                sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight as f32 * score);
            }
            let scored: Scored = candidates.items.iter().copied().zip(sums).collect();
            let list: Vec<u32> = best(scored, &[], k).iter().map(|x| x.0).collect();
            quality(&list, &asked.targets, k)
        })
        .collect();
    let mut mean = Mean::default();
    each.into_iter().for_each(|quality| mean.add(quality));
    (mean.get().recall, mean.get().ndcg)
}
