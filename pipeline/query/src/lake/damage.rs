//! Which file it was. The bytes of a page are unpacked far from where they were read, and that error names no file: the ones that
//! were opened last are then looked at one by one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::QueryError;

/// Files remembered: some of each thread, for a file may be read ahead while the one before is still unpacked.
const OPENED_MAX: usize = 64;

/// A file is held whole while it is looked at; larger ones, of which a lake has none by its defaults, are passed over.
const BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The files that were opened last.
#[derive(Debug, Default)]
pub struct Opened(Mutex<VecDeque<String>>);

impl Opened {
    pub(super) fn note(&self, path: &str) {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.back().is_some_and(|last| last == path) {
            return;
        }
        if OPENED_MAX <= opened.len() {
            opened.pop_front();
        }
        opened.push_back(path.to_owned());
    }

    /// The first of them that cannot be read to its end.
    pub(crate) async fn damaged(&self, store: &Arc<dyn ObjectStore>) -> Option<QueryError> {
        let mut opened: Vec<String> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect();
        let mut seen = std::collections::BTreeSet::new();
        opened.retain(|path| seen.insert(path.clone()));
        for path in opened {
            if let Err(error) = read(store.as_ref(), &path).await {
                let reason = format!("cannot be read: {error}");
                return Some(QueryError::File { path, reason });
            }
        }
        None
    }
}

async fn read(store: &dyn ObjectStore, path: &str) -> datafusion::common::Result<()> {
    let found = store.get(&Path::from(path)).await?;
    if BYTES_MAX < found.meta.size {
        return Ok(());
    }
    let batches = ParquetRecordBatchReaderBuilder::try_new(found.bytes().await?)?.build()?;
    for batch in batches {
        batch?;
    }
    Ok(())
}
