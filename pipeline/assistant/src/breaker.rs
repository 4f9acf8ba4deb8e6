//! Leaves a model alone that failed often: a shopper should not wait eight seconds for what will not come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longest rest that a provider's `Retry-After` can ask for.
const REST_MAX: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Milliseconds of the clock until which nobody asks.
    until_ms: i64,
}

#[derive(Debug)]
pub(crate) struct Breaker {
    failures_max: u32,
    rest: Duration,
    state: Mutex<State>,
}

impl Breaker {
    pub fn new(failures_max: u32, rest: Duration) -> Self {
        Self { failures_max, rest, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one may ask now. The first after a rest is a trial: others wait for how it ends, or for another rest.
    pub fn admits(&self, now_ms: i64) -> bool {
        let mut state = self.state();
        if now_ms < state.until_ms {
            return false;
        }
        if self.failures_max <= state.failures {
            state.until_ms = now_ms.saturating_add(ms(self.rest));
        }
        true
    }

    pub fn succeeded(&self) {
        *self.state() = State::default();
    }

    /// `rest`: as long as the provider asked for, if it did.
    pub fn failed(&self, now_ms: i64, rest: Option<Duration>) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let enough = (self.failures_max <= state.failures).then_some(self.rest);
        if let Some(rest) = rest.map(|r| r.min(REST_MAX)).max(enough) {
            state.until_ms = state.until_ms.max(now_ms.saturating_add(ms(rest)));
        }
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_after_failures_in_a_row_and_tries_one() {
        let breaker = Breaker::new(2, Duration::from_secs(30));
        breaker.failed(0, None);
        breaker.succeeded();
        breaker.failed(0, None);
        assert!(breaker.admits(1), "two failures, not in a row");
        breaker.failed(1, None);
        assert!(!breaker.admits(30_000));
        assert!(breaker.admits(30_001), "the trial");
        assert!(!breaker.admits(30_002), "one trial at a time");
        breaker.succeeded();
        assert!(breaker.admits(30_003));
    }

    #[test]
    fn it_rests_as_long_as_the_provider_asks_within_a_bound() {
        let breaker = Breaker::new(5, Duration::from_secs(30));
        breaker.failed(0, Some(Duration::from_secs(7)));
        assert!(!breaker.admits(6_999) && breaker.admits(7_000));
        breaker.failed(7_000, Some(Duration::from_secs(1_000_000)));
        assert!(breaker.admits(7_000 + 300_000));
    }
}
