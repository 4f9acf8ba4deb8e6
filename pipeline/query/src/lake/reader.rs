//! How files of the lake are opened: what cannot be read, or is no file of a lake, is an error that names it.

use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use super::damage::Opened;
use super::table::{LakeKind, written};
use crate::error::QueryError;

/// Opens files, their footers held for the next query.
#[derive(Debug)]
pub(super) struct LakeReaders {
    kind: LakeKind,
    inner: CachedParquetFileReaderFactory,
    opened: Arc<Opened>,
}

impl LakeReaders {
    pub fn new(
        kind: LakeKind,
        store: Arc<dyn ObjectStore>,
        cache: Arc<FileMetadataCache>,
        opened: Arc<Opened>,
    ) -> Self {
        Self { kind, inner: CachedParquetFileReaderFactory::new(store, cache), opened }
    }
}

impl ParquetFileReaderFactory for LakeReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let path = file.path().to_string();
        self.opened.note(&path);
        let inner = self.inner.create_reader(partition, file, hint, metrics)?;
        Ok(Box::new(LakeReader { kind: self.kind, path, inner }))
    }
}

struct LakeReader {
    kind: LakeKind,
    path: String,
    inner: Box<dyn AsyncFileReader + Send>,
}

/// An error of a file, with its name.
pub(super) fn unreadable(path: &str, reason: impl Display) -> ParquetError {
    let reason = format!("cannot be read: {reason}");
    ParquetError::External(Box::new(QueryError::File { path: path.to_owned(), reason }))
}

impl AsyncFileReader for LakeReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let path = self.path.clone();
        self.inner.get_bytes(range).map(move |got| got.map_err(|error| unreadable(&path, error))).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let path = self.path.clone();
        self.inner
            .get_byte_ranges(ranges)
            .map(move |got| got.map_err(|error| unreadable(&path, error)))
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let (kind, path) = (self.kind, self.path.clone());
        let metadata = self.inner.get_metadata(options);
        async move {
            let metadata = metadata.await.map_err(|error| unreadable(&path, error))?;
            check(kind, &path, &metadata)?;
            Ok(metadata)
        }
        .boxed()
    }
}

/// A file that lacks a column, or has it of another type, was not written by a lake; DataFusion would fill in NULL.
pub(super) fn check(kind: LakeKind, path: &str, metadata: &ParquetMetaData) -> Result<()> {
    let file = metadata.file_metadata();
    let found = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())
        .map_err(|error| unreadable(path, error))?;
    for field in written(kind).fields() {
        let wrong = match found.field_with_name(field.name()) {
            Err(_) => format!("has no column {:?}", field.name()),
            Ok(f) if !alike(f.data_type(), field.data_type()) => {
                format!(
                    "has column {:?} of type {}, expected {}",
                    field.name(),
                    f.data_type(),
                    field.data_type()
                )
            }
            Ok(_) => continue,
        };
        let reason = format!("is not of its making: it {wrong}");
        return Err(ParquetError::External(Box::new(QueryError::File { path: path.to_owned(), reason })));
    }
    Ok(())
}

/// Whether the same values are meant, however they are held in memory.
fn alike(found: &arrow_schema::DataType, expected: &arrow_schema::DataType) -> bool {
    use arrow_schema::DataType::{Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, Utf8, Utf8View};
    match (found, expected) {
        (Dictionary(_, value), expected) => alike(value, expected),
        (Utf8 | Utf8View | LargeUtf8, Utf8) | (Binary | BinaryView | LargeBinary, Binary) => true,
        (found, expected) => found == expected,
    }
}
