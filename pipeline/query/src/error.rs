//! What a question can come to, by what its asker can do about it.

use std::error::Error as StdError;

use datafusion::common::{DataFusionError, SchemaError};
use shoptide_store::StoreError;

/// Why there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is no SQL.
    #[error("syntax error{}: {reason}", place(.at))]
    Syntax {
        /// Line and column, from 1, if they are known.
        at: Option<(u64, u64)>,
        reason: String,
    },
    #[error("there is no table {name:?}; there are {}", .have.join(", "))]
    NoTable { name: String, have: Vec<String> },
    #[error("there is no column {name:?}; there are {}", .have.join(", "))]
    NoColumn { name: String, have: Vec<String> },
    /// It would have changed something.
    #[error("{what} is refused: SQL here only reads")]
    ReadOnly { what: String },
    #[error(
        "table {table:?} lies in the event lake, and there is none yet: `shoptide jobs archive` makes it"
    )]
    NoLake { table: String },
    #[error("table {table:?} lies in the store, which was not opened")]
    NoStore { table: String },
    /// The question makes no sense: types, functions, names.
    #[error("{0}")]
    Wrong(String),
    /// More memory or disk than a query may take.
    #[error(
        "the query needs more than it may take: {reason}; sql.memory_mib and sql.spill_mib are the bounds"
    )]
    TooMuch { reason: String },
    /// A file of the lake is damaged, foreign or gone.
    #[error("file {path} of the lake {reason}")]
    File { path: String, reason: String },
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// Something that was stored cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Stored { what: String, reason: String },
    /// The answer cannot be written where it should go.
    #[error("{what}: {source}")]
    Output { what: String, source: std::io::Error },
    /// It was ended from outside.
    #[error("the query was ended")]
    Ended,
    /// Everything else, while it ran.
    #[error("{0}")]
    Failed(String),
}

fn place(at: &Option<(u64, u64)>) -> String {
    at.map(|(line, column)| format!(" at line {line}, column {column}")).unwrap_or_default()
}

impl QueryError {
    /// Whether the question itself, or what it is asked of, must change: no retry helps.
    pub fn is_refusal(&self) -> bool {
        match self {
            QueryError::Syntax { .. }
            | QueryError::NoTable { .. }
            | QueryError::NoColumn { .. }
            | QueryError::ReadOnly { .. }
            | QueryError::NoLake { .. }
            | QueryError::NoStore { .. }
            | QueryError::Wrong(_) => true,
            QueryError::Store(error) => matches!(error, StoreError::Unusable(_)),
            _ => false,
        }
    }

    /// Passes through DataFusion and comes out again by [`QueryError::from`].
    pub(crate) fn inside(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl From<QueryError> for DataFusionError {
    fn from(error: QueryError) -> Self {
        error.inside()
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        of(error)
    }
}

/// The option that DataFusion names when a spill meets its bound.
const SPILL_BOUND: &str = "max_temp_directory_size";

fn of(error: DataFusionError) -> QueryError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<QueryError>() {
            Ok(ours) => *ours,
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => of(*inner),
                Err(other) => QueryError::Failed(other.to_string()),
            },
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => of(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => of(errors.swap_remove(0)),
        DataFusionError::SQL(error, _) => syntax(&error.to_string()),
        DataFusionError::SchemaError(error, _) => match *error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let mut have: Vec<String> = valid_fields.iter().map(|f| f.name.clone()).collect();
                have.dedup();
                QueryError::NoColumn { name: field.name, have }
            }
            other => QueryError::Wrong(told(&other.to_string())),
        },
        DataFusionError::ResourcesExhausted(reason) => QueryError::TooMuch { reason: told(&reason) },
        DataFusionError::Plan(reason) => QueryError::Wrong(told(&reason)),
        DataFusionError::NotImplemented(reason) => {
            QueryError::Wrong(format!("not supported: {}", told(&reason)))
        }
        DataFusionError::Execution(reason) => QueryError::Failed(told(&reason)),
        other => hidden(&other).unwrap_or_else(|| {
            let reason = told(&other.strip_backtrace());
            // The bound of spilling comes as an error of the disk, without a type of its own.
            if reason.contains(SPILL_BOUND) {
                QueryError::TooMuch { reason }
            } else {
                QueryError::Failed(reason)
            }
        }),
    }
}

/// An error of ours that a library of files or arrays carries, or one of the disk that a spill has met.
fn hidden(error: &DataFusionError) -> Option<QueryError> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(QueryError::File { path, reason }) = error.downcast_ref() {
            return Some(QueryError::File { path: path.clone(), reason: reason.clone() });
        }
        if let Some(DataFusionError::ResourcesExhausted(reason)) = error.downcast_ref() {
            return Some(QueryError::TooMuch { reason: told(reason) });
        }
        if let Some(arrow_schema::ArrowError::ExternalError(inner)) = error.downcast_ref() {
            cause = Some(inner.as_ref());
            continue;
        }
        cause = error.source();
    }
    None
}

/// Without what is for those who write the library.
fn told(reason: &str) -> String {
    let first = reason.split("\n\nbacktrace:").next().unwrap_or(reason);
    first.trim().to_owned()
}

/// The parser puts the place at the end of its sentence.
fn syntax(message: &str) -> QueryError {
    let message = message.trim_start_matches("sql parser error: ");
    let (reason, at) = match message.rsplit_once(" at Line: ") {
        Some((reason, place)) => {
            let mut numbers = place.split(", Column: ").map(|n| {
                let digits: String = n.trim().chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            });
            match (numbers.next().flatten(), numbers.next().flatten()) {
                (Some(line), Some(column)) => (reason, Some((line, column))),
                _ => (message, None),
            }
        }
        None => (message, None),
    };
    let reason = reason.trim();
    let mut chars = reason.chars();
    let lower = chars.next().map(|c| c.to_lowercase().collect::<String>() + chars.as_str());
    QueryError::Syntax { at, reason: lower.unwrap_or_default() }
}
