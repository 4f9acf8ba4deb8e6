//! What a caller can do about a report that was not made.

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
    /// A file of the lake is damaged, or its store away.
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
    pub(crate) fn text(error: impl std::fmt::Display) -> Self {
        Self::Text(error.to_string())
    }

    pub(crate) fn unwritable(path: &Path, source: std::io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), source }
    }
}
