//! A job that a person runs. It has a lease of its own, so that the same job is not run twice at once, and an entry in the history.

use std::time::Duration;

use shoptide_config::RunRules;
use shoptide_store::{Fence, JobRun, JobWrite, Lease, RunKey, RunPage, RunStatus, StoreError};

use super::lease::{Act, RENEWALS, Watch};
use super::run::{Ended, attempt};
use super::scheduler::Parts;
use super::{Job, LEADER, Progress, hand_lease};

/// Between two looks at a lease that another has.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Running runs that are looked through for one of the same job: as many as may run at once, and by hand.
const RUNNING_MAX: usize = 1_000;

/// Why a job was not run by hand.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    #[error("there is no schedule and no job {name}; there are {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("{job} is running already, by {holder}")]
    Runs { job: String, holder: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Told to whoever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Another has the job, and may be dead: known after so long.
    Waits {
        holder: String,
        at_most: Duration,
    },
    Begins,
}

/// A job to be run by hand.
pub struct ByHand<C> {
    parts: Parts<C>,
    name: String,
    job: Job<C>,
    rules: RunRules,
}

impl<C: Send + Sync + 'static> ByHand<C> {
    /// Takes the name of a schedule, whose job and rules it has, or of a job.
    ///
    /// # Errors
    /// [`ByHandError::Unknown`] with the names that there are.
    pub fn new(parts: Parts<C>, name: &str) -> Result<Self, ByHandError> {
        let schedule = parts.schedules.iter().find(|schedule| schedule.name == name);
        let (job, rules) = schedule.map_or((name, parts.jobs.rules), |s| (s.job.as_str(), s.rules));
        let Some(job) = parts.registry.find(job).cloned() else {
            let mut known: Vec<String> = parts.schedules.iter().map(|s| s.name.clone()).collect();
            known.extend(parts.registry.names().into_iter().map(str::to_owned));
            known.sort_unstable();
            known.dedup();
            return Err(ByHandError::Unknown { name: name.to_owned(), known });
        };
        Ok(Self { name: name.to_owned(), job, rules, parts })
    }

    /// Runs it once, and returns how it ended. `stop` ends it before its time: the run is then lost.
    ///
    /// # Errors
    /// [`ByHandError`] if it could not begin, or its end could not be noted.
    pub async fn run(
        self,
        progress: Progress,
        told: impl Fn(Told),
        stop: impl Future<Output = ()>,
    ) -> Result<JobRun, ByHandError> {
        let fence = self.take(&told).await?;
        let now_ms = (self.parts.clock)();
        let run = JobRun {
            key: RunKey { schedule: self.name.clone(), by_hand: true, scheduled_ms: now_ms, attempt: 1 },
            job: self.job.name.to_owned(),
            status: RunStatus::Running,
            started_ms: now_ms,
            ended_ms: 0,
            rows: 0,
            note: String::new(),
            error: String::new(),
            fence: fence.clone(),
            holder: self.parts.holder.clone(),
        };
        self.parts.truth.job_write(JobWrite::Start(run.clone())).await?;
        told(Told::Begins);
        let work =
            attempt(self.job.clone(), self.parts.context.clone(), progress.clone(), self.rules.timeout);
        let mut work = tokio::spawn(work);
        let ended = tokio::select! {
            ended = &mut work => match ended {
                Ok(ended) => ended,
                Err(_) => Ended::failed(RunStatus::Failed, "it panicked"),
            },
            () = stop => Ended::failed(RunStatus::Lost, "it was stopped by hand"),
            () = self.keep(&fence) => Ended::failed(RunStatus::Lost, "its lease was taken by another process"),
        };
        progress.stop();
        work.abort();
        let run = ended.of(run, (self.parts.clock)());
        self.parts.truth.job_write(JobWrite::End(run.clone())).await?;
        let kept = self.parts.jobs.history_max;
        let forget =
            JobWrite::Forget { fence: fence.clone(), schedule: self.name.clone(), by_hand: true, kept };
        self.parts.truth.job_write(forget).await?;
        self.parts.truth.job_write(JobWrite::Release { fence }).await?;
        Ok(run)
    }

    /// Takes the lease of the job: at once if nobody has it, else once its holder is known to be silent.
    async fn take(&self, told: &impl Fn(Told)) -> Result<Fence, ByHandError> {
        let (lease, length) = (hand_lease(self.job.name), self.parts.jobs.lease);
        let (mut hand, mut leader) = (Watch::new(length), Watch::new(length));
        let mut first: Option<Lease> = None;
        loop {
            let leases = self.parts.truth.job_leases().await?;
            let now = (self.parts.steady)();
            let of = |name: &str| leases.iter().find(|lease| lease.name == name);
            let act = hand.look(of(&lease), now);
            // A schedule may run it as well; a leader who is silent runs nothing any more.
            let led = leader.look(of(LEADER), now);
            let scheduled = match led {
                Act::Nothing => self.runs_on_schedule().await?,
                _ => false,
            };
            match act {
                Act::Take { epoch, beat } if !scheduled => {
                    match self.parts.truth.job_write(self.parts.take(&lease, epoch, beat)).await {
                        Ok(()) => return Ok(Fence { lease, epoch: epoch + 1 }),
                        Err(StoreError::Changed { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                _ => {
                    let other = if scheduled { of(LEADER) } else { of(&lease) };
                    let Some(other) = other.cloned() else { continue };
                    match &first {
                        // The one that it waits for has given a sign of life.
                        Some(seen) if seen.name == other.name && *seen != other => {
                            return Err(ByHandError::Runs {
                                job: self.job.name.to_owned(),
                                holder: other.holder,
                            });
                        }
                        Some(seen) if seen.name == other.name => {}
                        _ => {
                            told(Told::Waits { holder: other.holder.clone(), at_most: length });
                            first = Some(other);
                        }
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn runs_on_schedule(&self) -> Result<bool, StoreError> {
        let page = RunPage {
            by_hand: Some(false),
            status: Some(RunStatus::Running),
            limit: RUNNING_MAX,
            ..RunPage::default()
        };
        Ok(self.parts.truth.job_runs(page).await?.iter().any(|run| run.job == self.job.name))
    }

    /// Renews the lease until another has it.
    async fn keep(&self, fence: &Fence) {
        loop {
            tokio::time::sleep(self.parts.jobs.lease / RENEWALS).await;
            let renew = JobWrite::Renew { fence: fence.clone(), until_ms: self.parts.until_ms() };
            match self.parts.truth.job_write(renew).await {
                Ok(()) => {}
                Err(StoreError::Changed { .. }) => return,
                // It may be there again before the lease runs out; if not, the end of the run is refused.
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
            }
        }
    }
}
