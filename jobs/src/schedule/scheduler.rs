//! The shell around the plan: it reads what is known, asks what is due, and carries it out under the lease.

mod leading;
mod starting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shoptide_config::{JobsConfig, ScheduleConfig};
use shoptide_live::Metrics;
use shoptide_store::{Fence, JobRun, JobWrite, RunStatus, StoreError, Truth};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::clocks::Clocks;
use super::lease::Watch;
use super::run::Ended;
use super::{LEADER, Progress, Registry};

/// Between two looks: instants are whole seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a scheduler works with.
pub struct Parts<C> {
    pub truth: Arc<dyn Truth>,
    pub context: Arc<C>,
    pub registry: Registry<C>,
    pub schedules: Vec<ScheduleConfig>,
    pub jobs: JobsConfig,
    pub metrics: Arc<Metrics>,
    /// Names this process.
    pub holder: String,
    /// Milliseconds since 1970: what cron expressions are compared with. It may jump.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Time since some moment: what leases are compared with. It never jumps.
    pub steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl<C> Parts<C> {
    pub(super) fn until_ms(&self) -> i64 {
        let length = i64::try_from(self.jobs.lease.as_millis()).unwrap_or(i64::MAX);
        // 0 would say that the lease was given back.
        (self.clock)().saturating_add(length).max(1)
    }

    pub(super) fn take(&self, lease: &str, epoch: i64, beat: i64) -> JobWrite {
        let (lease, holder) = (lease.to_owned(), self.holder.clone());
        JobWrite::Take { lease, holder, epoch, beat, until_ms: self.until_ms(), now_ms: (self.clock)() }
    }
}

/// A run of this process.
struct Running {
    run: JobRun,
    progress: Progress,
    abort: AbortHandle,
}

/// Runs schedules while it leads.
pub struct Scheduler<C> {
    parts: Parts<C>,
    watch: Watch,
    /// Of jobs that are run by hand, whose process may die as well.
    hands: BTreeMap<String, Watch>,
    clocks: Clocks,
    /// How each ended, and when.
    tasks: JoinSet<(Ended, i64)>,
    /// By schedule.
    running: BTreeMap<String, Running>,
    /// Ended here, and not yet in the store: at most as many as may run.
    ending: Vec<JobRun>,
}

impl<C: Send + Sync + 'static> Scheduler<C> {
    /// Takes the schedules that have a cron expression. `None` if none has: then there is nothing to lead.
    pub fn new(mut parts: Parts<C>) -> Option<Self> {
        parts.schedules.retain(|schedule| schedule.cron.is_some());
        let watch = Watch::new(parts.jobs.lease);
        (!parts.schedules.is_empty()).then(|| Self {
            parts,
            watch,
            hands: BTreeMap::new(),
            clocks: Clocks::default(),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            ending: Vec::new(),
        })
    }

    /// Looks every second until `stop` turns true, then stops what runs and gives the lease back.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut failing = false;
        loop {
            match self.tick().await {
                Ok(()) => failing = false,
                // Said once an outage.
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "schedules cannot be looked at, trying on")
                }
                Err(_) => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                // Its end is noted at once.
                () = self.some_run_ends(), if !failing && !self.tasks.is_empty() => {}
            }
        }
        self.stop().await;
    }

    /// One look: the lease, what has ended, what is due.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: what was not done is done at a later look.
    pub async fn tick(&mut self) -> Result<(), StoreError> {
        if let Some(jump_ms) = self.clocks.jumped((self.parts.clock)(), (self.parts.steady)()) {
            tracing::warn!(
                jump_ms,
                "the clock has jumped: instants in between are missed, those of before do not run twice"
            );
        }
        self.collect();
        let leases = self.parts.truth.job_leases().await?;
        self.lead(&leases).await?;
        let Some(epoch) = self.watch.epoch() else { return Ok(()) };
        self.write_endings().await?;
        self.bury(&leases).await?;
        self.start_what_is_due(epoch, &leases).await
    }

    /// Whether this process leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.watch.epoch().is_some()
    }

    /// Whether nothing runs here, and no end is still to be written.
    pub fn idle(&self) -> bool {
        self.running.is_empty() && self.ending.is_empty()
    }

    /// Waits for a run of this process to end, if one runs. The next look writes how.
    pub async fn some_run_ends(&mut self) {
        if let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
    }

    /// Stops what runs, notes it as lost, and gives the lease back, so that another process need not wait.
    pub async fn stop(mut self) {
        self.collect();
        let now_ms = (self.parts.clock)();
        for (_, Running { run, progress, abort }) in std::mem::take(&mut self.running) {
            progress.stop();
            abort.abort();
            self.ending.push(Ended::failed(RunStatus::Lost, "its process was stopped").of(run, now_ms));
        }
        let Some(epoch) = self.watch.epoch() else { return };
        let written = async {
            self.write_endings().await?;
            self.parts.truth.job_write(JobWrite::Release { fence: fence(epoch) }).await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "the lease of schedules could not be given back, it runs out by itself");
        }
        self.parts.metrics.jobs.leader.set(0);
    }

    /// Takes note of the tasks that have ended.
    fn collect(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, (Ended, i64)), tokio::task::JoinError>) {
        let (id, (ended, at_ms)) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => {
                (error.id(), (Ended::failed(RunStatus::Failed, "it panicked"), (self.parts.clock)()))
            }
            // It was stopped, and whoever stopped it has said so.
            Err(_) => return,
        };
        let Some(name) = self.running.iter().find(|(_, r)| r.abort.id() == id).map(|(name, _)| name.clone())
        else {
            return;
        };
        if let Some(Running { run, .. }) = self.running.remove(&name) {
            self.ending.push(ended.of(run, at_ms));
        }
    }

    /// Writes how runs ended; what cannot be written now is tried at the next look, and holds its place until then.
    async fn write_endings(&mut self) -> Result<(), StoreError> {
        while let Some(run) = self.ending.last() {
            match self.parts.truth.job_write(JobWrite::End(run.clone())).await {
                Ok(()) => self.told(run),
                Err(StoreError::Changed { what }) => {
                    // Fenced, or a write whose outcome was unknown had gone through.
                    tracing::warn!(
                        what,
                        schedule = run.key.schedule,
                        "the end of a run was not noted: it was noted before, or is another's"
                    );
                }
                Err(error) => return Err(error),
            }
            let Some(run) = self.ending.pop() else { break };
            let kept = self.parts.jobs.history_max;
            let forget =
                JobWrite::Forget { fence: run.fence, schedule: run.key.schedule, by_hand: false, kept };
            match self.parts.truth.job_write(forget).await {
                Ok(()) | Err(StoreError::Changed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn told(&self, run: &JobRun) {
        let (schedule, job, rows) = (&run.key.schedule, &run.job, run.rows);
        let seconds = run.ended_ms.saturating_sub(run.started_ms) as f64 / 1_000.0;
        match run.status {
            RunStatus::Ok => tracing::info!(schedule, job, rows, seconds, note = run.note, "a job ran"),
            _ => tracing::warn!(schedule, job, status = run.status.name(), error = run.error, "a job failed"),
        }
        self.parts.metrics.jobs.ran(schedule, job, run.status.name(), seconds, run.ended_ms);
    }
}

fn fence(epoch: i64) -> Fence {
    Fence { lease: LEADER.to_owned(), epoch }
}
