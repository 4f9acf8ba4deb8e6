//! Publishing: the file whole and synced, then row and pointer in one transaction; then what no list needs any more goes.

use std::sync::Arc;

use shoptide_faults::{Break, Point};
use shoptide_live::ModelFiles;
use shoptide_models::knowledge::ItemLinks;
use shoptide_models::snapshot::{Kind, Snapshot};
use shoptide_models::snapshot_file::{encode, encode_delta};
use shoptide_schemas::ItemId;
use shoptide_store::{ItemLinksRow, ModelRow};

use super::{TrainContext, TrainError};

/// Publishes a version. Until the pointer flips, nobody sees it; a crash before leaves a file that is written again.
///
/// # Errors
/// [`TrainError::Store`] if another trainer published meanwhile; [`TrainError::File`] if the disk is full.
pub(super) async fn publish(
    context: &TrainContext,
    model: &Arc<Snapshot>,
    parent: Option<&Arc<Snapshot>>,
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
        keep(context, model.version(), &file, &bytes).await?;
        shoptide_faults::pass(Point::W13File).await;
    }
    let lineage = serde_json::to_vec(model.meta()).map_err(|e| TrainError::Numbers(e.to_string()))?;
    let row = ModelRow {
        version: model.version(),
        parent: model.parent(),
        kind: kind.to_owned(),
        file: file.clone(),
        bytes: size,
        created_ms: (context.clock)(),
        lineage,
    };
    if let Err(error) = context.truth.publish_model(row).await {
        // Unless the row is there all the same (or nobody can say), the file is nobody's.
        if context.truth.models().await.is_ok_and(|rows| rows.iter().all(|r| r.file != file)) {
            context.files.remove(&file);
        }
        return Err(error.into());
    }
    shoptide_faults::pass(Point::W13Pointer).await;
    if pointer_first {
        keep(context, model.version(), &file, &bytes).await?;
    }
    context.live.adopt(model.clone());
    Ok(())
}

/// Puts a model where every process finds it: into the folder, whole and synced, and where there is more than one machine into the
/// store.
async fn keep(
    context: &TrainContext,
    version: u64,
    file: &str,
    bytes: &Arc<Vec<u8>>,
) -> Result<(), TrainError> {
    let (files, name, content) = (context.files.clone(), file.to_owned(), bytes.clone());
    // Writing megabytes is no work for the runtime's workers.
    let write = move || files.write(&name, &content);
    shoptide_faults::blocking(write).await.map_err(|e| TrainError::Numbers(e.to_string()))??;
    context.files.share(&*context.truth, version, file, bytes).await?;
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

/// Forgets versions that no stored list names and no kept version is built on. `chain_from`: an erasure began a new chain
/// there, whatever is older goes even if a list names it (that list is about to be made anew).
///
/// # Errors
/// [`TrainError::Store`]; nothing that is needed was touched.
pub(super) async fn forget_old(context: &TrainContext, chain_from: Option<u64>) -> Result<(), TrainError> {
    let rows = context.truth.models().await?;
    let Some(newest) = rows.iter().map(|r| r.version).max() else { return Ok(()) };
    let kept_min = newest.saturating_sub(context.params.models_kept_min as u64);
    let named = context.truth.oldest_model_in_lists().await?.filter(|v| *v != 0).unwrap_or(newest);
    let mut oldest = named.min(kept_min);
    if let Some(from) = chain_from {
        oldest = oldest.max(from);
    }
    // The full version that the oldest needed one is built on.
    let root = rows.iter().filter(|r| r.kind == "full" && r.version <= oldest).map(|r| r.version).max();
    let root = root.unwrap_or(0);
    let gone: Vec<&ModelRow> = rows.iter().filter(|r| r.version < root).collect();
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
    forget_old(context, None).await?;
    Ok(before.saturating_sub(context.truth.models().await?.len()))
}
