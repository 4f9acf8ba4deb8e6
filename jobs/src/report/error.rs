//! What a caller can do about a report that was not made.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use shoptide_live::LiveError;
use shoptide_log::LogError;
use shoptide_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Live(#[from] LiveError),
    /// Retry later: the lake's store is away, or a file was replaced while it was read.
    #[error("the lake cannot be read now: {0}")]
    LakeAway(String),
    /// Stop: a file of the lake is damaged.
    #[error("the lake cannot be read: {0}")]
    Lake(String),
    /// Take another folder.
    #[error("out is {path}, {reason}")]
    Out { path: PathBuf, reason: String },
    #[error("{path} cannot be written: {source}")]
    Unwritable { path: PathBuf, source: std::io::Error },
    /// Nothing that data can cause.
    #[error("the report cannot be put into text: {0}")]
    Text(String),
}

impl ReportError {
    /// Whether the same report may succeed later.
    pub fn passes(&self) -> bool {
        let log = |error: &LogError| !matches!(error, LogError::Unusable(_));
        let store = |error: &StoreError| !matches!(error, StoreError::Unusable(_));
        match self {
            Self::Log(error) | Self::Live(LiveError::Log(error)) => log(error),
            Self::Store(error) | Self::Live(LiveError::Store(error)) => store(error),
            // A damaged row stays damaged; a model is made again by the next training.
            Self::Live(error) => !matches!(error, LiveError::Catalogue { .. }),
            Self::LakeAway(_) => true,
            // A full disk may have room later; what is not allowed, or no folder, needs a person.
            Self::Unwritable { source, .. } => !matches!(
                source.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::NotADirectory
                    | ErrorKind::AlreadyExists
            ),
            Self::Lake(_) | Self::Out { .. } | Self::Text(_) => false,
        }
    }

    pub(crate) fn text(error: impl std::fmt::Display) -> Self {
        Self::Text(error.to_string())
    }

    pub(crate) fn unwritable(path: &Path, source: std::io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), source }
    }
}
