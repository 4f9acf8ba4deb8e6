//! Metrics of jobs on a schedule. Names of schedules and jobs come from the configuration, so the label sets are closed.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

use crate::metrics::names;

/// A job takes from a moment to a night.
const SECONDS: &[f64] = &[0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0];

/// Of the process that leads; the others run nothing.
#[derive(Debug)]
pub struct JobMetrics {
    /// Labels: job_name (`job` is Prometheus' own), status (as `RunStatus::name`). Attempts that ended, and instants that were let go.
    pub runs: IntCounterVec,
    /// Label: job_name.
    pub seconds: HistogramVec,
    /// Label: schedule. When it last succeeded, or was met.
    pub succeeded: GaugeVec,
    /// Label: schedule. The longest pause between its instants.
    pub period: GaugeVec,
    /// 1 while this process runs the schedules.
    pub leader: IntGauge,
}

impl JobMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let runs = IntCounterVec::new(
            Opts::new(names::JOB_RUNS_TOTAL, "Runs of jobs on a schedule, by how they ended."),
            &["job_name", "status"],
        )?;
        let options = HistogramOpts::new(names::JOB_SECONDS, "Time of a run.").buckets(SECONDS.to_vec());
        let seconds = HistogramVec::new(options, &["job_name"])?;
        let help = "When a schedule last succeeded, else when it was met, seconds since 1970.";
        let succeeded = GaugeVec::new(Opts::new(names::JOB_SUCCEEDED, help), &["schedule"])?;
        let help = "The longest pause between the instants of a schedule.";
        let period = GaugeVec::new(Opts::new(names::JOB_PERIOD, help), &["schedule"])?;
        let leader = IntGauge::new(names::JOB_LEADER, "Whether this process runs the schedules.")?;
        registry.register(Box::new(runs.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(succeeded.clone()))?;
        registry.register(Box::new(period.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        Ok(Self { runs, seconds, succeeded, period, leader })
    }

    /// A run of a schedule has ended.
    pub fn ran(&self, schedule: &str, job: &str, status: &str, seconds: f64, ended_ms: i64) {
        self.runs.with_label_values(&[job, status]).inc();
        self.seconds.with_label_values(&[job]).observe(seconds);
        if status == "ok" {
            self.succeeded(schedule, ended_ms);
        }
    }

    pub fn succeeded(&self, schedule: &str, at_ms: i64) {
        self.succeeded.with_label_values(&[schedule]).set(at_ms as f64 / 1_000.0);
    }

    pub fn period(&self, schedule: &str, pause_ms: i64) {
        self.period.with_label_values(&[schedule]).set(pause_ms as f64 / 1_000.0);
    }

    /// Another process leads, and tells the rest.
    pub fn stand_down(&self) {
        self.leader.set(0);
        self.succeeded.reset();
        self.period.reset();
    }
}
