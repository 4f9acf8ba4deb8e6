//! What the main program decides: keys, origins, patience and sizes. Plain values; the configuration has checked them.

use std::fmt;
use std::time::Duration;

use shoptide_schemas::Currency;

/// Open connections if nothing else is said, at about 10 KB each: with their files below the usual `ulimit -n` of 1024.
pub const CONNECTIONS_MAX: usize = 800;

/// All that shapes the HTTP side beside what it reads from.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Asked of whoever writes; `None` asks nobody.
    pub write_key: Option<ApiKey>,
    /// Asked of whoever reads; `None` asks nobody.
    pub read_key: Option<ApiKey>,
    pub cors: Cors,
    /// Open connections. When all are taken, the one that has waited longest for a request makes room; if none waits,
    /// further clients wait in the kernel.
    pub connections_max: usize,
    /// For a request's head to arrive; also how long an idle connection is kept.
    pub header_timeout: Duration,
    /// For a request's body to arrive, then 408.
    pub body_timeout: Duration,
    /// For the answer once the request is there, then 503.
    pub request_timeout: Duration,
    /// How long open requests may go on after a signal to stop; more than 4 s are taken as 4 s.
    pub drain: Duration,
    /// Places shown if the reader does not say how many.
    pub shown_default: usize,
    /// Places that may be asked for: the length of a stored list.
    pub shown_max: usize,
    /// The currency of a budget that names none.
    pub currency: Currency,
    /// Whether a list read from the store is put into the cache.
    pub cache_fill: bool,
    /// Whether `GET /metrics` answers.
    pub metrics: bool,
    /// Whether this process keeps a search index; without one, searches get 503.
    pub search: bool,
    /// Whether this process reads the words of the catalogue for the chat; without them, messages get 503.
    pub chat: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            write_key: None,
            read_key: None,
            cors: Cors::Nobody,
            connections_max: CONNECTIONS_MAX,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(3),
            shown_default: 10,
            shown_max: 100,
            currency: Currency(*b"CNY"),
            cache_fill: true,
            metrics: true,
            search: true,
            chat: true,
        }
    }
}

/// What browsers of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    Nobody,
    Anybody,
    /// Exact origins, such as `https://shop.example`.
    Only(Vec<String>),
}

/// A key that is compared and never shown.
#[derive(Clone)]
pub struct ApiKey(Vec<u8>);

impl ApiKey {
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self(key.into())
    }

    /// Whether `candidate` is this key. The time it takes tells a guesser the length at most.
    pub(crate) fn matches(&self, candidate: &[u8]) -> bool {
        if self.0.len() != candidate.len() {
            return false;
        }
        let differing = self.0.iter().zip(candidate).fold(0_u8, |bits, (a, b)| bits | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
