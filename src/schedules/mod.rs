//! The jobs that this program has, and what they work with. A job that needs more than the crate of jobs is added here: one entry.

mod jobs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_config::Config;
use shoptide_jobs::schedule::{JobContext, Parts, Registry, holder};
use shoptide_jobs::train::{TrainAsker, TrainContext};

use crate::app;
use crate::data_dir::{DataDir, system_clock};

/// Every job of this build.
pub fn registry() -> Registry {
    jobs::with_jobs(Registry::builtin())
}

/// Everything that runs them needs.
pub fn parts(
    config: &Config,
    data: &DataDir,
    train: TrainContext,
    trainer: Option<TrainAsker>,
) -> Parts<JobContext> {
    let (truth, metrics) = (train.truth.clone(), train.live.metrics().clone());
    let context = JobContext {
        config: Arc::new(config.clone()),
        data_dir: data.path().to_owned(),
        train,
        trainer,
        inspect: app::inspect(),
    };
    Parts {
        truth,
        context: Arc::new(context),
        registry: registry(),
        schedules: config.schedules.clone(),
        jobs: config.jobs.clone(),
        metrics,
        holder: holder(),
        clock: system_clock(),
        steady: steady_clock(),
    }
}

/// Time since this process began.
fn steady_clock() -> Arc<dyn Fn() -> Duration + Send + Sync> {
    let began = Instant::now();
    Arc::new(move || began.elapsed())
}
