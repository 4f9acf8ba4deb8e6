//! The jobs that every build has. Each may be repeated, and killed at any moment:
//!
//! - `train` publishes by a compare-and-set of the model's pointer; a version that was not published is nobody's
//! - `evaluate`, `verify` and `verify_all` only read
//! - `tidy` forgets what no list names, which is as gone the second time

use std::io::ErrorKind;
use std::path::Path;

use shoptide_log::LogError;
use shoptide_store::StoreError;
use tempfile::TempDir;

use super::{Job, JobContext, JobError, JobOutcome, Progress, Registry};
use crate::train::{
    Outcome, Tables, TrainContext, TrainError, Trained, forget_unneeded, held_out, train_once,
};
use crate::verify::{Verify, VerifyError};

impl Registry<JobContext> {
    /// The jobs of this crate. The program adds those that need more.
    pub fn builtin() -> Self {
        Registry::empty()
            .with(Job::new("train", "a full training of the served model, published", |c, p| {
                Box::pin(train(c, p))
            }))
            .with(Job::new("evaluate", "held-out quality of the served blend, into the history", |c, p| {
                Box::pin(evaluate(c, p))
            }))
            .with(Job::new(
                "verify",
                "a sample of lists made again, and the counts of every partition",
                |c, p| Box::pin(verify(c, p, false)),
            ))
            .with(Job::new("verify_all", "the whole log folded again and compared with the truth", |c, p| {
                Box::pin(verify(c, p, true))
            }))
            .with(Job::new("tidy", "models that no list names any more are forgotten", |c, p| {
                Box::pin(tidy(c, p))
            }))
    }
}

/// Races for a version that a training of its own loses before it gives up: the trainer of another process publishes every few
/// seconds while events come in.
const RACES_MAX: u32 = 3;

async fn train(context: &JobContext, progress: &Progress) -> Result<JobOutcome, JobError> {
    progress.begin("training", 0);
    let mut races = 0;
    let trained = loop {
        let before = context.train.truth.model_pointer().await.map_err(|e| training(e.into()))?;
        let trained = match &context.trainer {
            Some(trainer) => trainer.train_now().await,
            None => train_once(&TrainContext { progress: progress.clone(), ..context.train.clone() }).await,
        };
        races += 1;
        // Another trainer published meanwhile: begun again from there.
        let lost = matches!(&trained, Err(TrainError::Store(_))) && races < RACES_MAX;
        if !lost || context.train.truth.model_pointer().await.is_ok_and(|now| now == before) {
            break trained;
        }
        progress.begin("training again, another version was published meanwhile", 0);
    };
    match trained {
        Ok(Trained { model, seconds, users, outcome, .. }) => {
            let note = match outcome {
                Outcome::Published => {
                    format!("version {}, {} items, {seconds:.1} s", model.version(), model.n_items())
                }
                Outcome::Candidate { number, why } => {
                    format!("candidate {number} is not published: {}", why.join("; "))
                }
            };
            Ok(JobOutcome { rows: users as u64, note })
        }
        Err(TrainError::Nothing) => Ok(JobOutcome { rows: 0, note: "no events to train on yet".to_owned() }),
        // A lost race is `Unusable` to the store, and the next attempt may win it.
        Err(error) => Err(JobError::later(error)),
    }
}

async fn evaluate(context: &JobContext, progress: &Progress) -> Result<JobOutcome, JobError> {
    progress.begin("reading", 0);
    let mut tables = Tables::default();
    tables.advance(&*context.train.truth).await.map_err(training)?;
    let params = context.train.params.clone();
    progress.begin("measuring", 0);
    let measured = context.train.workers.run(move || held_out(&tables, &params)).await.map_err(training)?;
    let quality = match measured {
        Ok(quality) => quality,
        Err(TrainError::Nothing) => {
            return Ok(JobOutcome { rows: 0, note: "no events to measure on yet".to_owned() });
        }
        Err(error) => return Err(training(error)),
    };
    let (blend, popular) = (&quality.blend, &quality.popularity);
    let note = format!(
        "recall@20 {:.4}, NDCG@20 {:.4}; popularity {:.4}, {:.4}",
        blend.recall, blend.ndcg, popular.recall, popular.ndcg
    );
    Ok(JobOutcome { rows: quality.users as u64, note })
}

async fn verify(context: &JobContext, progress: &Progress, all: bool) -> Result<JobOutcome, JobError> {
    progress.begin(if all { "replaying" } else { "making lists again" }, 0);
    let scratch = scratch(&context.data_dir.join("scratch").join(if all { "verify_all" } else { "verify" }))
        .map_err(|e| JobError::later(format!("no folder for the replay: {e}")))?;
    let lists = context.config.list_params();
    let verify = Verify {
        log: &*context.train.log,
        truth: &*context.train.truth,
        files: &context.train.files,
        lists: &lists,
        rules_version: context.config.rules_version(),
        scratch: scratch.path(),
        inspect: context.inspect.clone(),
    };
    let report = if all { verify.run().await } else { verify.sample().await }.map_err(proof)?;
    if !report.ok {
        let tables = report.tables.iter().filter(|t| !t.equal).count();
        let sums = report.sums.iter().filter(|s| !s.adds_up).count();
        let lists = report.lists.different.len();
        return Err(JobError::never(format!(
            "the truth is not what the log says: {tables} tables, {sums} partitions' counts and {lists} lists differ; `shoptide state \
             verify` says more"
        )));
    }
    let lists = &report.lists;
    let note = format!(
        "{} records, {} lists made again, {} skipped, {} records behind",
        report.records, lists.recomputed, lists.skipped, report.behind
    );
    let rows = if all { report.records.max(0) as u64 } else { lists.recomputed as u64 };
    Ok(JobOutcome { rows, note })
}

/// An empty folder in a parent of the job's own: of a job there is one run at a time, so what is there was left by one that was
/// killed.
fn scratch(parent: &Path) -> std::io::Result<TempDir> {
    match std::fs::remove_dir_all(parent) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => std::fs::create_dir_all(parent)?,
    }
    TempDir::new_in(parent)
}

async fn tidy(context: &JobContext, progress: &Progress) -> Result<JobOutcome, JobError> {
    progress.begin("forgetting models", 0);
    let gone = forget_unneeded(&context.train).await.map_err(training)?;
    Ok(JobOutcome { rows: gone as u64, note: format!("{gone} model versions forgotten") })
}

fn training(error: TrainError) -> JobError {
    match &error {
        TrainError::Store(inner) => JobError { retryable: passes(inner), message: error.to_string() },
        TrainError::Log(inner) => JobError { retryable: log_passes(inner), message: error.to_string() },
        _ => JobError::later(error),
    }
}

fn proof(error: VerifyError) -> JobError {
    let retryable = match &error {
        VerifyError::Store(inner) => passes(inner),
        VerifyError::Log(inner) => log_passes(inner),
        VerifyError::Replay(_) | VerifyError::Live(_) => true,
    };
    JobError { retryable, message: error.to_string() }
}

fn passes(error: &StoreError) -> bool {
    !matches!(error, StoreError::Unusable(_))
}

fn log_passes(error: &LogError) -> bool {
    !matches!(error, LogError::Unusable(_))
}
