//! A full training: all users, all items, warm from the last version's factors.

use std::sync::Arc;

use shoptide_models::als::{self, ItemSide};
use shoptide_models::item_item::Neighbours;
use shoptide_models::segments::ServedSegments;
use shoptide_models::snapshot::{Kind, Lineage, Snapshot, SnapshotParts};

use super::tables::Tables;
use super::{Measured, TrainError, TrainParams};

/// Trains version `version` on what the tables hold. `parent`: the version whose factors it starts from, if any; `segments`: of the
/// run that counts, in the index of the tables.
///
/// # Errors
/// [`TrainError::Nothing`] without a single act; [`TrainError::Numbers`] or [`TrainError::Model`] if the data cannot be
/// solved.
pub(super) fn train(
    tables: &Tables,
    params: &TrainParams,
    version: u64,
    parent: Option<&Snapshot>,
    segments: Arc<ServedSegments>,
) -> Result<Snapshot, TrainError> {
    let data = tables.interactions(&params.taste)?;
    if data.nnz() == 0 {
        return Err(TrainError::Nothing);
    }
    let mut measured = Measured::new();
    let warm = parent.filter(|p| p.side().n_items() != 0 && p.side().params() == &params.als);
    let mut observe = |sweep: als::Sweep| {
        tracing::debug!(sweep = sweep.index, loss = sweep.loss, "training");
        measured.insert("loss".to_owned(), sweep.loss);
    };
    let factors = als::fit(&data, &params.als, warm.map(|p| p.side().factors()), &mut observe)
        .map_err(|e| TrainError::Numbers(e.to_string()))?;
    measured.insert("full_deeds".to_owned(), tables.deeds as f64);
    measured.insert("tombstones".to_owned(), tables.tombstones as f64);
    measured.insert("segment_run".to_owned(), segments.run as f64);
    measured.insert("users".to_owned(), data.n_rows() as f64);
    measured.insert("items".to_owned(), data.n_cols() as f64);
    measured.insert("interactions".to_owned(), data.nnz() as f64);
    Ok(Snapshot::new(SnapshotParts {
        version,
        parent: parent.map(Snapshot::version),
        kind: Kind::Full,
        meta: lineage(tables, params, measured),
        item_ids: tables.item_ids().to_vec(),
        side: ItemSide::new(factors.items, params.als).map_err(|e| TrainError::Numbers(e.to_string()))?,
        neighbours: Neighbours::fit(&data, &params.item_item),
        popularity: tables.popularity(&params.taste, &params.popularity)?,
        segments,
    })?)
}

pub(super) fn lineage(tables: &Tables, params: &TrainParams, metrics: Measured) -> Lineage {
    Lineage {
        cut: tables.cut.iter().map(|(shard, topic, next)| (topic.name().to_owned(), *shard, *next)).collect(),
        now_ms: tables.now_ms,
        config_hash: params.config_hash.clone(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        metrics,
    }
}
