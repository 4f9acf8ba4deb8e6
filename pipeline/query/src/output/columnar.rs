//! Parquet: ids stay the bytes that they are.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Sink, failed};
use crate::error::QueryError;

/// Rows and bytes of a group, which is held until it is written.
const GROUP_ROWS_MAX: usize = 131_072;
const GROUP_BYTES_MAX: usize = 64 * 1024 * 1024;

pub struct Parquet<'w> {
    writer: ArrowWriter<Box<dyn Write + Send + 'w>>,
    schema: SchemaRef,
}

/// Views are a way to hold bytes in memory; other programs know the plain types better.
fn plain(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let data_type = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(field.name(), data_type, true)
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

impl<'w> Parquet<'w> {
    pub fn new(schema: &SchemaRef, out: Box<dyn Write + Send + 'w>) -> Result<Self, QueryError> {
        let schema = plain(schema);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))
            .map_err(|error| QueryError::Wrong(format!("Parquet cannot hold this answer: {error}")))?;
        Ok(Self { writer, schema })
    }
}

impl Sink for Parquet<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, column)| cast(column, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)?;
        self.writer.write(&batch).map_err(failed)?;
        if GROUP_BYTES_MAX <= self.writer.in_progress_size() {
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), QueryError> {
        let mut out = self.writer.into_inner().map_err(failed)?;
        out.flush().map_err(failed)
    }
}
