//! Weights of a mix, found by going through the models again and again: each gets the weight that helps most, the others held.
//!
//! Works on the few items of each user that any of the models has near its top, with all their scores kept, so that hundreds of
//! mixes can be judged in the time of one training.

use rayon::prelude::*;

use super::cut::{Asked, Cut};
use super::{SearchParams, Trial};
use crate::evaluate::{Mean, quality};
use crate::model::{Scored, best};
use crate::ranking::of_train::BATCH;
use crate::ranking::ranker::{Opinions, opinions};
use crate::ranking::{History, ScoreItems};
use crate::tune::Point;

/// Items of each model that are kept per user, as a multiple of the length of the list.
pub(super) const DEPTH: usize = 5;

/// Weights that are tried, where the best single model has 1.
const WEIGHTS: &[f64] = &[0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.4, 2.0, 3.0];

/// Rounds over all models; it settles in two or three.
const ROUNDS: usize = 4;

/// A model stays in the mix only if it adds this much to recall + NDCG: what adds less costs more than it gives.
const GAIN_MIN: f64 = 2e-4;

/// One user's candidates, and each one's score by each model.
pub(super) struct Gathered<'a> {
    pub said: Opinions,
    pub asked: &'a Asked,
    /// Which of the cuts.
    pub cut: usize,
}

/// What all models say of all judged users. Of each model there is one for each cut.
pub(super) fn gather<'a>(
    models: &[Vec<Box<dyn ScoreItems>>],
    cuts: &'a [Cut],
    params: &SearchParams,
) -> Vec<Gathered<'a>> {
    let mut gathered = Vec::new();
    for (cut, of_cut) in cuts.iter().enumerate() {
        let models: Vec<&dyn ScoreItems> = models.iter().filter_map(|m| Some(&**m.get(cut)?)).collect();
        let each: Vec<Vec<Opinions>> = (of_cut.asked.par_chunks(BATCH))
            .map(|asked| {
                let users: Vec<History<'_>> = asked.iter().map(|asked| asked.history.as_slice()).collect();
                opinions(&models, &users, DEPTH * params.k, |_, _, _| ())
            })
            .collect();
        let said = each.into_iter().flatten().zip(&of_cut.asked);
        gathered.extend(said.map(|(said, asked)| Gathered { said, asked, cut }));
    }
    gathered
}

/// The weights of the best mix found, and how good it is on the cuts.
pub(super) fn weights(gathered: &[Gathered<'_>], params: &SearchParams) -> (Vec<f64>, Trial) {
    let models = gathered.first().map_or(0, |user| user.said.scores.len());
    let judge = |weights: &[f64]| judge(gathered, weights, params.k);
    let value = |(recall, ndcg): (f64, f64)| recall + ndcg;

    let alone = |model: usize| (0..models).map(|m| f64::from(u8::from(m == model))).collect();
    let mut weights: Vec<f64> = alone(0);
    let mut top = judge(&weights);
    for model in 1..models {
        let (single, found): (Vec<f64>, _) = (alone(model), judge(&alone(model)));
        if value(top) < value(found) {
            (weights, top) = (single, found);
        }
    }
    for _ in 0..ROUNDS {
        let before = value(top);
        for model in 0..models {
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

/// Mean recall and NDCG of a mix.
fn judge(gathered: &[Gathered<'_>], weights: &[f64], k: usize) -> (f64, f64) {
    let each: Vec<_> = gathered
        .par_iter()
        .map(|Gathered { said, asked, .. }| {
            let mut sums = vec![0f32; said.items.len()];
            for (scores, &weight) in said.scores.iter().zip(weights).filter(|(_, w)| 0.0 < **w) {
                sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight as f32 * score);
            }
            let scored: Scored = said.items.iter().copied().zip(sums).collect();
            let list: Vec<u32> = best(scored, &[], k).iter().map(|x| x.0).collect();
            quality(&list, &asked.targets, k)
        })
        .collect();
    let mut mean = Mean::default();
    each.into_iter().for_each(|quality| mean.add(quality));
    (mean.get().recall, mean.get().ndcg)
}
