//! What can go wrong, by what the caller can do about it.

use datafusion::error::DataFusionError;

/// Why something on a cluster did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// Arguments, configuration: the same call fails again.
    #[error("{0}")]
    Refused(String),
    /// The scheduler does not answer, or no executor is there: it may later.
    #[error("{0}")]
    Away(String),
    /// The query cannot be carried out, or what came back is not what was asked for.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Query(DataFusionError),
    #[error(transparent)]
    Store(#[from] object_store::Error),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<ballista_core::error::BallistaError> for ScaleError {
    fn from(error: ballista_core::error::BallistaError) -> Self {
        Self::Failed(error.to_string())
    }
}
