//! The shell around the plan: it reads what is known, asks what is due, and carries it out under the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shoptide_config::{JobsConfig, ScheduleConfig};
use shoptide_live::Metrics;
use shoptide_store::{
    Fence, JobRun, JobWrite, Lease, RunKey, RunPage, RunStatus, ScheduleRow, StoreError, Truth,
};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::clocks::Clocks;
use super::lease::{Act, Watch};
use super::plan::{self, Moment, Step, View};
use super::run::{Ended, attempt};
use super::{HAND, LEADER, Progress, Registry};

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
    progress: Arc<Progress>,
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

    /// Takes, keeps or loses the lease.
    async fn lead(&mut self, leases: &[Lease]) -> Result<(), StoreError> {
        let (row, now) = (leases.iter().find(|lease| lease.name == LEADER), (self.parts.steady)());
        let (write, taken) = match self.watch.look(row, now) {
            Act::Nothing => return Ok(()),
            Act::Lost => {
                self.stand_down();
                return Ok(());
            }
            Act::Take { epoch, beat } => (self.parts.take(LEADER, epoch, beat), Some(epoch + 1)),
            Act::Renew => {
                let fence = fence(self.watch.epoch().unwrap_or(0));
                (JobWrite::Renew { fence, until_ms: self.parts.until_ms() }, None)
            }
        };
        match (self.parts.truth.job_write(write).await, taken) {
            (Ok(()), Some(epoch)) => {
                self.watch.taken(epoch, now);
                tracing::info!(epoch, holder = self.parts.holder, "this process runs the schedules now");
                self.parts.metrics.jobs.leader.set(1);
                self.tell_monitors().await?;
            }
            (Ok(()), None) => self.watch.renewed(now),
            // Another was faster.
            (Err(StoreError::Changed { .. }), Some(_)) => {}
            (Err(StoreError::Changed { .. }), None) => {
                self.watch.lost();
                self.stand_down();
            }
            (Err(error), _) => return Err(error),
        }
        Ok(())
    }

    /// Another leads: what runs here can be recorded by nobody, and is stopped.
    fn stand_down(&mut self) {
        tracing::warn!(
            running = self.running.len(),
            "another process runs the schedules now, what ran here is stopped"
        );
        for (_, running) in std::mem::take(&mut self.running) {
            running.progress.stop();
            running.abort.abort();
        }
        self.ending.clear();
        self.parts.metrics.jobs.stand_down();
    }

    /// What monitors compare with the time: when each schedule last succeeded, and how long it may take until the next.
    async fn tell_monitors(&self) -> Result<(), StoreError> {
        let (truth, metrics) = (&self.parts.truth, &self.parts.metrics.jobs);
        let known = truth.job_schedules().await?;
        let now_ms = (self.parts.clock)();
        for schedule in &self.parts.schedules {
            let page = RunPage {
                schedule: Some(schedule.name.clone()),
                status: Some(RunStatus::Ok),
                limit: 1,
                ..RunPage::default()
            };
            let last = truth.job_runs(page).await?.first().map_or(i64::MIN, |run| run.ended_ms);
            // With another expression it begins anew.
            let rule = schedule.cron.as_ref().map_or("", |cron| cron.as_str());
            let met = known.iter().find(|row| row.name == schedule.name && row.rule == rule);
            metrics.succeeded(&schedule.name, last.max(met.map_or(now_ms, |row| row.since_ms)));
            let pause = schedule.cron.as_ref().and_then(|cron| cron.longest_pause_ms(now_ms));
            metrics.period(&schedule.name, pause.unwrap_or(0));
        }
        Ok(())
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

    /// A process that ran a job by hand may have died: its run is lost, and the job free again.
    async fn bury(&mut self, leases: &[Lease]) -> Result<(), StoreError> {
        let length = self.parts.jobs.lease;
        for lease in leases.iter().filter(|lease| lease.name.starts_with(HAND) && lease.until_ms != 0) {
            let watch = self.hands.entry(lease.name.clone()).or_insert_with(|| Watch::new(length));
            let Act::Take { epoch, beat } = watch.look(Some(lease), (self.parts.steady)()) else { continue };
            let fence = Fence { lease: lease.name.clone(), epoch: epoch + 1 };
            let taken = self.parts.truth.job_write(self.parts.take(&lease.name, epoch, beat)).await;
            match taken {
                Ok(()) => self.parts.truth.job_write(JobWrite::Release { fence }).await?,
                Err(StoreError::Changed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn start_what_is_due(&mut self, epoch: i64, leases: &[Lease]) -> Result<(), StoreError> {
        let moment = Moment::new((self.parts.clock)(), epoch, self.parts.jobs.lease);
        let known = self.parts.truth.job_schedules().await?;
        let mut steps = Vec::new();
        for schedule in &self.parts.schedules {
            let Some(cron) = &schedule.cron else { continue };
            let page = RunPage {
                schedule: Some(schedule.name.clone()),
                by_hand: Some(false),
                due_until_ms: Some(moment.now_ms),
                limit: 1,
                ..RunPage::default()
            };
            let last = self.parts.truth.job_runs(page).await?;
            let name = &schedule.name;
            let ending = self.ending.iter().any(|run| run.key.schedule == *name);
            let view = View {
                schedule,
                cron,
                known: known.iter().find(|row| row.name == *name),
                last: last.first(),
                running: ending || self.running.contains_key(name),
            };
            steps.extend(plan::step(&view, &moment).map(|step| (schedule, step)));
        }
        let mut busy: BTreeSet<String> = self.running.values().map(|r| r.run.job.clone()).collect();
        busy.extend(self.ending.iter().map(|run| run.job.clone()));
        let by_hand = leases.iter().filter(|lease| lease.until_ms != 0);
        busy.extend(by_hand.filter_map(|lease| lease.name.strip_prefix(HAND).map(str::to_owned)));
        let room = self.parts.jobs.running_max.saturating_sub(self.running.len() + self.ending.len());
        let steps: Vec<(ScheduleConfig, Step)> = plan::admit(steps, &busy, room)
            .into_iter()
            .map(|(schedule, step)| (schedule.clone(), step))
            .collect();
        for (schedule, step) in steps {
            match self.carry_out(&schedule, step, &moment).await {
                // The lease or the run is another's: the next look sees it.
                Err(StoreError::Changed { .. }) => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        schedule: &ScheduleConfig,
        step: Step,
        moment: &Moment,
    ) -> Result<(), StoreError> {
        let new = |scheduled_ms, attempt, status| JobRun {
            key: RunKey { schedule: schedule.name.clone(), by_hand: false, scheduled_ms, attempt },
            job: schedule.job.clone(),
            status,
            started_ms: moment.now_ms,
            ended_ms: if status == RunStatus::Running { 0 } else { moment.now_ms.max(1) },
            rows: 0,
            note: String::new(),
            error: String::new(),
            fence: fence(moment.epoch),
            holder: self.parts.holder.clone(),
        };
        let write = match step {
            Step::Know { since_ms, floor_ms } => {
                let rule = schedule.cron.as_ref().map_or(String::new(), ToString::to_string);
                let row = ScheduleRow { name: schedule.name.clone(), rule, since_ms, floor_ms };
                JobWrite::Know { fence: fence(moment.epoch), row }
            }
            Step::Abandon(key) => {
                let run = JobRun { key, ..new(0, 1, RunStatus::Running) };
                let ended = Ended::failed(RunStatus::Lost, "its start was never confirmed");
                JobWrite::End(ended.of(run, moment.now_ms))
            }
            Step::Skip { scheduled_ms, let_go } => {
                let run = JobRun { note: let_go_note(let_go), ..new(scheduled_ms, 1, RunStatus::Skipped) };
                tracing::warn!(schedule = schedule.name, note = run.note, "instants were missed");
                self.parts.metrics.jobs.runs.with_label_values(&[&schedule.job, run.status.name()]).inc();
                JobWrite::Start(run)
            }
            Step::Start { scheduled_ms, attempt, let_go } => {
                let note = if let_go == 0 { String::new() } else { let_go_note(let_go) };
                let run = JobRun { note, ..new(scheduled_ms, attempt, RunStatus::Running) };
                return self.start(schedule, run).await;
            }
        };
        self.parts.truth.job_write(write).await
    }

    /// Begins a run: in the store first, so that whoever takes over knows of it.
    async fn start(&mut self, schedule: &ScheduleConfig, run: JobRun) -> Result<(), StoreError> {
        let Some(job) = self.parts.registry.find(&schedule.job).cloned() else {
            let error = format!("there is no job {}", schedule.job);
            return Err(StoreError::Unusable(error));
        };
        self.parts.truth.job_write(JobWrite::Start(run.clone())).await?;
        let progress = Arc::new(Progress::default());
        let context = self.parts.context.clone();
        let clock = self.parts.clock.clone();
        let work = attempt(job, context, progress.clone(), schedule.rules.timeout);
        let abort = self.tasks.spawn(async move {
            let ended = work.await;
            (ended, clock())
        });
        self.running.insert(schedule.name.clone(), Running { run, progress, abort });
        Ok(())
    }
}

fn fence(epoch: i64) -> Fence {
    Fence { lease: LEADER.to_owned(), epoch }
}

fn let_go_note(let_go: u64) -> String {
    let least = if plan::COUNTED_MAX <= let_go { "at least " } else { "" };
    format!("{least}{let_go} missed and let go")
}
