//! How good the served list would have been: the last fifth of each user's items is hidden, a model is trained on the
//! rest, and every list is ranked over the full catalogue. No negatives are sampled.

use shoptide_models::als::{self, ItemSide};
use shoptide_models::blend::{BlendParams, Scorer, Scratch, Taste};
use shoptide_models::evaluate::{Mean, Quality, quality};
use shoptide_models::item_item::Neighbours;
use shoptide_models::matrix::Interactions;
use shoptide_models::popularity::Popularity;
use shoptide_models::snapshot::{Kind, Snapshot, SnapshotParts};

use super::full::lineage;
use super::tables::Tables;
use super::{Measured, TrainError, TrainParams};

/// Places of a list that count.
const K: usize = 20;
/// Of a user's items, in the order he met them, the share that is trained on.
const TRAIN_SHARE: f64 = 0.8;

/// Mean quality at 20 of the served blend and, beside it, of its parts alone.
#[derive(Debug, Clone)]
pub struct HeldOut {
    /// Users with something hidden.
    pub users: usize,
    pub blend: Quality,
    pub popularity: Quality,
    pub item_item: Quality,
    pub factors: Quality,
}

/// Measures on what the tables hold.
///
/// # Errors
/// [`TrainError::Nothing`] if no user has enough items to hide one.
pub fn held_out(tables: &Tables, params: &TrainParams) -> Result<HeldOut, TrainError> {
    let numbers = |e: &dyn std::fmt::Display| TrainError::Numbers(e.to_string());
    let mut rows: Vec<Vec<(u32, f32)>> = tables.rows(&params.taste).collect();
    let mut hidden: Vec<Vec<u32>> = Vec::with_capacity(rows.len());
    for row in &mut rows {
        let kept = (row.len() as f64 * TRAIN_SHARE).ceil() as usize;
        hidden.push(row.split_off(kept).into_iter().map(|(item, _)| item).collect());
    }
    if hidden.iter().all(Vec::is_empty) {
        return Err(TrainError::Nothing);
    }
    let train =
        Interactions::from_rows(tables.item_ids().len(), rows.iter().cloned()).map_err(|e| numbers(&e))?;
    let factors = als::fit(&train, &params.als, None, &mut |_| {}).map_err(|e| numbers(&e))?;
    let mut popular = vec![0_f32; train.n_cols()];
    for row in 0..train.n_rows() {
        let (items, strengths) = train.row(row);
        items.iter().zip(strengths).for_each(|(item, s)| popular[*item as usize] += s);
    }
    let trending = vec![0_f32; popular.len()];
    let model = Snapshot::new(SnapshotParts {
        version: 1,
        parent: None,
        kind: Kind::Full,
        meta: lineage(tables, params, Measured::new()),
        item_ids: tables.item_ids().to_vec(),
        side: ItemSide::new(factors.items, params.als).map_err(|e| numbers(&e))?,
        neighbours: Neighbours::fit(&train, &params.item_item),
        popularity: Popularity::from_scores(popular, trending).map_err(|e| numbers(&e))?,
    })?;
    let alone = |f, i, p| BlendParams::new(f, i, p, 0.0).map_err(|e| numbers(&e));
    let run = |blend: &BlendParams| mean(&model, blend, &rows, &hidden);
    Ok(HeldOut {
        users: hidden.iter().filter(|h| !h.is_empty()).count(),
        blend: run(&params.lists.blend),
        popularity: run(&alone(0.0, 0.0, 1.0)?),
        item_item: run(&alone(0.0, 1.0, 0.0)?),
        factors: run(&alone(1.0, 0.0, 0.0)?),
    })
}

fn mean(model: &Snapshot, blend: &BlendParams, rows: &[Vec<(u32, f32)>], hidden: &[Vec<u32>]) -> Quality {
    let scorer = Scorer::new(model, blend);
    let mut scratch = Scratch::default();
    let mut mean = Mean::default();
    for (row, targets) in rows.iter().zip(hidden).filter(|(_, t)| !t.is_empty()) {
        let history: Vec<Taste> = row.iter().map(|(item, s)| Taste { item: *item, strength: *s }).collect();
        let mut items: Vec<u32> = row.iter().map(|(item, _)| *item).collect();
        items.sort_unstable();
        let known = |item: u32| items.binary_search(&item).is_ok();
        let list = scorer.candidates(&history, K, &known, &mut scratch);
        let ranked: Vec<u32> = list.iter().map(|c| c.item).collect();
        mean.add(quality(&ranked, targets, K));
    }
    mean.get()
}
