//! Answers as people and programs want them: rows of text, CSV, JSON lines, Parquet. All but the first are written as they come.

mod columnar;
mod lines;
mod readable;
mod rows;

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::QueryError;

pub use readable::readable;
pub use rows::Rows;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    /// One object a line.
    Json,
    Parquet,
}

/// Something that rows are written into, a batch in memory at a time.
pub trait Sink {
    /// # Errors
    /// [`QueryError::Output`].
    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError>;

    /// What is still owed, such as a footer.
    ///
    /// # Errors
    /// [`QueryError::Output`].
    fn finish(self: Box<Self>) -> Result<(), QueryError>;
}

/// Begins an output.
///
/// # Errors
/// [`QueryError::Output`]; [`QueryError::Wrong`] for columns that the format cannot hold.
pub fn sink<'w>(
    format: Format,
    schema: &SchemaRef,
    out: Box<dyn Write + Send + 'w>,
) -> Result<Box<dyn Sink + 'w>, QueryError> {
    Ok(match format {
        Format::Csv => Box::new(lines::Csv::new(schema, out)?),
        Format::Json => Box::new(lines::Json::new(out)),
        Format::Parquet => Box::new(columnar::Parquet::new(schema, out)?),
    })
}

/// What a library says of a failed write; its own errors are told by their text.
fn failed(error: impl std::error::Error + 'static) -> QueryError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if let Some(io) = found.downcast_ref::<std::io::Error>() {
            let source = std::io::Error::new(io.kind(), io.to_string());
            return QueryError::Output { what: "the output".to_owned(), source };
        }
        if let Some(arrow_schema::ArrowError::IoError(_, io)) = found.downcast_ref() {
            let source = std::io::Error::new(io.kind(), io.to_string());
            return QueryError::Output { what: "the output".to_owned(), source };
        }
        cause = found.source();
    }
    QueryError::Output { what: "the output".to_owned(), source: std::io::Error::other(error.to_string()) }
}
