//! How far a run is: written by the job, read by whoever shows it. The same value tells a job what it was due for, and that it
//! should stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Of one run. Cheap to clone: all clones tell of the same run.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Run>);

#[derive(Debug, Default)]
struct Run {
    phase: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
    stop: AtomicBool,
    due_ms: Option<i64>,
}

/// What a look at it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub phase: String,
    pub done: u64,
    /// 0: nobody knows.
    pub total: u64,
}

impl Progress {
    /// Of a run that its schedule wanted at an instant, milliseconds since 1970.
    pub fn of_run_due(due_ms: i64) -> Self {
        Self(Arc::new(Run { due_ms: Some(due_ms), ..Run::default() }))
    }

    /// The instant that the run stands for: one that catches up, or is tried again, begins later. `None` of a run by hand.
    pub fn due_ms(&self) -> Option<i64> {
        self.0.due_ms
    }

    /// Begins a part of the work: so many steps, or 0 if nobody knows.
    pub fn begin(&self, phase: &str, total: u64) {
        phase.clone_into(&mut self.0.phase.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }

    /// So many steps more are done.
    pub fn add(&self, steps: u64) {
        self.0.done.fetch_add(steps, Ordering::Relaxed);
    }

    /// So many steps are done of so many, where the end moves.
    pub fn set(&self, done: u64, total: u64) {
        self.0.done.store(done, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }

    pub fn look(&self) -> Look {
        let phase = self.0.phase.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Look { phase, done: self.0.done.load(Ordering::Relaxed), total: self.0.total.load(Ordering::Relaxed) }
    }

    /// Asks the job to stop: nobody waits for it any more. What awaits is dropped anyway; this is for threads of its own.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }

    pub fn stopped(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }
}
