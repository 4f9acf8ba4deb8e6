//! How store and cache are, as far as they know without asking anybody: for health checks and metrics.

/// How a cache is. Readers get their lists in every state: without the cache from the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheState {
    #[default]
    Ok,
    /// No connection yet.
    Connecting,
    /// Does not answer.
    Away,
    /// Some of a cluster's slots do not answer.
    Partly,
    /// Answers, but takes no further lists.
    Full,
    /// Answers that it cannot be used so: a person must act.
    Refused,
}

impl CacheState {
    pub const ALL: [CacheState; 6] =
        [Self::Ok, Self::Connecting, Self::Away, Self::Partly, Self::Full, Self::Refused];

    /// The name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connecting => "connecting",
            Self::Away => "away",
            Self::Partly => "partly",
            Self::Full => "full",
            Self::Refused => "refused",
        }
    }

    /// What it means and what to do, without anything of the configuration in it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connecting => "not connected yet: lists are read from the store",
            Self::Away => "the cache does not answer: lists are read from the store until it does",
            Self::Partly => {
                "a part of the cache does not answer: its lists are read from the store until it does"
            }
            Self::Full => {
                "the cache is full and takes no more lists: set maxmemory-policy allkeys-lru, or give it memory"
            }
            Self::Refused => "the cache refuses this process: its log says why",
        }
    }
}

/// How a cache is, and how many calls of this process failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheHealth {
    pub state: CacheState,
    pub failed: CacheFailures,
}

/// Calls that failed since the start, by what a caller could do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheFailures {
    pub unavailable: u64,
    pub full: u64,
    pub unusable: u64,
}

/// Connections to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    pub busy: usize,
    pub max: usize,
}
