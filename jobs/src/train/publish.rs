//! Publishing: the file whole and synced, then row and pointer in one transaction; then what no list needs any more goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use shoptide_faults::{Break, Point};
use shoptide_live::ModelFiles;
use shoptide_models::knowledge::ItemLinks;
use shoptide_models::snapshot::{Kind, Lineage, Snapshot};
use shoptide_models::snapshot_file::{encode, encode_delta};
use shoptide_schemas::ItemId;
use shoptide_store::{CandidateRow, ItemLinksRow, ModelRow, Truth};

use super::report::Report;
use super::{TrainContext, TrainError};

/// Where versions lie: what a training publishes to, and what promotes or goes back without training.
#[derive(Clone)]
pub struct Shelf {
    pub truth: Arc<dyn Truth>,
    pub files: ModelFiles,
    /// Milliseconds since 1970: stamps rows, decides nothing.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// Publishes a version. Until the pointer flips, nobody sees it; a crash before leaves a file that is written again.
///
/// # Errors
/// [`TrainError::Store`] if another trainer published meanwhile; [`TrainError::File`] if the disk is full.
pub(super) async fn publish(
    shelf: &Shelf,
    model: &Arc<Snapshot>,
    parent: Option<&Arc<Snapshot>>,
    report: Option<&Report>,
) -> Result<(), TrainError> {
    let bytes = match (model.kind(), parent) {
        (Kind::Delta, Some(parent)) => encode_delta(parent, model)?,
        _ => encode(model)?,
    };
    let kind = if model.kind() == Kind::Delta { "delta" } else { "full" };
    let file = ModelFiles::name(model.version(), kind, &bytes);
    let size = bytes.len() as u64;
    let bytes = Arc::new(bytes);
    let pointer_first = shoptide_faults::broken(Break::PointerFirst);
    if !pointer_first {
        keep(shelf, model.version(), &file, &bytes).await?;
        shoptide_faults::pass(Point::W13File).await;
    }
    let row = ModelRow {
        version: model.version(),
        parent: model.parent(),
        kind: kind.to_owned(),
        file: file.clone(),
        bytes: size,
        created_ms: (shelf.clock)(),
        lineage: lineage_bytes(model)?,
        report: report.map(Report::bytes).unwrap_or_default(),
    };
    if let Err(error) = shelf.truth.publish_model(row).await {
        // Unless the row is there all the same (or nobody can say), the file is nobody's.
        if shelf.truth.models().await.is_ok_and(|rows| rows.iter().all(|r| r.file != file)) {
            shelf.files.remove(&file);
        }
        return Err(error.into());
    }
    shoptide_faults::pass(Point::W13Pointer).await;
    if pointer_first {
        keep(shelf, model.version(), &file, &bytes).await?;
    }
    Ok(())
}

/// Keeps a training that is not published, and returns its number. What is served goes on.
///
/// # Errors
/// As [`publish`].
pub(super) async fn put_candidate(
    shelf: &Shelf,
    model: &Snapshot,
    parent: Option<u64>,
    report: &Report,
) -> Result<u64, TrainError> {
    let (last, _) = shelf.truth.candidates().await?;
    let number = last.saturating_add(1);
    let bytes = Arc::new(encode(model)?);
    let file = ModelFiles::candidate_name(number, &bytes);
    keep(shelf, CandidateRow::parts_version(number), &file, &bytes).await?;
    let row = CandidateRow {
        number,
        parent,
        file: file.clone(),
        bytes: bytes.len() as u64,
        created_ms: (shelf.clock)(),
        lineage: lineage_bytes(model)?,
        report: report.bytes(),
    };
    if let Err(error) = shelf.truth.put_candidate(row).await {
        if shelf.truth.candidates().await.is_ok_and(|(_, rows)| rows.iter().all(|r| r.file != file)) {
            shelf.files.remove(&file);
        }
        return Err(error.into());
    }
    Ok(number)
}

fn lineage_bytes(model: &Snapshot) -> Result<Vec<u8>, TrainError> {
    serde_json::to_vec(model.meta()).map_err(|e| TrainError::Numbers(e.to_string()))
}

/// Puts a model where every process finds it: into the folder, whole and synced, and where there is more than one machine into the
/// store.
async fn keep(shelf: &Shelf, version: u64, file: &str, bytes: &Arc<Vec<u8>>) -> Result<(), TrainError> {
    let (files, name, content) = (shelf.files.clone(), file.to_owned(), bytes.clone());
    // Writing megabytes is no work for the runtime's workers.
    let write = move || files.write(&name, &content);
    shoptide_faults::blocking(write).await.map_err(|e| TrainError::Numbers(e.to_string()))??;
    shelf.files.share(&*shelf.truth, version, file, bytes).await?;
    Ok(())
}

/// Rows of one statement's worth: 256 of them at most some 100 KiB.
const LINKS_AT_ONCE: usize = 256;

/// Puts what users' acts say of items where every process reads it, and takes away what older trainings said. A crash in between
/// leaves some rows of before, until the next full training.
///
/// # Errors
/// [`TrainError::Store`].
pub(super) async fn put_links(
    context: &TrainContext,
    version: u64,
    links: Vec<(ItemId, ItemLinks)>,
) -> Result<(), TrainError> {
    for some in links.chunks(LINKS_AT_ONCE) {
        let row =
            |(item, links): &(ItemId, ItemLinks)| ItemLinksRow { item: item.clone(), data: links.encode() };
        context.truth.put_item_links(version, some.iter().map(row).collect()).await?;
    }
    Ok(context.truth.forget_item_links(version).await?)
}

/// Forgets versions that no stored list names, no kept version is built on, and nobody would go back to; and candidates beyond their
/// bound. `chain_from`: a new chain began there, whatever is older goes even if a list names it (that list is about to be made
/// anew), and with it the candidates of other `tombstones`: an erasure is not undone by publishing one.
///
/// # Errors
/// [`TrainError::Store`]; nothing that is needed was touched.
pub(super) async fn forget_old(
    context: &TrainContext,
    chain_from: Option<u64>,
    tombstones: u64,
) -> Result<(), TrainError> {
    let rows = context.truth.models().await?;
    let Some(newest) = rows.iter().map(|r| r.version).max() else { return Ok(()) };
    forget_candidates(context, chain_from.map(|_| tombstones)).await?;
    let kept_min = newest.saturating_sub(context.params.models_kept_min as u64);
    let named = context.truth.oldest_model_in_lists().await?.filter(|v| *v != 0).unwrap_or(newest);
    let mut oldest = named.min(kept_min);
    if let Some(from) = chain_from {
        oldest = oldest.max(from);
    }
    // The full version that the oldest needed one is built on.
    let root = rows.iter().filter(|r| r.kind == "full" && r.version <= oldest).map(|r| r.version).max();
    let root = root.unwrap_or(0);
    // Full versions can be read alone: those to go back to stay without what was built on them.
    let fulls =
        rows.iter().rev().filter(|r| r.kind == "full" && chain_from.is_none_or(|from| from <= r.version));
    let kept: BTreeSet<u64> = fulls.take(context.params.fulls_kept_min).map(|r| r.version).collect();
    let gone: Vec<&ModelRow> =
        rows.iter().filter(|r| r.version < root && !kept.contains(&r.version)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let versions: Vec<u64> = gone.iter().map(|r| r.version).collect();
    context.truth.forget_models(&versions).await?;
    gone.iter().for_each(|r| context.files.remove(&r.file));
    Ok(())
}

/// As after a training: forgets what no stored list names and no kept version is built on. Returns how many versions went.
///
/// # Errors
/// [`TrainError::Store`]; nothing that is needed was touched.
pub async fn forget_unneeded(context: &TrainContext) -> Result<usize, TrainError> {
    let before = context.truth.models().await?.len();
    forget_old(context, None, 0).await?;
    Ok(before.saturating_sub(context.truth.models().await?.len()))
}

/// `tombstones`: those that a candidate must have been trained with, if that is asked.
async fn forget_candidates(context: &TrainContext, tombstones: Option<u64>) -> Result<(), TrainError> {
    let (_, rows) = context.truth.candidates().await?;
    let surplus = rows.len().saturating_sub(context.params.candidates_kept_max);
    let of_others = |row: &CandidateRow| tombstones.is_some_and(|t| tombstones_of(&row.lineage) != t);
    let gone = rows.iter().enumerate().filter(|(place, row)| *place < surplus || of_others(row));
    let gone: Vec<&CandidateRow> = gone.map(|(_, row)| row).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let numbers: Vec<u64> = gone.iter().map(|row| row.number).collect();
    context.truth.forget_candidates(&numbers).await?;
    gone.iter().for_each(|row| context.files.remove(&row.file));
    Ok(())
}

/// How many erasures a version had seen, by its lineage.
pub(super) fn tombstones_of(lineage: &[u8]) -> u64 {
    let lineage: Lineage = serde_json::from_slice(lineage).unwrap_or_default();
    lineage.metrics.get("tombstones").copied().unwrap_or(0.0) as u64
}
