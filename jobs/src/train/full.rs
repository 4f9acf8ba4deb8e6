//! A full training: all users, all items, warm from the last version's factors.

use std::sync::Arc;

use shoptide_models::als::{self, ItemSide};
use shoptide_models::item_item::Neighbours;
use shoptide_models::segments::ServedSegments;
use shoptide_models::snapshot::{Kind, Lineage, Snapshot, SnapshotParts};

use super::report::GateReport;
use super::tables::Tables;
use super::{Measured, TrainError, TrainParams};
use crate::schedule::Progress;

/// Trains version `version` on what the tables hold. `parent`: the version it follows; `warm`: its factors are where it starts,
/// if they are of these parameters; `segments`: of the run that counts, in the index of the tables.
///
/// # Errors
/// [`TrainError::Nothing`] without a single act; [`TrainError::Numbers`] or [`TrainError::Model`] if the data cannot be
/// solved.
pub(super) fn train(
    tables: &Tables,
    params: &TrainParams,
    version: u64,
    parent: Option<&Snapshot>,
    warm: bool,
    segments: Arc<ServedSegments>,
    progress: &Progress,
) -> Result<Snapshot, TrainError> {
    let data = tables.interactions(&params.taste)?;
    if data.nnz() == 0 {
        return Err(TrainError::Nothing);
    }
    let mut measured = Measured::new();
    let warm = parent.filter(|p| warm && p.side().n_items() != 0 && p.side().params() == &params.als);
    measured.insert("warm".to_owned(), f64::from(u8::from(warm.is_some())));
    progress.begin("training", params.als.sweeps() as u64);
    let mut observe = |sweep: als::Sweep| {
        progress.add(1);
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

/// The model with what the gate measured of its twin.
///
/// # Errors
/// Those of a snapshot, which a model that was one does not give.
pub(super) fn measured(model: Snapshot, gate: &GateReport) -> Result<Snapshot, TrainError> {
    let mut parts = model.into_parts();
    let metrics = &mut parts.meta.metrics;
    metrics.extend(gate.metrics.iter().map(|m| (format!("held_out_{}", m.metric), m.candidate)));
    metrics.insert("held_out_users".to_owned(), gate.users as f64);
    Ok(Snapshot::new(parts)?)
}

/// The version of the program, and the commit where the build says it (`SHOPTIDE_COMMIT`), which one without git need not.
fn code_version() -> String {
    match option_env!("SHOPTIDE_COMMIT").filter(|commit| !commit.is_empty()) {
        Some(commit) => format!("{}+{commit}", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

pub(super) fn lineage(tables: &Tables, params: &TrainParams, metrics: Measured) -> Lineage {
    Lineage {
        cut: tables.cut.iter().map(|(shard, topic, next)| (topic.name().to_owned(), *shard, *next)).collect(),
        now_ms: tables.now_ms,
        config_hash: params.config_hash.clone(),
        code_version: code_version(),
        metrics,
    }
}
