//! How long a step may take: what it has put is nobody's until its commit, and a sweep takes what has been nobody's for long.

use std::time::{Duration, Instant};

use crate::LakeError;

/// A step that took longer may meet a sweep of what it put: it is given up and done again.
pub(crate) const STEP_MAX: Duration = Duration::from_secs(20 * 60);

/// The time of a run and of the step it is at.
#[derive(Debug)]
pub(crate) struct Pace {
    now_ms: i64,
    run: Instant,
    step: Instant,
}

impl Pace {
    /// A run that begins now, at `now_ms` since 1970.
    pub fn new(now_ms: i64) -> Self {
        let now = Instant::now();
        Self { now_ms, run: now, step: now }
    }

    /// A step begins: nothing that is not committed has been put before.
    pub fn step(&mut self) {
        self.step = Instant::now();
    }

    /// Whether the step should be committed before anything is added to it.
    pub fn is_long(&self) -> bool {
        STEP_MAX / 2 < self.step.elapsed()
    }

    /// The clock, for a commit of now.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.saturating_add(i64::try_from(self.run.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// # Errors
    /// [`LakeError::Unavailable`] if what the step has put may be swept already.
    pub fn in_time(&self) -> Result<(), LakeError> {
        if self.step.elapsed() <= STEP_MAX {
            return Ok(());
        }
        let reason = format!("a step took longer than {} s and is done again", STEP_MAX.as_secs());
        Err(LakeError::Unavailable { reason })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_committed_early_or_not_at_all() {
        let mut pace = Pace::new(1_000);
        assert!(!pace.is_long() && pace.in_time().is_ok());
        let ago = |time: Duration| Instant::now().checked_sub(time).unwrap();
        pace.run = ago(STEP_MAX * 3);
        pace.step = ago(STEP_MAX / 2 + Duration::from_secs(1));
        assert!(pace.is_long() && pace.in_time().is_ok());
        pace.step = ago(STEP_MAX + Duration::from_secs(1));
        assert!(pace.in_time().unwrap_err().to_string().contains("1200 s"));
        assert!(1_000 + 3 * 1_200_000 <= pace.now_ms() && pace.now_ms() < 1_000 + 3 * 1_200_000 + 60_000);
        pace.step();
        assert!(!pace.is_long() && pace.in_time().is_ok());
    }
}
