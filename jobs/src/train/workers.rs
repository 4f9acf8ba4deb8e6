//! The threads that train: as many as cores, but behind everything that answers somebody. A training uses what is idle;
//! shards and the API go first.

use std::sync::Arc;

use super::TrainError;

/// The last of the kernel's steps of courtesy: a busy shard gets nearly seventy times the share of a training thread.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// A pool of courteous threads. Cheap to clone.
#[derive(Clone)]
pub struct Workers(Arc<rayon::ThreadPool>);

impl Workers {
    /// One thread a core.
    ///
    /// # Errors
    /// [`TrainError::Numbers`] if the system gives no threads.
    pub fn all_cores() -> Result<Self, TrainError> {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// # Errors
    /// [`TrainError::Numbers`] if the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, TrainError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|n| format!("train-{n}"))
            .start_handler(|_| stand_back())
            .build();
        pool.map(|pool| Self(Arc::new(pool))).map_err(|e| TrainError::Numbers(e.to_string()))
    }

    /// Runs work that may take seconds, away from the runtime's own threads.
    ///
    /// # Errors
    /// [`TrainError::Numbers`] if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TrainError> {
        if shoptide_faults::simulated() {
            return Ok(work());
        }
        let (answer, done) = tokio::sync::oneshot::channel();
        self.0.spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // The asker may have gone.
            drop(answer.send(result));
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            _ => Err(TrainError::Numbers("the training panicked".to_owned())),
        }
    }
}

#[cfg(target_os = "linux")]
fn stand_back() {
    // `None` is the calling thread: niceness is a thread's own on Linux.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "training threads keep the usual priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}
