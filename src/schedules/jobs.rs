//! Jobs that need more than the crate of jobs: the lake, and what the program makes of its configuration.

use std::sync::Arc;

use shoptide_jobs::report::{Events, ReportError, report_of_days};
use shoptide_jobs::schedule::{Job, JobContext, JobError, JobOutcome, Progress, Registry};
use shoptide_jobs::segments::{SegmentContext, segment_once};

use crate::app;
use crate::data_dir::system_clock;

/// Below the data directory: a folder a day.
const REPORTS: &str = "reports";

/// With the jobs of this program.
pub fn with_jobs(registry: Registry<JobContext>) -> Registry<JobContext> {
    registry
        .with(Job::new(
            "archive",
            "what is new in the log comes into the lake, which is kept tidy",
            |c, p| Box::pin(archive(c, p)),
        ))
        .with(Job::new("segment", "the segments of users found anew, and published", |c, p| {
            Box::pin(segment(c, p))
        }))
        .with(Job::new(
            "report",
            "what the lists earned in the last 30 whole days, as a page and tables",
            |c, p| Box::pin(report(c, p)),
        ))
}

#[cfg(feature = "lake")]
async fn archive(context: &JobContext, progress: &Progress) -> Result<JobOutcome, JobError> {
    use shoptide_config::LogKind;
    use shoptide_jobs::archive::{ArchiveContext, archive_once};
    use shoptide_lake::{Lake, LakeOptions};

    let (config, train) = (&context.config, &context.train);
    let opened = Lake::open(&LakeOptions::of(&config.lake, &context.data_dir)).await;
    let lake = opened.map_err(|error| told(error.passes(), error))?;
    let archive = ArchiveContext {
        lake,
        log: train.log.clone(),
        truth: (config.log.kind == LogKind::Kafka).then(|| train.truth.clone()),
        clock: system_clock(),
        config: config.lake.clone(),
        sweep: true,
    };
    let done = archive_once(&archive, progress).await.map_err(|error| told(error.passes(), error))?;
    let note = format!(
        "{} rows in {} files, {} small files merged, {} rows of erased users taken out",
        done.rows, done.files, done.merged, done.erased_rows
    );
    Ok(JobOutcome { rows: done.records, note })
}

#[cfg(not(feature = "lake"))]
async fn archive(_: &JobContext, _: &Progress) -> Result<JobOutcome, JobError> {
    Err(JobError::never(crate::commands::lake::without("jobs run archive")))
}

#[cfg(feature = "lake")]
fn told(passes: bool, error: impl ToString) -> JobError {
    if passes { JobError::later(error) } else { JobError::never(error) }
}

async fn segment(context: &JobContext, progress: &Progress) -> Result<JobOutcome, JobError> {
    let train = &context.train;
    let made = app::segment_context(&context.config, &train.truth, &train.live).map_err(JobError::never)?;
    let made = SegmentContext { progress: progress.clone(), ..made };
    match segment_once(&made).await {
        Ok(done) => {
            let note = format!(
                "run {}, {} segments of {} users",
                done.run.run,
                done.segments.len(),
                done.run.assigned
            );
            Ok(JobOutcome { rows: done.run.assigned, note })
        }
        Err(error) if error.is_too_little() => Ok(JobOutcome { rows: 0, note: error.to_string() }),
        Err(error) => Err(JobError::later(error)),
    }
}

async fn report(context: &JobContext, progress: &Progress) -> Result<JobOutcome, JobError> {
    let (folder, train) = (context.data_dir.join(REPORTS), &context.train);
    // A run that catches up makes the report of the day it missed.
    let now_ms = progress.due_ms().unwrap_or_else(|| system_clock()());
    let (catalogue, events) = (train.live.catalogue(), lake_events(context).await?);
    let made = report_of_days(&train.log, &train.truth, catalogue, events, &folder, now_ms, progress).await;
    let made = made.map_err(unmade)?;
    Ok(JobOutcome { rows: made.rows, note: format!("in {}", folder.display()) })
}

/// A folder that may not be replaced, or a damaged file, is the same at the next attempt.
fn unmade(error: ReportError) -> JobError {
    JobError { retryable: error.passes(), message: error.to_string() }
}

/// The lake's, if something is archived.
#[cfg(feature = "lake")]
async fn lake_events(context: &JobContext) -> Result<Option<Arc<dyn Events>>, JobError> {
    use shoptide_jobs::report::LakeEvents;
    use shoptide_lake::{Lake, LakeOptions};

    let options = LakeOptions::of(&context.config.lake, &context.data_dir);
    // Opening a folder would make it.
    if !options.url.contains("://") && !std::path::Path::new(&options.url).exists() {
        return Ok(None);
    }
    let lake = Lake::open(&options).await.map_err(|error| told(error.passes(), error))?;
    let events = LakeEvents::open(lake).await.map_err(unmade)?;
    Ok(if events.is_empty() { None } else { Some(Arc::new(events)) })
}

#[cfg(not(feature = "lake"))]
async fn lake_events(_: &JobContext) -> Result<Option<Arc<dyn Events>>, JobError> {
    Ok(None)
}
