//! Where generated and imported events go: one trait, and what it answers. Sending again after a doubt is safe, since a
//! repeated `event_id` has no second effect.

use async_trait::async_trait;
use serde::Deserialize;
use shoptide_log::LogError;
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::wire::WireEvent;

/// Tries of one request; with the waits below they last some 13 seconds, longer than a restart takes.
pub(crate) const ATTEMPTS_MAX: u32 = 12;
const FIRST_WAIT_MS: u64 = 25;
const WAIT_MS_MAX: u64 = 2_000;

/// Something to send.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Event(WireEvent),
    Item(WireCatalogue),
}

/// What became of one line of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Verdict {
    /// Place in the batch as sent, from 0.
    pub index: usize,
    /// `accepted` or `rejected`.
    pub status: String,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub field: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    /// Where it lies in the log, for whoever measures freshness; of several records, the last.
    #[serde(default)]
    pub topic: Option<String>,
    #[serde(default)]
    pub partition: Option<u32>,
    #[serde(default)]
    pub offset: Option<i64>,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    pub accepted: u64,
    pub rejected: u64,
    pub verdicts: Vec<Verdict>,
}

impl Sent {
    /// Adds the answer to a later part of the same batch, whose first line was `base`.
    pub(crate) fn append(&mut self, other: Sent, base: usize) {
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.verdicts.extend(other.verdicts.into_iter().map(|v| Verdict { index: base + v.index, ..v }));
    }
}

/// What a caller can do about a batch that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Come back later: it stayed busy or away through every try. Events may have been taken; send them all again.
    #[error("{target} is busy or away after {attempts} tries: {reason}")]
    Away { target: String, attempts: u32, reason: String },
    /// Change the request: address, key, or size.
    #[error("{target} refused the batch with {status}: {message}")]
    Refused { target: String, status: u16, message: String },
    /// The address is no collector of ours.
    #[error("{target} is no collector: {reason}")]
    NotACollector { target: String, reason: String },
    /// Stop: the log itself says so.
    #[error(transparent)]
    Log(LogError),
}

/// Takes batches, in order.
#[async_trait]
pub trait Sink: Send {
    /// Returns once the batch is in the log; bad lines are answered for, not an error.
    ///
    /// # Errors
    /// [`SinkError`]; the batch may be sent again.
    async fn send(&mut self, batch: Vec<Outgoing>) -> Result<Sent, SinkError>;
}

/// How long to wait after try number `attempt` (from 0): doubling, bounded.
pub(crate) fn wait_ms(attempt: u32) -> u64 {
    FIRST_WAIT_MS.saturating_mul(1_u64 << attempt.min(16)).min(WAIT_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound() {
        assert_eq!([0, 1, 2, 6, 7, 11, u32::MAX].map(wait_ms), [25, 50, 100, 1_600, 2_000, 2_000, 2_000]);
        let total_ms: u64 = (0..ATTEMPTS_MAX).map(wait_ms).sum();
        assert!((10_000..15_000).contains(&total_ms), "{total_ms}");
    }
}
