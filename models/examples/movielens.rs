//! Quality of the blend and of each source alone on MovieLens ratings:
//! `cargo run --release -p shoptide-models --example movielens -- ratings.csv [--validate]`
//!
//! The first 80 % (rounded down) of each user's ratings by time, ties in file order, are trained on; of the rest, ratings
//! of at least 4 of items that anyone rated in the training part, and this user not, are the targets. Users without
//! targets do not count; what the user rated in training is left out of the list. `--validate` does the same within the
//! training part: parameters were chosen there.

use shoptide_models::als::{self, AlsParams, ItemSide};
use shoptide_models::blend::{BlendParams, Scorer, Scratch, Taste};
use shoptide_models::evaluate::{Mean, quality};
use shoptide_models::item_item::{ItemItemParams, Neighbours};
use shoptide_models::matrix::Interactions;
use shoptide_models::popularity::{Popularity, PopularityParams};
use shoptide_models::snapshot::{Kind, Lineage, Snapshot, SnapshotParts};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

const TRAIN_SHARE: f64 = 0.8;
const LIKED: f32 = 4.0;
const PLACES: usize = 20;
const DAY_S: f64 = 86_400.0;

#[derive(Clone, Copy)]
struct Rating {
    item: u32,
    rating: f32,
    at_s: i64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: movielens ratings.csv [--validate]")?;
    let mut users = read(&std::fs::read_to_string(path)?)?;
    if arguments.iter().any(|argument| argument == "--validate") {
        users.iter_mut().for_each(|ratings| ratings.truncate(train_len(ratings)));
    }
    let train: Vec<&[Rating]> = users.iter().map(|ratings| &ratings[..train_len(ratings)]).collect();
    let known: BTreeSet<u32> = train.iter().flat_map(|ratings| ratings.iter()).map(|r| r.item).collect();
    let ids: Vec<u32> = known.into_iter().collect();

    let began = std::time::Instant::now();
    let model = train_model(&train, &ids)?;
    println!("trained on {} users and {} items in {:.2?}", train.len(), ids.len(), began.elapsed());
    let recency = 4.0;
    for (name, blend) in [
        ("popularity", BlendParams::new(0.0, 0.0, 1.0, 0.0)?),
        ("item-item, order forgotten", BlendParams::new(0.0, 1.0, 0.0, 0.0)?),
        ("item-item", BlendParams::new(0.0, 1.0, 0.0, 0.0)?.with_recency(recency)?),
        ("als, order forgotten", BlendParams::new(1.0, 0.0, 0.0, 0.0)?),
        ("als", BlendParams::new(1.0, 0.0, 0.0, 0.0)?.with_recency(recency)?),
        ("blend", BlendParams::new(1.0, 1.5, 0.05, 0.0)?.with_recency(recency)?),
    ] {
        let (scorer, mut scratch, mut mean) =
            (Scorer::new(&model, &blend), Scratch::default(), Mean::default());
        for (ratings, train) in users.iter().zip(&train) {
            let seen: BTreeSet<u32> = train.iter().filter_map(|r| index(&ids, r.item)).collect();
            let later = ratings[train.len()..].iter().filter(|r| LIKED <= r.rating);
            let targets: Vec<u32> =
                later.filter_map(|r| index(&ids, r.item)).filter(|item| !seen.contains(item)).collect();
            let list = scorer.candidates(&history(train, &ids), PLACES, &|i| seen.contains(&i), &mut scratch);
            let items: Vec<u32> = list.iter().map(|c| c.item).collect();
            mean.add(quality(&items, &targets, PLACES));
        }
        let (q, n) = (mean.get(), mean.n());
        println!(
            "{name:28} recall@20 {:.4} (of at most 20: {:.4})  NDCG@20 {:.4}  hit rate {:.4}  users {n}",
            q.recall, q.recall_capped, q.ndcg, q.hit_rate
        );
    }
    Ok(())
}

/// Each user's ratings, oldest first.
fn read(text: &str) -> Result<Vec<Vec<Rating>>, Box<dyn Error>> {
    let mut users: BTreeMap<u32, Vec<Rating>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [user, item, rating, at_s] = fields[..] else {
            return Err(format!("not a rating: {line}").into());
        };
        let rating = Rating { item: item.parse()?, rating: rating.parse()?, at_s: at_s.parse()? };
        users.entry(user.parse()?).or_default().push(rating);
    }
    let mut users: Vec<Vec<Rating>> = users.into_values().collect();
    users.iter_mut().for_each(|ratings| ratings.sort_by_key(|r| r.at_s));
    Ok(users)
}

fn train_len(ratings: &[Rating]) -> usize {
    (ratings.len() as f64 * TRAIN_SHARE) as usize
}

fn index(ids: &[u32], item: u32) -> Option<u32> {
    ids.binary_search(&item).ok().map(|at| at as u32)
}

/// The strength of a rating is its number of stars: even a bad one was worth watching to this user.
fn history(train: &[Rating], ids: &[u32]) -> Vec<Taste> {
    let tastes = train.iter().filter_map(|r| Some(Taste { item: index(ids, r.item)?, strength: r.rating }));
    tastes.collect()
}

fn train_model(train: &[&[Rating]], ids: &[u32]) -> Result<Snapshot, Box<dyn Error>> {
    let rows = train
        .iter()
        .map(|ratings| history(ratings, ids).into_iter().map(|taste| (taste.item, taste.strength)).collect());
    let data = Interactions::from_rows(ids.len(), rows)?;
    let als = AlsParams::new(64, 10, 0.2, 0.03, 0.01, 1.0, 42)?;
    let near = ItemItemParams::new(100, 2.0, 0.0, 0.5, 1000)?.with_proximity(3.0, 0.1)?;
    let factors = als::fit(&data, &als, None, &mut |_| ())?;
    let now_s = train.iter().filter_map(|ratings| ratings.last()).map(|r| r.at_s).max().unwrap_or(0);
    let events = train
        .iter()
        .flat_map(|ratings| ratings.iter())
        .filter_map(|r| Some((index(ids, r.item)?, 1.0, (now_s - r.at_s) as f64 / DAY_S)));
    let popularity = PopularityParams::new(36_500.0, 365.0, 5.0)?;
    Ok(Snapshot::new(SnapshotParts {
        segments: Default::default(),
        version: 1,
        parent: None,
        kind: Kind::Full,
        meta: Lineage::default(),
        item_ids: ids.iter().map(|id| id.to_string().into_bytes()).collect(),
        side: ItemSide::new(factors.items, als)?,
        neighbours: Neighbours::fit(&data, &near),
        popularity: Popularity::from_events(ids.len(), events, &popularity)?,
    })?)
}
