//! Rows as texts, for a table on a terminal.

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::SchemaRef;

use super::{failed, readable};
use crate::error::QueryError;

/// The first rows of an answer; those beyond a bound are counted.
#[derive(Debug)]
pub struct Rows {
    pub headings: Vec<String>,
    pub cells: Vec<Vec<String>>,
    /// Rows that came, shown or not.
    pub count: u64,
    rows_max: usize,
}

impl Rows {
    pub fn new(schema: &SchemaRef, rows_max: usize) -> Self {
        let headings = schema.fields().iter().map(|field| field.name().clone()).collect();
        Self { headings, cells: Vec::new(), count: 0, rows_max }
    }

    /// Whether all that came is there to be shown.
    pub fn is_whole(&self) -> bool {
        self.count == self.cells.len() as u64
    }

    /// # Errors
    /// [`QueryError::Output`] if a value cannot be shown.
    pub fn take(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.count += batch.num_rows() as u64;
        let room = self.rows_max - self.cells.len();
        if room == 0 || batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = readable(&batch.slice(0, room.min(batch.num_rows()))).map_err(failed)?;
        let options = FormatOptions::default().with_null("");
        let columns = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        for row in 0..batch.num_rows() {
            self.cells.push(columns.iter().map(|column| column.value(row).to_string()).collect());
        }
        Ok(())
    }
}
