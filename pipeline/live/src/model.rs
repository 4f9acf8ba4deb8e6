//! The published model: found by the pointer row, read from its chain of files, followed.

use std::sync::Arc;
use std::time::Duration;

use shoptide_models::snapshot::{Kind, Snapshot};
use shoptide_models::snapshot_file::{apply_delta, decode_full};
use shoptide_store::{CandidateRow, ModelRow, Truth};

use crate::files::{ModelFileError, ModelFiles};
use crate::{Live, LiveError};

/// How often the pointer is read; what this process publishes it has already.
const POLL: Duration = Duration::from_millis(250);

/// Loads one version: its full ancestor, then each delta. `near`, if it is an ancestor, saves the way to the root.
///
/// # Errors
/// [`ModelFileError`] if a row or file of the chain is missing or damaged.
pub async fn load_version(
    truth: &dyn Truth,
    files: &ModelFiles,
    version: u64,
    near: Option<&Arc<Snapshot>>,
) -> Result<Arc<Snapshot>, LiveError> {
    if let Some(near) = near.filter(|n| n.version() == version) {
        return Ok(near.clone());
    }
    let rows = truth.models().await?;
    let mut chain: Vec<&ModelRow> = Vec::new();
    let mut next = version;
    let mut model = loop {
        let row = rows.iter().find(|r| r.version == next).ok_or(ModelFileError::Unknown { version: next })?;
        chain.push(row);
        // A full version may name a parent too (a warm start), but is read alone.
        match row.parent.filter(|parent| row.kind == "delta" && *parent < next) {
            Some(parent) if near.is_some_and(|n| n.version() == parent) => break near.cloned(),
            Some(parent) => next = parent,
            None => break None,
        }
    };
    let mut steps: Vec<(std::path::PathBuf, Vec<u8>)> = Vec::with_capacity(chain.len());
    for row in chain.into_iter().rev() {
        steps.push((files.path(&row.file), files.fetch(truth, row).await?));
    }
    // Decoding megabytes is no work for a thread that serves requests.
    let loaded = shoptide_faults::blocking(move || {
        for (path, bytes) in steps {
            let read = match &model {
                Some(parent) => apply_delta(parent, &bytes),
                None => decode_full(&bytes),
            };
            let snapshot = read.map_err(|source| ModelFileError::Content { path, source })?;
            model = Some(Arc::new(snapshot));
        }
        model.ok_or(ModelFileError::Unknown { version })
    });
    match loaded.await {
        Ok(result) => Ok(result?),
        Err(error) => Err(LiveError::Model(ModelFileError::Io {
            path: std::path::PathBuf::new(),
            source: std::io::Error::other(error),
        })),
    }
}

/// Loads a candidate, which is a full version of its own.
///
/// # Errors
/// [`ModelFileError`] if its file is missing or damaged.
pub async fn load_candidate(
    truth: &dyn Truth,
    files: &ModelFiles,
    candidate: &CandidateRow,
) -> Result<Arc<Snapshot>, LiveError> {
    // Its parts lie behind those of all versions.
    let row = ModelRow {
        version: CandidateRow::parts_version(candidate.number),
        parent: candidate.parent,
        kind: "full".to_owned(),
        file: candidate.file.clone(),
        bytes: candidate.bytes,
        created_ms: candidate.created_ms,
        lineage: Vec::new(),
        report: Vec::new(),
    };
    let (path, bytes) = (files.path(&row.file), files.fetch(truth, &row).await?);
    let decoded = shoptide_faults::blocking(move || decode_full(&bytes));
    let failed = |error| ModelFileError::Io { path: path.clone(), source: std::io::Error::other(error) };
    let snapshot = decoded.await.map_err(failed)?;
    Ok(Arc::new(snapshot.map_err(|source| ModelFileError::Content { path, source })?))
}

/// Follows the pointer until the task is aborted. A version that cannot be read leaves the last good one in use.
pub(crate) async fn follow(live: Arc<Live>, truth: Arc<dyn Truth>, files: ModelFiles) {
    let mut failed = None;
    loop {
        tokio::time::sleep(POLL).await;
        let current = live.model();
        let version = match truth.model_pointer().await {
            Ok(Some(version)) if current.as_ref().is_none_or(|c| c.version() != version) => version,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the model pointer cannot be read, retrying");
                continue;
            }
        };
        // A delta of the version in use saves the whole chain; a full version begins its own.
        match load_version(&*truth, &files, version, current.as_ref()).await {
            Ok(model) => {
                let full = model.kind() == Kind::Full;
                live.adopt(model);
                failed = None;
                // Whoever trained them has forgotten the old ones here; elsewhere they would stay for ever.
                if full && files.is_shared() {
                    forget_copies(&*truth, &files).await;
                }
            }
            Err(error) => {
                live.metrics().model_failures.with_label_values(&["load"]).inc();
                // Logged once a version, not four times a second.
                if failed != Some(version) {
                    tracing::error!(%error, version, "the published model cannot be loaded, the last one stays in use");
                    failed = Some(version);
                }
            }
        }
    }
}

/// Removes the copies of versions that the store no longer names.
async fn forget_copies(truth: &dyn Truth, files: &ModelFiles) {
    let (Ok(rows), Ok((_, candidates))) = (truth.models().await, truth.candidates().await) else { return };
    let Some(newest) = rows.iter().map(|row| row.version).max() else { return };
    let named =
        rows.into_iter().map(|row| row.file).chain(candidates.into_iter().map(|row| row.file)).collect();
    let files = files.clone();
    // A copy that stays costs its bytes and is removed the next time.
    let _ = tokio::task::spawn_blocking(move || files.remove_unnamed(&named, newest)).await;
}
