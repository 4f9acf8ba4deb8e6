//! Why an evaluation is refused. All of these come from arguments or files: the same call fails again.

use std::fmt::Display;
use std::path::Path;

use shoptide_models::params::BadParam;

#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error("{file}: {source}")]
    Unreadable { file: String, source: std::io::Error },
    #[error("{file}, line {line}: {what}")]
    Line { file: String, line: u64, what: String },
    #[error("{file}: {what}")]
    File { file: String, what: String },
    #[error("{flag} is {found}, expected {expected}")]
    Flag { flag: &'static str, found: String, expected: String },
    #[error("--model is {found}, expected all, best or one of {names}")]
    UnknownModel { found: String, names: String },
    #[error(transparent)]
    Param(#[from] BadParam),
    #[error("{model} cannot be trained on this: {why}")]
    Fit { model: String, why: String },
    #[error("--{flag} {file} cannot be written: {source}")]
    Unwritable { flag: &'static str, file: String, source: std::io::Error },
}

impl EvaluateError {
    pub(crate) fn line(file: &Path, line: u64, what: impl Display) -> Self {
        Self::Line { file: file.display().to_string(), line, what: what.to_string() }
    }

    pub(crate) fn file(file: &Path, what: impl Display) -> Self {
        Self::File { file: file.display().to_string(), what: what.to_string() }
    }

    pub(crate) fn unreadable(file: &Path, source: std::io::Error) -> Self {
        Self::Unreadable { file: file.display().to_string(), source }
    }

    pub(crate) fn unwritable(flag: &'static str, file: &Path, source: std::io::Error) -> Self {
        Self::Unwritable { flag, file: file.display().to_string(), source }
    }
}
