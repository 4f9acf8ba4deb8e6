//! Calls that failed, counted where they end.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{CacheFailures, StoreError};

/// By what a caller can do about it.
#[derive(Default)]
pub(super) struct Counts {
    unavailable: AtomicU64,
    full: AtomicU64,
    unusable: AtomicU64,
}

impl Counts {
    /// Counts an outcome and gives it back.
    pub fn of<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome {
            let count = match error {
                StoreError::Full { .. } => &self.full,
                StoreError::Unusable(_) => &self.unusable,
                StoreError::Unavailable { .. }
                | StoreError::Unknown { .. }
                | StoreError::Fenced { .. }
                | StoreError::Changed { .. } => &self.unavailable,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    pub fn seen(&self) -> CacheFailures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheFailures {
            unavailable: read(&self.unavailable),
            full: read(&self.full),
            unusable: read(&self.unusable),
        }
    }
}
