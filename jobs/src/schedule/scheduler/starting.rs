//! What is due, begun: in the store first, then here.

use std::collections::BTreeSet;

use shoptide_config::ScheduleConfig;
use shoptide_store::{JobRun, JobWrite, Lease, RunKey, RunPage, RunStatus, ScheduleRow, StoreError};

use super::{Running, Scheduler, fence};
use crate::schedule::plan::{self, Moment, Step, View};
use crate::schedule::run::{Ended, attempt};
use crate::schedule::{HAND, Progress};

impl<C: Send + Sync + 'static> Scheduler<C> {
    pub(super) async fn start_what_is_due(&mut self, epoch: i64, leases: &[Lease]) -> Result<(), StoreError> {
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
        let progress = Progress::of_run_due(run.key.scheduled_ms);
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

fn let_go_note(let_go: u64) -> String {
    let least = if plan::COUNTED_MAX <= let_go { "at least " } else { "" };
    format!("{least}{let_go} missed and let go")
}
