//! The lease: taken, kept, lost; and leases of others that nobody gives back.

use shoptide_store::{Fence, JobWrite, Lease, RunPage, RunStatus, StoreError};

use super::{Scheduler, fence};
use crate::schedule::lease::{Act, Watch};
use crate::schedule::{HAND, LEADER};

impl<C: Send + Sync + 'static> Scheduler<C> {
    /// Takes, keeps or loses the lease.
    pub(super) async fn lead(&mut self, leases: &[Lease]) -> Result<(), StoreError> {
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

    /// A process that ran a job by hand may have died: its run is lost, and the job free again.
    pub(super) async fn bury(&mut self, leases: &[Lease]) -> Result<(), StoreError> {
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
}
