//! One attempt: a job with its time-out, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use shoptide_store::{JobRun, RunStatus};

use super::{Job, JobError, JobOutcome, Progress};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub status: RunStatus,
    pub rows: u64,
    pub note: String,
    pub error: String,
}

impl Ended {
    pub fn failed(status: RunStatus, error: impl ToString) -> Self {
        Self { status, rows: 0, note: String::new(), error: error.to_string() }
    }

    /// As it goes into the history.
    pub fn of(self, run: JobRun, now_ms: i64) -> JobRun {
        // A note of the start (what was let go) stays in front.
        let note = [run.note.as_str(), self.note.as_str()]
            .iter()
            .filter(|n| !n.is_empty())
            .copied()
            .collect::<Vec<_>>();
        let note = note.join("; ");
        // 0 would say that it runs.
        let ended_ms = now_ms.max(1);
        JobRun { status: self.status, rows: self.rows, note, error: self.error, ended_ms, ..run }
    }
}

/// Runs a job until it ends or its time is over. What awaits is dropped then; what works in a thread of its own is asked to stop.
pub(super) async fn attempt<C>(job: Job<C>, context: Arc<C>, progress: Progress, timeout: Duration) -> Ended {
    match tokio::time::timeout(timeout, job.run(&context, &progress)).await {
        Ok(Ok(JobOutcome { rows, note })) => {
            Ended { status: RunStatus::Ok, rows, note, error: String::new() }
        }
        Ok(Err(JobError { retryable: true, message })) => Ended::failed(RunStatus::Failed, message),
        Ok(Err(JobError { retryable: false, message })) => Ended::failed(RunStatus::Refused, message),
        Err(_) => {
            progress.stop();
            let error = format!("it did not end within {} s", timeout.as_secs());
            Ended::failed(RunStatus::TimedOut, error)
        }
    }
}
