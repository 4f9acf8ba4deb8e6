//! How the cache is, for health and metrics.

use std::fmt;

use crate::CacheState;

/// What to do about a full server.
pub(super) const FULL: &str = "cache is full: set maxmemory-policy allkeys-lru";

/// How the cache is. Readers get their lists in every state, without it from the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisState {
    Connected,
    /// No connection yet, or one that was lost a moment ago.
    Connecting,
    /// Does not answer; tried again in the background.
    Broken {
        since_ms: i64,
        reason: String,
    },
    /// Answers that it cannot be used so, such as with another password; tried again in the background.
    Refused {
        since_ms: i64,
        reason: String,
    },
    /// Some of a cluster's slots do not answer.
    Partly {
        slots: u32,
        since_ms: i64,
        reason: String,
    },
    /// Answers, but takes no further lists.
    Full {
        since_ms: i64,
    },
}

impl RedisState {
    /// As any cache says it.
    pub(super) fn seen(&self) -> CacheState {
        match self {
            Self::Connected => CacheState::Ok,
            Self::Connecting => CacheState::Connecting,
            Self::Broken { .. } => CacheState::Away,
            Self::Refused { .. } => CacheState::Refused,
            Self::Partly { .. } => CacheState::Partly,
            Self::Full { .. } => CacheState::Full,
        }
    }
}

impl fmt::Display for RedisState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Connecting => f.write_str("connecting"),
            Self::Broken { reason, .. } => write!(f, "cache cannot be reached: {reason}"),
            Self::Refused { reason, .. } => write!(f, "cache refuses: {reason}"),
            Self::Partly { slots, reason, .. } => {
                write!(f, "{slots} slots of the cache cannot be reached: {reason}")
            }
            Self::Full { .. } => f.write_str(FULL),
        }
    }
}
