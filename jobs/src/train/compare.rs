//! Two models beside each other: their measurements, what they were configured with, how far the lists of the same users and the
//! neighbourhoods of the same items agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;
use shoptide_live::{load_candidate, load_version};
use shoptide_models::blend::{BlendParams, Scorer, Scratch, Taste};
use shoptide_models::snapshot::Snapshot;
use shoptide_models::vector::cosine;

use super::TrainParams;
use super::held_out::K;
use super::publish::Shelf;
use super::tables::Tables;
use super::versions::{Name, Standing, VersionError, list, told_of};

/// Users whose lists are compared: every so many of all.
const USERS: usize = 500;
/// Items whose neighbourhoods are compared, among how many, and how many neighbours each.
const ITEMS: usize = 300;
const AMONG: usize = 5_000;
const NEAREST: usize = 10;

/// What differs between two models.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub a: Standing,
    pub b: Standing,
    /// Measurements of either, by name.
    pub metrics: BTreeMap<String, [Option<f64>; 2]>,
    /// Keys of the configuration that are not the same; empty too if one of them was not told.
    pub config: BTreeMap<String, [String; 2]>,
    /// Items that both know, only the first, only the second.
    pub items: [usize; 3],
    /// Users whose lists were made with both.
    pub users: usize,
    /// Of the 20 places of such a list, the mean share that is in the other's too; 1 without users.
    pub lists_overlap: f64,
    /// Of the nearest 10 items by factors, the mean share that are so in the other too; 1 without items. Factors themselves cannot be
    /// compared, as two trainings may turn them any way.
    pub nearest_overlap: f64,
}

/// Compares two models on users of the truth, with the present blend.
///
/// # Errors
/// [`VersionError::Unknown`]; [`VersionError::Train`] if a file is missing or the store cannot be read.
pub async fn compare(
    shelf: &Shelf,
    params: &TrainParams,
    names: [Name; 2],
) -> Result<Comparison, VersionError> {
    let all = list(&*shelf.truth).await?;
    let find = |name: Name| all.iter().find(|s| s.name == name).ok_or(VersionError::Unknown(name));
    let (a, b) = (find(names[0])?, find(names[1])?);
    let models = [load(shelf, names[0]).await?, load(shelf, names[1]).await?];
    let mut tables = Tables::default();
    tables.advance(&*shelf.truth).await?;
    let mut metrics: BTreeMap<String, [Option<f64>; 2]> = BTreeMap::new();
    for (place, standing) in [a, b].into_iter().enumerate() {
        for (name, value) in &standing.lineage.metrics {
            if let Some(slot) = metrics.entry(name.clone()).or_default().get_mut(place) {
                *slot = Some(*value);
            }
        }
    }
    let [config_a, config_b] = [a, b].map(|standing| &told_of(&all, standing).config);
    let mut config = BTreeMap::new();
    if !config_a.is_empty() && !config_b.is_empty() {
        let keys: BTreeSet<&String> = config_a.keys().chain(config_b.keys()).collect();
        for key in keys {
            let [one, other] = [config_a, config_b].map(|c| c.get(key).cloned().unwrap_or_default());
            if one != other {
                config.insert(key.clone(), [one, other]);
            }
        }
    }
    let ids: [BTreeSet<&[u8]>; 2] =
        [&models[0], &models[1]].map(|m| m.item_ids().iter().map(Vec::as_slice).collect());
    let both = ids[0].intersection(&ids[1]).count();
    let (users, lists_overlap) = lists(&tables, params, &models);
    Ok(Comparison {
        a: a.clone(),
        b: b.clone(),
        metrics,
        config,
        items: [both, ids[0].len() - both, ids[1].len() - both],
        users,
        lists_overlap,
        nearest_overlap: nearest(&models),
    })
}

async fn load(shelf: &Shelf, name: Name) -> Result<Arc<Snapshot>, VersionError> {
    match name {
        Name::Version(version) => Ok(load_version(&*shelf.truth, &shelf.files, version, None).await?),
        Name::Candidate(number) => {
            let (_, rows) = shelf.truth.candidates().await?;
            let row = rows.iter().find(|row| row.number == number).ok_or(VersionError::Unknown(name))?;
            Ok(load_candidate(&*shelf.truth, &shelf.files, row).await?)
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 1.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Users, and the mean share of their places that agree.
fn lists(tables: &Tables, params: &TrainParams, models: &[Arc<Snapshot>; 2]) -> (usize, f64) {
    let users: Vec<_> = tables.sample(USERS).map(|user| user.timed(&params.taste)).collect();
    let listed = |model: &Snapshot, blend: &BlendParams, row: &[(i64, u32, f32)], scratch: &mut Scratch| {
        let index = |item: u32| model.index_of(tables.item_ids().get(item as usize)?);
        let history: Vec<Taste> = row
            .iter()
            .filter_map(|(_, item, strength)| Some(Taste { item: index(*item)?, strength: *strength }))
            .collect();
        let own: BTreeSet<u32> = history.iter().map(|taste| taste.item).collect();
        let places = Scorer::new(model, blend).candidates(&history, K, &|item| own.contains(&item), scratch);
        places.iter().filter_map(|place| model.id_of(place.item).map(<[u8]>::to_vec)).collect::<BTreeSet<_>>()
    };
    let shares: Vec<f64> = users
        .par_iter()
        .filter(|row| !row.is_empty())
        .map_init(Scratch::default, |scratch, row| {
            let [a, b] = [&models[0], &models[1]].map(|m| listed(m, &params.lists.blend, row, scratch));
            let places = a.len().max(b.len()).max(1);
            a.intersection(&b).count() as f64 / places as f64
        })
        .collect();
    (shares.len(), mean(&shares))
}

fn nearest(models: &[Arc<Snapshot>; 2]) -> f64 {
    let other: HashMap<&[u8], u32> = models[1].item_ids().iter().map(Vec::as_slice).zip(0..).collect();
    let common: Vec<(u32, u32)> = models[0]
        .item_ids()
        .iter()
        .zip(0..)
        .filter_map(|(id, index)| Some((index, *other.get(id.as_slice())?)))
        .collect();
    let every = |most: usize| common.len().div_ceil(most).max(1);
    let among: Vec<(u32, u32)> = common.iter().step_by(every(AMONG)).copied().collect();
    let asked: Vec<(u32, u32)> = common.iter().step_by(every(ITEMS)).copied().collect();
    let of = |model: &Snapshot, item: u32, among: &mut dyn Iterator<Item = u32>| {
        let own = model.side().item(item)?;
        let near = among.zip(0_u32..).filter(|(index, _)| *index != item);
        let mut near: Vec<(f32, u32)> =
            near.filter_map(|(index, place)| Some((cosine(own, model.side().item(index)?), place))).collect();
        near.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        Some(near.into_iter().take(NEAREST).map(|(_, place)| place).collect::<BTreeSet<u32>>())
    };
    let shares: Vec<f64> = asked
        .par_iter()
        .filter_map(|(a, b)| {
            let ours = of(&models[0], *a, &mut among.iter().map(|pair| pair.0))?;
            let theirs = of(&models[1], *b, &mut among.iter().map(|pair| pair.1))?;
            let places = ours.len().max(theirs.len());
            (places != 0).then(|| ours.intersection(&theirs).count() as f64 / places as f64)
        })
        .collect();
    mean(&shares)
}
