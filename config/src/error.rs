//! Why a configuration is refused. Every variant means: say it and stop, a restart with the same input fails the same way.
//! Messages name the key, the bound and where the value came from, and never a secret.

use std::fmt;
use std::path::PathBuf;

use shoptide_models::params::BadParam;
use shoptide_models::state::TasteParamsError;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The compiled-in `default.toml`.
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Variable {
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            // Escaped: a path may hold a line break, and this ends up in comments and log lines.
            Origin::File { path, line } => {
                write!(f, "{} line {line}", path.display().to_string().escape_debug())
            }
            Origin::Variable { name } => write!(f, "environment variable {}", name.escape_debug()),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} line {line} is no TOML: {message}{}", path.display(), near(key.as_deref()))]
    Syntax { path: PathBuf, line: usize, key: Option<String>, message: String },
    #[error("{} is no key of the configuration{} ({origin})", key.escape_debug(), hint(meant.as_deref()))]
    UnknownKey { key: String, meant: Option<String>, origin: Origin },
    #[error("environment variable {} names no key of the configuration{}", name.escape_debug(), hint(meant.as_deref()))]
    UnknownVariable { name: String, meant: Option<String> },
    #[error("{key} is {found}, expected {expected} ({origin})")]
    WrongType { key: String, found: &'static str, expected: &'static str, origin: Origin },
    #[error("{key} is {found}, expected {expected} ({origin})")]
    OutOfRange { key: String, found: String, expected: String, origin: Origin },
    #[error("{key} and {other} cannot go together: {rule} ({key}: {}; {other}: {})", origins.0, origins.1)]
    Conflict {
        key: String,
        other: String,
        rule: String,
        /// Of the one and of the other.
        origins: Box<(Origin, Origin)>,
    },
    #[error("{key} is in {}, which has mode {mode:03o}: expected that only its owner can read it, such as 600", path.display())]
    Exposed { key: &'static str, path: PathBuf, mode: u32 },
    #[error("{key} names {}, which cannot be used: {reason} ({origin})", path.display())]
    SecretFile { key: &'static str, path: PathBuf, reason: String, origin: Origin },
    /// `default.toml` and the types it becomes disagree: a mistake in this crate, held off by its tests.
    #[error("the compiled-in defaults are unusable: {reason}")]
    Defaults { reason: String },
}

impl ConfigError {
    /// The dotted key at fault, if it is known.
    pub fn key(&self) -> Option<&str> {
        match self {
            ConfigError::UnknownKey { key, .. }
            | ConfigError::WrongType { key, .. }
            | ConfigError::OutOfRange { key, .. }
            | ConfigError::Conflict { key, .. } => Some(key),
            ConfigError::Exposed { key, .. } | ConfigError::SecretFile { key, .. } => Some(key),
            ConfigError::Syntax { key, .. } => key.as_deref(),
            ConfigError::UnknownVariable { .. }
            | ConfigError::Unreadable { .. }
            | ConfigError::Defaults { .. } => None,
        }
    }
}

/// What is wrong with a value, said by a check that does not know where the value came from.
#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    Bound { key: String, found: String, expected: String },
    Conflict { key: String, other: String, rule: String },
}

impl Problem {
    pub(crate) fn bound(key: &str, found: String, expected: &str) -> Self {
        Problem::Bound { key: key.to_owned(), found, expected: expected.to_owned() }
    }

    pub(crate) fn conflict(key: &str, other: &str, rule: &str) -> Self {
        Problem::Conflict { key: key.to_owned(), other: other.to_owned(), rule: rule.to_owned() }
    }
}

impl From<BadParam> for Problem {
    fn from(bad: BadParam) -> Self {
        Problem::bound(bad.key, bad.found, bad.expected)
    }
}

impl From<TasteParamsError> for Problem {
    fn from(bad: TasteParamsError) -> Self {
        Problem::bound(&bad.key, bad.value, bad.expected)
    }
}

fn near(key: Option<&str>) -> String {
    key.map(|key| format!(" (at {key})")).unwrap_or_default()
}

fn hint(meant: Option<&str>) -> String {
    meant.map(|meant| format!(", perhaps {meant}")).unwrap_or_default()
}
