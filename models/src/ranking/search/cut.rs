//! The cuts of the training data that a search judges by: some users' items are held out, the rest is learned from.

use rayon::prelude::*;

use super::SearchParams;
use crate::evaluate::{Mean, quality};
use crate::matrix::Interactions;
use crate::ranking::of_train::{BATCH, histories};
use crate::ranking::{History, ScoreItems, top_of};

/// A user who is judged.
pub(super) struct Asked {
    pub history: Vec<(u32, f32)>,
    pub targets: Vec<u32>,
}

pub(super) struct Cut {
    pub kept: Interactions,
    pub asked: Vec<Asked>,
}

/// Judged users (of all cuts together) beyond which one more cut is not worth its trainings.
const USERS_ENOUGH: usize = 2000;

/// Cuts of a small set at most.
const CUTS_MAX: usize = 3;

impl Cut {
    /// As many cuts as it takes to judge enough users: a parameter that is best for a few hundred users on one cut is often
    /// best by chance.
    pub(super) fn several(train: &Interactions, params: &SearchParams) -> Vec<Self> {
        let mut cuts = vec![Self::of(train, params, 0)];
        while cuts.len() < CUTS_MAX && cuts.iter().map(|cut| cut.asked.len()).sum::<usize>() < USERS_ENOUGH {
            cuts.push(Self::of(train, params, cuts.len()));
        }
        cuts.retain(|cut| !cut.asked.is_empty());
        cuts
    }

    /// Holds out a share of each user's items, judged or not, at least one and never all: what is predicted in the end is missing
    /// everywhere too. They are the last ones if `timed`, else those that a hash picks. Items that nobody else has kept are no targets: no model could know them. Cut 1 and those after it draw
    /// others, or end `index` times earlier.
    fn of(train: &Interactions, params: &SearchParams, index: usize) -> Self {
        let mut rows = histories(train);
        if params.timed && 0 < index {
            let left = (1.0 - params.valid_share).powi(index as i32);
            rows.iter_mut().for_each(|row| row.truncate((row.len() as f64 * left).round() as usize));
        }
        let able = rows.iter().filter(|row| 1 < row.len()).count();
        let every = able.div_ceil(params.valid_users_max).max(1);
        let mut held: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut met = 0;
        for (user, row) in rows.iter_mut().enumerate().filter(|(_, row)| 1 < row.len()) {
            met += 1;
            let n = ((row.len() as f64 * params.valid_share).round() as usize).clamp(1, row.len() - 1);
            let mut order: Vec<u32> = row.iter().map(|entry| entry.0).collect();
            if !params.timed {
                order.sort_by_cached_key(|item| {
                    let key = [(user as u64).to_le_bytes(), u64::from(*item).to_le_bytes()].concat();
                    xxhash_rust::xxh3::xxh3_64_with_seed(&key, params.seed.wrapping_add(index as u64))
                });
            }
            let mut targets = order.split_off(order.len() - n);
            targets.sort_unstable();
            row.retain(|entry| targets.binary_search(&entry.0).is_err());
            if usize::is_multiple_of(met, every) {
                held.push((user, targets));
            }
        }
        let mut known = vec![false; train.n_cols()];
        rows.iter().flatten().for_each(|entry| known[entry.0 as usize] = true);
        let asked = held.into_iter().map(|(user, mut targets)| {
            targets.retain(|&item| known[item as usize]);
            Asked { history: rows[user].clone(), targets }
        });
        let asked = asked.filter(|asked| !asked.targets.is_empty()).collect();
        // The rows come from a matrix, so they can be one; if not, there is nothing to learn.
        let kept = Interactions::from_rows(train.n_cols(), rows);
        Self { kept: kept.unwrap_or_else(|_| train.clone()), asked }
    }

    /// Mean recall and NDCG at `k` of a model's lists.
    pub(super) fn quality(&self, model: &dyn ScoreItems, k: usize) -> Mean {
        let n_items = model.n_items().max(1);
        let each: Vec<Vec<Option<_>>> = self
            .asked
            .par_chunks(BATCH)
            .map(|asked| {
                let users: Vec<History<'_>> = asked.iter().map(|asked| asked.history.as_slice()).collect();
                let mut scores = vec![0f32; n_items * users.len()];
                model.score(&users, &mut scores);
                let rows = scores.chunks_exact_mut(n_items).zip(asked);
                rows.map(|(scores, asked)| {
                    let skip: Vec<u32> = asked.history.iter().map(|entry| entry.0).collect();
                    let list: Vec<u32> = top_of(scores, &skip, k).iter().map(|x| x.0).collect();
                    quality(&list, &asked.targets, k)
                })
                .collect()
            })
            .collect();
        let mut mean = Mean::default();
        each.into_iter().flatten().for_each(|quality| mean.add(quality));
        mean
    }
}
