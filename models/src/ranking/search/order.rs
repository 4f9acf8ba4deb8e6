//! Trees that order the top of the mix, learned on some of the held out users and measured against the mix on the others.

use rayon::prelude::*;

use super::mix::Gathered;
use super::{COST_MARGIN, SearchParams};
use crate::evaluate::{Mean, quality};
use crate::model::{Scored, best};
use crate::params::BadParam;
use crate::ranking::ranker::{features, mix_of, order_of, width};
use crate::trees::{Asked, Candidates, TreeParams, Trees};

/// One in so many users decides how many trees there are, and whether they are worth it.
const CHECK_EVERY: usize = 4;
/// Trees must add this much to recall + NDCG of the mix: they cost more to ask.
const GAIN_MIN: f64 = 5e-4;
/// How much the mix counts beside the trees: their steps are coarse, and it knows the order within one.
const TRUST: [f32; 5] = [0.0, 0.5, 1.0, 2.0, 4.0];
/// Trees grown without a lower loss on the check before the last better one is taken.
const PATIENCE: usize = 12;
/// Trees on all users take so many times as long as on those that are learned from.
const AGAIN_COST: f64 = 1.35;
/// With fewer users trees learn by heart.
const USERS_MIN: usize = 200;

/// What was found: trees, and recall and NDCG on the checked users.
pub(super) struct Ordered {
    pub trees: Trees,
    /// How much the mix counts beside them.
    pub trust: f32,
    pub recall: f64,
    pub ndcg: f64,
}

/// What part of the budget trees may take.
pub(super) struct Until<'a> {
    pub spent: &'a mut dyn FnMut() -> f64,
    /// Trees are sought until here.
    pub sought: f64,
    /// Everything that trees cost is done here, the last trainings left aside.
    pub done: f64,
    /// Users whose lists will be made.
    pub users: usize,
}

/// Trees that beat the mix; nothing if there are none, or if everyone's list would not be made in time.
pub(super) fn order(
    gathered: &[Gathered<'_>],
    popular: &[Vec<f32>],
    weights: &[f64],
    params: &SearchParams,
    until: Until<'_>,
) -> Result<Option<Ordered>, BadParam> {
    let Until { spent, sought, done, users } = until;
    if gathered.len() < USERS_MIN {
        return Ok(None);
    }
    let weights: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
    let wide = width(weights.len());
    let began = spent();
    let rows: Vec<Vec<f32>> = gathered
        .par_iter()
        .map(|user| {
            let popular = popular.get(user.cut).map_or(&[][..], Vec::as_slice);
            features(&user.said, &weights, &user.asked.history, popular)
        })
        .collect();
    let row_cost = (spent() - began) / gathered.len() as f64;
    let take = |check: bool, all: bool| {
        let mut data = Candidates { width: wide, ..Candidates::default() };
        for (at, (user, rows)) in gathered.iter().zip(&rows).enumerate() {
            let right: Vec<usize> = user
                .asked
                .targets
                .iter()
                .filter_map(|target| user.said.items.binary_search(target).ok())
                .collect();
            if !right.is_empty() && (all || (at % CHECK_EVERY == 0) == check) {
                data.features.extend(rows);
                data.queries.push(Asked { rows: user.said.items.len(), right });
            }
        }
        data
    };
    let shape = TreeParams::new(400, 5, 0.1, 5.0)?;
    let learned = spent();
    let (learn, check) = (take(false, false), take(true, false));
    let mut lowest = (f64::INFINITY, 0);
    let mut trees = Trees::fit(&learn, &shape, Some(&check), &mut |trees, loss| {
        if loss < lowest.0 {
            lowest = (loss, trees);
        }
        trees < lowest.1 + PATIENCE && spent() < sought
    });
    drop((learn, check));
    trees.truncate(lowest.1);
    let wanted = trees.len();
    let learn_cost = spent() - learned;
    let judge = |score: &(dyn Fn(&[f32]) -> f32 + Sync)| {
        let each: Vec<_> = (gathered.par_iter().zip(&rows).enumerate())
            .filter(|(at, _)| at % CHECK_EVERY == 0)
            .map(|(_, (user, rows))| {
                let scores = rows.chunks_exact(wide).map(score);
                let scored: Scored = user.said.items.iter().copied().zip(scores).collect();
                let list: Vec<u32> = best(scored, &[], params.k).iter().map(|x| x.0).collect();
                quality(&list, &user.asked.targets, params.k)
            })
            .collect();
        let mut mean = Mean::default();
        each.into_iter().for_each(|quality| mean.add(quality));
        (mean.get().recall, mean.get().ndcg)
    };
    let of_mix = judge(&|row| mix_of(row));
    let began = spent();
    let mut found = (0.0, (f64::NEG_INFINITY, 0.0));
    for trust in TRUST {
        let judged = judge(&|row| order_of(&trees, trust, row));
        if found.1.0 + found.1.1 < judged.0 + judged.1 {
            found = (trust, judged);
        }
    }
    let (trust, (recall, ndcg)) = found;
    let checked = gathered.len().div_ceil(CHECK_EVERY) as f64;
    let lists = COST_MARGIN * users as f64 * (row_cost + (spent() - began) / checked / TRUST.len() as f64);
    if recall + ndcg < of_mix.0 + of_mix.1 + GAIN_MIN || done < spent() + lists {
        return Ok(None);
    }
    // Again on all users if there is time: as many trees, of a few more rows each.
    if spent() + lists + COST_MARGIN * AGAIN_COST * learn_cost < done {
        let all = take(true, true);
        drop(rows);
        trees = Trees::fit(&all, &shape, None, &mut |trees, _| trees < wanted);
    }
    Ok(Some(Ordered { trees, trust, recall, ndcg }))
}
