//! CSV and JSON lines.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_json::writer::{EncoderOptions, LineDelimited, make_encoder};
use arrow_schema::{ArrowError, Field, FieldRef, Schema, SchemaRef};

use super::{Sink, failed, readable};
use crate::error::QueryError;

type Out<'w> = Box<dyn Write + Send + 'w>;

/// A header and a line a row; lists and structures as JSON within a field.
pub struct Csv<'w>(arrow_csv::Writer<Out<'w>>);

impl<'w> Csv<'w> {
    pub fn new(schema: &SchemaRef, out: Out<'w>) -> Result<Self, QueryError> {
        let mut csv = Csv(arrow_csv::WriterBuilder::new().with_header(true).build(out));
        // An answer without rows has its header all the same.
        csv.write(&RecordBatch::new_empty(schema.clone()))?;
        Ok(csv)
    }
}

impl Sink for Csv<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let flat = readable(batch).and_then(|batch| flat(&batch)).map_err(failed)?;
        self.0.write(&flat).map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<(), QueryError> {
        self.0.into_inner().flush().map_err(failed)
    }
}

/// What CSV has no way to say becomes JSON.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let column = if field.data_type().is_nested() { json(field, column)? } else { column.clone() };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn json(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(field, column, &options)?;
    let (mut out, mut bytes) = (StringBuilder::new(), Vec::new());
    for row in 0..column.len() {
        if encoder.is_null(row) {
            out.append_null();
            continue;
        }
        bytes.clear();
        encoder.encode(row, &mut bytes);
        out.append_value(String::from_utf8_lossy(&bytes));
    }
    Ok(Arc::new(out.finish()))
}

/// One object a line; NULL is written as null.
pub struct Json<'w>(arrow_json::Writer<Out<'w>, LineDelimited>);

impl<'w> Json<'w> {
    pub fn new(out: Out<'w>) -> Self {
        Json(arrow_json::WriterBuilder::new().with_explicit_nulls(true).build(out))
    }
}

impl Sink for Json<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let batch = readable(batch).map_err(failed)?;
        self.0.write(&batch).map_err(failed)
    }

    fn finish(mut self: Box<Self>) -> Result<(), QueryError> {
        self.0.finish().map_err(failed)?;
        self.0.into_inner().flush().map_err(failed)
    }
}
