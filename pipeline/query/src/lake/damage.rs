//! Which file it was. The bytes of a page are unpacked far from where they were read, and that error names no file: the ones that
//! were opened last are then looked at one by one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;

use crate::error::QueryError;

/// Files remembered: some of each thread, for a file may be read ahead while the one before is still unpacked.
const OPENED_MAX: usize = 64;

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
            if let Err(error) = read(store.clone(), &path).await {
                let reason = format!("cannot be read: {error}");
                return Some(QueryError::File { path, reason });
            }
        }
        None
    }
}

async fn read(store: Arc<dyn ObjectStore>, path: &str) -> datafusion::common::Result<()> {
    let size = store.head(&Path::from(path)).await?.size;
    let readers = DefaultParquetFileReaderFactory::new(store);
    let metrics = ExecutionPlanMetricsSet::new();
    let reader = readers.create_reader(0, PartitionedFile::new(path, size), None, &metrics)?;
    let mut batches = ParquetRecordBatchStreamBuilder::new(reader).await?.build()?;
    while batches.try_next().await?.is_some() {}
    Ok(())
}
