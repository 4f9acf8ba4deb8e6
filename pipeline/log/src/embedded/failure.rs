//! What a failed call of SQLite means to the caller: try again, wait for a person, or stop.

use std::path::Path;

use crate::LogError;

const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;

/// A failed attempt. Cloneable, since a group commit fails for each of its producers.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Another connection holds the lock: the same attempt may succeed in a moment.
    pub busy: bool,
    unusable: bool,
    reason: String,
}

impl Failure {
    pub fn unusable(reason: impl Into<String>) -> Self {
        Self { busy: false, unusable: true, reason: reason.into() }
    }

    /// - `extended`: SQLite's code
    fn of(extended: Option<i32>, reason: String) -> Self {
        // The low byte is the class: 5 of 517, "busy snapshot".
        let class = extended.map(|code| code & 0xff);
        Self {
            busy: matches!(class, Some(SQLITE_BUSY | SQLITE_LOCKED)),
            unusable: matches!(class, Some(SQLITE_CORRUPT | SQLITE_NOTADB)),
            reason,
        }
    }

    pub fn at(mut self, path: &Path) -> Self {
        self.reason = format!("{}: {}", path.display(), self.reason);
        self
    }

    pub fn to_error(&self) -> LogError {
        if self.unusable {
            LogError::Unusable(self.reason.clone())
        } else {
            LogError::Unavailable { reason: self.reason.clone() }
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let extended =
            error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<i32>().ok());
        let reason = match error {
            sqlx::Error::PoolTimedOut => "no connection for reading became free in time".to_owned(),
            sqlx::Error::PoolClosed => "the log is closed".to_owned(),
            other => other.to_string(),
        };
        Self::of(extended, reason)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(error.sqlite_error().map(|e| e.extended_code), error.to_string())
    }
}

/// The task that did the work ended without an answer: it panicked, or the runtime is shutting down.
pub(super) fn lost_task(error: &tokio::task::JoinError) -> LogError {
    LogError::Unavailable { reason: format!("the log's task ended early: {error}") }
}
