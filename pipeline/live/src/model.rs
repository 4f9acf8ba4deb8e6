//! The published model: found by the pointer row, read from its chain of files, followed.

use std::sync::Arc;
use std::time::Duration;

use shoptide_models::snapshot::Snapshot;
use shoptide_models::snapshot_file::{apply_delta, decode_full};
use shoptide_store::{ModelRow, Truth};

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
    let files = files.clone();
    let chain: Vec<ModelRow> = chain.into_iter().rev().cloned().collect();
    // Decoding megabytes is no work for a thread that serves requests.
    let loaded = shoptide_faults::blocking(move || {
        for row in chain {
            let bytes = files.read(&row.file)?;
            let read = match &model {
                Some(parent) => apply_delta(parent, &bytes),
                None => decode_full(&bytes),
            };
            let snapshot =
                read.map_err(|source| ModelFileError::Content { path: files.path(&row.file), source })?;
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
                live.adopt(model);
                failed = None;
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
