//! Which jobs there are.

use std::pin::Pin;
use std::sync::Arc;

use super::{JobContext, Progress};

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOutcome {
    /// Rows, users, files: whatever the job counts.
    pub rows: u64,
    /// A sentence for the history.
    pub note: String,
}

/// Why a run failed, by what can be done about it. The message goes into the history: no ids of users, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    /// Whether the same may succeed later.
    pub retryable: bool,
    pub message: String,
}

impl JobError {
    /// The same may succeed later.
    pub fn later(message: impl ToString) -> Self {
        Self { retryable: true, message: message.to_string() }
    }

    /// It would fail alike if it were tried again.
    pub fn never(message: impl ToString) -> Self {
        Self { retryable: false, message: message.to_string() }
    }
}

/// A job on its way. It is dropped where it awaits when its time is over, its process stops or its leader has lost the lease: whatever
/// it does must be whole or absent then, and harmless if it is done again.
pub type JobFuture<'a> = Pin<Box<dyn Future<Output = Result<JobOutcome, JobError>> + Send + 'a>>;

type Body<C> = dyn for<'a> Fn(&'a C, &'a Progress) -> JobFuture<'a> + Send + Sync;

/// One job. `C` is what it works with.
pub struct Job<C = JobContext> {
    pub name: &'static str,
    /// What it does, for `shoptide jobs list`.
    pub about: &'static str,
    run: Arc<Body<C>>,
}

impl<C> Job<C> {
    pub fn new<F>(name: &'static str, about: &'static str, run: F) -> Self
    where
        F: for<'a> Fn(&'a C, &'a Progress) -> JobFuture<'a> + Send + Sync + 'static,
    {
        Self { name, about, run: Arc::new(run) }
    }

    pub fn run<'a>(&self, context: &'a C, progress: &'a Progress) -> JobFuture<'a> {
        (self.run)(context, progress)
    }
}

impl<C> Clone for Job<C> {
    fn clone(&self) -> Self {
        Self { name: self.name, about: self.about, run: self.run.clone() }
    }
}

/// The jobs that there are, by name.
pub struct Registry<C = JobContext>(Vec<Job<C>>);

impl<C> Registry<C> {
    pub fn empty() -> Self {
        Self(Vec::new())
    }

    /// Adds a job; one of the same name gives way.
    #[must_use]
    pub fn with(mut self, job: Job<C>) -> Self {
        self.0.retain(|other| other.name != job.name);
        self.0.push(job);
        self
    }

    pub fn find(&self, name: &str) -> Option<&Job<C>> {
        self.0.iter().find(|job| job.name == name)
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|job| job.name).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Job<C>> {
        self.0.iter()
    }
}

impl<C> Clone for Registry<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
