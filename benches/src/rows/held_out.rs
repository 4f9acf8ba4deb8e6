//! Users whom training never saw: folded in against the others' model, are their lists as good as after a full retrain?

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::json;
use shoptide_models::als::{AlsParams, FoldScratch, ItemSide, fit};
use shoptide_models::evaluate::{Mean, quality};
use shoptide_models::matrix::Interactions;
use shoptide_models::topk::top_k;

use crate::dice::Dice;
use crate::figure::{Figure, Row};
use crate::shop::{config, data};

const FILE: &str = "ml-latest-small/ratings.csv.gz";
const TRAIN_SHARE: f64 = 0.8;
const LIKED: f32 = 4.0;
const HELD_OUT: usize = 60;
const K: usize = 100;
const SEEDS: [u64; 3] = [1, 2, 3];
const BAR: f64 = 0.98;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rating {
    user_id: u32,
    movie_id: u32,
    rating: f32,
    timestamp: i64,
}

/// One user's ratings up to the cut, ascending by item, and what he liked after it.
type User = (Vec<(u32, f32)>, Vec<u32>);

/// Measures, or says why not.
///
/// # Errors
/// If the file is damaged or training fails.
pub fn row(set: &[String]) -> anyhow::Result<Row> {
    let path = match data(FILE) {
        Ok(path) => path,
        Err(reason) => {
            return Ok(Row::Skipped { name: "fold-in of held-out users".to_owned(), reason });
        }
    };
    let params = config(set)?.als;
    let (users, n_items) = read(&path)?;
    let all = Interactions::from_rows(n_items, users.iter().map(|u| u.0.clone()))?;
    let retrained = ItemSide::new(fit(&all, &params, None, &mut |_| ())?.items, params)?;
    let (mut folded, mut full) = (Vec::new(), Vec::new());
    for seed in SEEDS {
        let out = chosen(&users, seed);
        let rows =
            users.iter().enumerate().map(|(u, user)| if out.contains(&u) { vec![] } else { user.0.clone() });
        let others = Interactions::from_rows(n_items, rows)?;
        let side = ItemSide::new(fit(&others, &params, None, &mut |_| ())?.items, params)?;
        folded.push(ndcg(&side, &users, &out, &params)?);
        full.push(ndcg(&retrained, &users, &out, &params)?);
    }
    let share = folded.iter().sum::<f64>() / full.iter().sum::<f64>();
    Ok(Row::Measured(Figure {
        what: format!("fold-in of {HELD_OUT} held-out users against full retrain, NDCG@{K}"),
        measured: format!("**{:.2} %**", share * 100.0),
        bar: ">= 98 %".to_owned(),
        met: Some(BAR <= share),
        reference: String::new(),
        how: format!(
            "ml-latest-small, first 80 % of each user's ratings by time, strength 1; targets are later ratings >= 4 of items \
             rated before; {HELD_OUT} users without a row in training, folded in; full ranking; mean of {} choices of users; \
             dim {}, {} sweeps, als.seed {}",
            SEEDS.len(),
            params.rank(),
            params.sweeps(),
            params.seed()
        ),
        values: json!({ "folded_in": folded, "retrained": full, "share": share }),
    }))
}

/// Mean NDCG of the users' lists, all of them folded in against `side`.
fn ndcg(side: &ItemSide, users: &[User], of: &BTreeSet<usize>, params: &AlsParams) -> anyhow::Result<f64> {
    let (mut vectors, mut seen) = (Vec::new(), Vec::new());
    for &u in of {
        vectors.extend(side.fold_in(&users[u].0, &mut FoldScratch::default())?);
        seen.push(users[u].0.iter().map(|entry| entry.0).collect::<Vec<u32>>());
    }
    let items: Vec<f32> = side.factors().iter().copied().collect();
    let lists = top_k(&items, &vectors, params.rank(), K, &|u| &seen[u])?;
    let mut mean = Mean::default();
    for (list, &u) in lists.iter().zip(of) {
        let ranked: Vec<u32> = list.iter().map(|scored| scored.0).collect();
        mean.add(quality(&ranked, &users[u].1, K));
    }
    Ok(mean.get().ndcg)
}

/// Some users who have something to be measured by.
fn chosen(users: &[User], seed: u64) -> BTreeSet<usize> {
    let able: Vec<usize> = (0..users.len()).filter(|&u| !users[u].1.is_empty()).collect();
    let (mut dice, mut out) = (Dice(seed), BTreeSet::new());
    while out.len() < HELD_OUT.min(able.len()) {
        out.insert(able[dice.below(able.len())]);
    }
    out
}

/// Users with their cut, and the number of items rated before it.
fn read(path: &std::path::Path) -> anyhow::Result<(Vec<User>, usize)> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut by_user: BTreeMap<u32, Vec<Rating>> = BTreeMap::new();
    for rating in csv::Reader::from_reader(flate2::read::GzDecoder::new(file)).deserialize() {
        let rating: Rating = rating?;
        by_user.entry(rating.user_id).or_default().push(rating);
    }
    let mut ids = BTreeMap::new();
    let mut users = Vec::new();
    for ratings in by_user.values_mut() {
        ratings.sort_by_key(|r| r.timestamp);
        let cut = (ratings.len() as f64 * TRAIN_SHARE) as usize;
        let mut before = BTreeMap::new();
        for r in &ratings[..cut] {
            let next = ids.len() as u32;
            before.insert(*ids.entry(r.movie_id).or_insert(next), 1.0);
        }
        let after: Vec<u32> =
            ratings[cut..].iter().filter(|r| LIKED <= r.rating).map(|r| r.movie_id).collect();
        users.push((before.into_iter().collect::<Vec<_>>(), after));
    }
    for (_, after) in &mut users {
        *after = after.iter().filter_map(|id| ids.get(id).copied()).collect();
    }
    Ok((users, ids.len()))
}
