//! Reading one file of the lake, in batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use shoptide_schemas::arrow::event_schema;

use crate::LakeError;
use crate::file::{FileKind, LakeFile};
use crate::lake::{Lake, named};
use crate::portion::record_schema;

/// Rows of one batch: what DataFusion takes at a time.
const READ_ROWS: usize = 8_192;
/// What is read of a file's end at once: the footer of most.
const FOOTER_BYTES: usize = 32 * 1024;

/// One file of the store, by ranges.
pub(crate) struct Ranges {
    pub store: Arc<dyn ObjectStore>,
    pub path: Path,
    pub bytes: u64,
}

type Read<'a, T> = BoxFuture<'a, Result<T, ParquetError>>;

fn of_store(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: std::ops::Range<u64>) -> Read<'_, Bytes> {
        async move { self.store.get_range(&self.path, range).await.map_err(of_store) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<std::ops::Range<u64>>) -> Read<'_, Vec<Bytes>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(of_store) }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, _: Option<&'a ArrowReaderOptions>) -> Read<'a, Arc<ParquetMetaData>> {
        let bytes = self.bytes;
        let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
        async move { reader.load_and_finish(self, bytes).await.map(Arc::new) }.boxed()
    }
}

impl Lake {
    /// A file with its footer read.
    pub(crate) async fn footer(
        &self,
        file: &LakeFile,
    ) -> Result<ParquetRecordBatchStreamBuilder<Ranges>, LakeError> {
        let path = Path::from(file.path.as_str());
        let reader = Ranges { store: self.store(), path: path.clone(), bytes: file.bytes };
        let error = match ParquetRecordBatchStreamBuilder::new(reader).await {
            Ok(builder) => return Ok(builder),
            Err(error) => of_parquet(error, &file.path),
        };
        // A range beyond the end is a failure of the store to some stores.
        match self.store().head(&path).await {
            Ok(found) if found.size != file.bytes => {
                let reason = format!("it has {} bytes, its commit says {}", found.size, file.bytes);
                Err(LakeError::damaged(&file.path, reason))
            }
            _ => Err(error),
        }
    }

    /// Bytes of each column in a file, as they are packed.
    ///
    /// # Errors
    /// As [`Lake::read`].
    pub async fn column_bytes(&self, file: &LakeFile) -> Result<BTreeMap<String, u64>, LakeError> {
        let footer = self.footer(file).await?;
        let mut bytes = BTreeMap::new();
        for column in footer.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            let packed = u64::try_from(column.compressed_size()).unwrap_or(0);
            *bytes.entry(column.column_path().string()).or_default() += packed;
        }
        Ok(bytes)
    }

    /// The rows of a file in order of offset, or some of their columns.
    ///
    /// # Errors
    /// [`LakeError::Missing`], [`LakeError::Damaged`] for a file that is no Parquet of ours, [`LakeError::Unusable`] for a
    /// column that there is not.
    pub async fn read(
        &self,
        file: &LakeFile,
        columns: Option<&[&str]>,
    ) -> Result<impl Stream<Item = Result<RecordBatch, LakeError>> + Send + Unpin + use<>, LakeError> {
        let path = file.path.clone();
        let builder = self.footer(file).await?;
        let expected = schema_of(file.kind);
        check_schema(builder.schema(), &expected).map_err(|reason| LakeError::damaged(&path, reason))?;
        let mask = match columns {
            None => ProjectionMask::all(),
            Some(names) => {
                for name in names {
                    if expected.index_of(name).is_err() {
                        return Err(LakeError::Unusable(format!("the lake has no column \"{name}\"")));
                    }
                }
                ProjectionMask::columns(builder.parquet_schema(), names.iter().copied())
            }
        };
        let stream = builder.with_projection(mask).with_batch_size(READ_ROWS).build();
        let stream = stream.map_err(|e| of_parquet(e, &path))?;
        Ok(stream.map(move |batch| batch.map_err(|e| of_parquet(e, &path))))
    }
}

pub(crate) fn schema_of(kind: FileKind) -> SchemaRef {
    match kind {
        FileKind::Events => event_schema(),
        FileKind::Records => record_schema(),
    }
}

/// Whether a file holds the rows that its commit says.
pub(crate) fn check_schema(found: &SchemaRef, expected: &SchemaRef) -> Result<(), String> {
    let same = |(a, b): (&Arc<arrow_schema::Field>, &Arc<arrow_schema::Field>)| {
        a.name() == b.name() && a.data_type() == b.data_type()
    };
    if found.fields().len() == expected.fields().len()
        && found.fields().iter().zip(expected.fields()).all(same)
    {
        return Ok(());
    }
    let names: Vec<&str> = found.fields().iter().map(|f| f.name().as_str()).take(32).collect();
    Err(format!("it is a foreign file with the columns {}", names.join(", ")))
}

pub(crate) fn of_parquet(error: ParquetError, path: &str) -> LakeError {
    match error {
        ParquetError::External(source) => match source.downcast::<object_store::Error>() {
            Ok(error) => named(*error, path),
            Err(other) => LakeError::damaged(path, other),
        },
        other => LakeError::damaged(path, other),
    }
}
