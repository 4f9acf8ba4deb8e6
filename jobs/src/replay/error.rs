//! Why a moment cannot be rebuilt.

use shoptide_live::LiveError;
use shoptide_live::fold::ReplayError;
use shoptide_log::LogError;
use shoptide_models::codec::CodecError;
use shoptide_store::StoreError;

/// What a caller can do: name another moment, give what is missing, or retry.
#[derive(Debug, thiserror::Error)]
pub enum ReplayToError {
    /// Name another moment.
    #[error("{0}")]
    Moment(String),
    /// The records before some offset are gone.
    #[error("{0}")]
    Missing(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("stored state: {0}")]
    Codec(#[from] CodecError),
    #[error("{path}: {source}")]
    Io { path: std::path::PathBuf, source: std::io::Error },
    #[error("a task of the replay ended early: {0}")]
    Task(String),
}

impl ReplayToError {
    /// The same command can never succeed: what was asked for does not exist.
    pub fn is_refusal(&self) -> bool {
        matches!(self, ReplayToError::Moment(_) | ReplayToError::Missing(_))
    }
}
