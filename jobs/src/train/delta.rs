//! A small new version every few seconds: the items that were acted on since the last cut, solved anew against users
//! held fixed; everything else is the parent's.

use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;
use shoptide_models::als::{FoldScratch, ItemSide, UserSide, gram, refresh_items};
use shoptide_models::item_item::Neighbours;
use shoptide_models::matrix::Interactions;
use shoptide_models::segments::ServedSegments;
use shoptide_models::snapshot::{Kind, Snapshot, SnapshotParts};

use super::full::lineage;
use super::tables::Tables;
use super::{Measured, TrainError, TrainParams};

/// Users whose vectors make the Gram matrix that stands for all of them: enough that its error is far below the
/// regularisation, few enough that a refresh stays well under its interval. A fixed stride, so that the same cut gives
/// the same bytes.
const GRAM_USERS: usize = 4_096;

/// Measurements of the last full training that its deltas carry on.
const CARRIED: [&str; 2] = ["full_deeds", "tombstones"];

/// Makes version `parent + 1` with the touched items solved anew, and the segments given.
///
/// # Errors
/// [`TrainError::Numbers`] or [`TrainError::Model`] if the data cannot be solved.
pub(super) fn refresh(
    tables: &Tables,
    params: &TrainParams,
    parent: &Snapshot,
    touched: &[u32],
    segments: Arc<ServedSegments>,
) -> Result<Snapshot, TrainError> {
    if touched.is_empty() {
        return with_segments(parent, segments);
    }
    let data = tables.interactions(&params.taste)?;
    let numbers = |e: &dyn std::fmt::Display| TrainError::Numbers(e.to_string());
    let n_items = data.n_cols();
    let rank = params.als.rank();
    let mut factors = Array2::<f32>::zeros((n_items, rank));
    for (mut row, old) in factors.outer_iter_mut().zip(parent.side().factors().outer_iter()) {
        row.assign(&old);
    }
    // Every user as the parent's items see him: unknown items are zero rows there and say nothing yet.
    let side = ItemSide::new(factors.clone(), params.als).map_err(|e| numbers(&e))?;
    let by_item = data.transpose();
    let mut near: Vec<u32> =
        touched.iter().flat_map(|i| by_item.row(*i as usize).0.iter().copied()).collect();
    near.sort_unstable();
    near.dedup();
    let vectors = fold_in(&side, &data, &near, parent.n_items())?;
    let stride = data.n_rows().div_ceil(GRAM_USERS).max(1);
    let sample: Vec<u32> = (0..data.n_rows() as u32).step_by(stride).collect();
    let sampled = fold_in(&side, &data, &sample, parent.n_items())?;
    let scale = data.n_rows() as f64 / sample.len().max(1) as f64;
    let gram = gram(sampled.view()) * scale;
    let users = UserSide::with_gram(vectors.view(), gram.view(), data.n_rows(), params.als)
        .map_err(|e| numbers(&e))?;
    let places: std::collections::HashMap<u32, u32> = near.iter().copied().zip(0..).collect();
    let asked: Vec<(u32, Vec<(u32, f32)>)> = touched
        .iter()
        .map(|item| {
            let (rows, strengths) = by_item.row(*item as usize);
            let of = rows.iter().zip(strengths).filter_map(|(row, s)| Some((*places.get(row)?, *s)));
            (*item, of.collect())
        })
        .collect();
    for (item, solved) in refresh_items(&users, &asked).map_err(|e| numbers(&e))? {
        if let Some(mut row) = factors.outer_iter_mut().nth(item as usize) {
            row.iter_mut().zip(solved).for_each(|(to, from)| *to = from);
        }
    }
    let rows = Neighbours::refit_items(&data, &params.item_item, touched);
    let neighbours = parent.neighbours().with_rows(n_items, &rows).map_err(|e| numbers(&e))?;
    let mut measured = Measured::new();
    measured.insert("touched".to_owned(), touched.len() as f64);
    measured.insert("items".to_owned(), n_items as f64);
    measured.insert("segment_run".to_owned(), segments.run as f64);
    let carried = parent.meta().metrics.iter().filter(|(name, _)| CARRIED.contains(&name.as_str()));
    measured.extend(carried.map(|(name, value)| (name.clone(), *value)));
    Ok(Snapshot::new(SnapshotParts {
        version: parent.version() + 1,
        parent: Some(parent.version()),
        kind: Kind::Delta,
        meta: lineage(tables, params, measured),
        item_ids: tables.item_ids().to_vec(),
        side: ItemSide::new(factors, params.als).map_err(|e| numbers(&e))?,
        neighbours,
        popularity: tables.popularity(&params.taste, &params.popularity)?,
        segments,
    })?)
}

/// The parent as it is, with the segments of another run.
fn with_segments(parent: &Snapshot, segments: Arc<ServedSegments>) -> Result<Snapshot, TrainError> {
    let mut parts = parent.parts().clone();
    (parts.parent, parts.kind) = (Some(parts.version), Kind::Delta);
    parts.version += 1;
    parts.meta.metrics.insert("segment_run".to_owned(), segments.run as f64);
    parts.meta.metrics.insert("touched".to_owned(), 0.0);
    parts.segments = segments;
    Ok(Snapshot::new(parts)?)
}

/// Vectors of some users, `(users, rank)`, from the items that the parent knows.
fn fold_in(
    side: &ItemSide,
    data: &Interactions,
    users: &[u32],
    known: usize,
) -> Result<Array2<f32>, TrainError> {
    let rank = side.params().rank();
    let solved: Result<Vec<Vec<f32>>, TrainError> = users
        .par_iter()
        .map_init(FoldScratch::default, |scratch, user| {
            let (items, strengths) = data.row(*user as usize);
            let of: Vec<(u32, f32)> = items
                .iter()
                .zip(strengths)
                .filter(|(item, _)| (**item as usize) < known)
                .map(|(item, s)| (*item, *s))
                .collect();
            side.fold_in(&of, scratch).map_err(|e| TrainError::Numbers(e.to_string()))
        })
        .collect();
    let flat: Vec<f32> = solved?.into_iter().flatten().collect();
    Array2::from_shape_vec((users.len(), rank), flat).map_err(|e| TrainError::Numbers(e.to_string()))
}
