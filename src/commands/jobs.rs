//! `jobs`: the trainer as a role, or one job by hand. Training publishes; evaluating only reads, and may do so beside a
//! process that streams and trains.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use shoptide_config::Config;
use shoptide_jobs::evaluate::OutFile;
use shoptide_jobs::segments::segment_once;
use shoptide_jobs::train::{
    Mode, Tables, TrainContext, TrainOptions, Trained, TuneOptions, held_out, train_as,
};
use shoptide_live::{Live, Metrics};
use shoptide_store::Truth;

use crate::app::{Roles, segment_context, train_context};
use crate::args::{Job, Jobs, Run};
use crate::commands::drawn::Drawn;
use crate::commands::{archive, cluster, load_config, models, run, schedules, segments, skew, tune};
use crate::data_dir::DataDir;
use crate::services;
use crate::{out, outln};

pub async fn run(args: Jobs) -> anyhow::Result<ExitCode> {
    let Some(job) = args.job else {
        return run::run(Run { place: args.place, port: None }, Roles::JOBS).await;
    };
    let job = match job {
        Job::List { json } => return schedules::list(&args.place, json).await,
        Job::History { job, limit, json } => return schedules::history(&args.place, job, limit, json).await,
        Job::Run { name, json } => return schedules::run(&args.place, &name, json).await,
        Job::Skew { n, keys, json } => return skew::run(&args.place, n as usize, keys as usize, json).await,
        Job::Archive { follow, once: _, json } => return archive::run(args.place, follow, json).await,
        Job::Als(als) => return cluster::als(als).await,
        job => job,
    };
    #[cfg(not(feature = "lake"))]
    if let Job::Train { from, .. } = &job
        && from == "lake"
    {
        return Err(super::lake::without("jobs train --from lake"));
    }
    let config = load_config(args.place.config.as_deref())?;
    let plot = match &job {
        Job::Tune { plot, .. } => plot.as_deref().map(|path| OutFile::open("plot", path)).transpose()?,
        _ => None,
    };
    let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
    // A truth without its log is refused; opening would make an empty one.
    let log = services::open_log_patiently(&config, &DataDir::with_log_of(&config, data.path())?).await?;
    let truth: Arc<dyn Truth> = match job {
        Job::Train { .. } | Job::Segment { .. } => services::open_truth(&config, &data).await?,
        _ => services::open_truth_to_read(&config, &data).await?,
    };
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(log.clone(), truth.clone(), data.model_files(&config), metrics).await?;
    let mut context = train_context(&config, &data, &log, &truth, &live)?;
    let mut code = ExitCode::SUCCESS;
    match job {
        Job::Train { from, mode, candidate, json } => {
            let mode = match mode.as_str() {
                "full" => Mode::Full,
                "items" => Mode::Items,
                _ => Mode::Warm,
            };
            let options = TrainOptions { mode, candidate };
            let (progress, drawn) = Drawn::start("train", json);
            context.progress = progress;
            let trained = match from.as_str() {
                "lake" => from_lake(&config, &data, &context, options).await,
                _ => train_as(&context, options).await.map_err(Into::into),
            };
            drawn.end().await;
            let trained = trained?;
            code = models::trained(&trained, candidate, json)?;
        }
        Job::Segment { k, json } => {
            let mut context = segment_context(&config, &truth, &live)?;
            if let Some(k) = k {
                context.params = context.params.with_k(k as usize)?;
            }
            let (progress, drawn) = Drawn::start("segment", json);
            context.progress = progress;
            let found = segment_once(&context).await;
            drawn.end().await;
            segments::print(&found?, json)?;
        }
        Job::Tune { trials, budget_s, seed, json, .. } => {
            let mut tables = Tables::default();
            tables.advance(&*truth).await?;
            let params = context.params.clone();
            let file = data.tune_path();
            let options = TuneOptions { trials: trials as usize, seed };
            let budget = Duration::from_secs(u64::from(budget_s));
            let tuned =
                tokio::task::spawn_blocking(move || tune::run(&tables, &params, options, budget, &file))
                    .await??;
            if let Some(plot) = plot {
                let svg = tune::draw(&tuned)?;
                plot.write(|out| out.write_all(svg.as_bytes()))?;
            }
            tune::print(&tuned, json)?;
        }
        // Seen to before anything was opened.
        Job::List { .. }
        | Job::Run { .. }
        | Job::History { .. }
        | Job::Skew { .. }
        | Job::Archive { .. }
        | Job::Als(_) => {}
        Job::Evaluate { json } => {
            let mut tables = Tables::default();
            tables.advance(&*truth).await?;
            let params = context.params.clone();
            let quality = tokio::task::spawn_blocking(move || held_out(&tables, &params)).await??;
            let rows = [
                ("blend (served)", quality.blend),
                ("popularity", quality.popularity),
                ("item-item", quality.item_item),
                ("factors", quality.factors),
            ];
            if json {
                let each = rows.iter().map(|(name, q)| {
                    (
                        (*name).to_owned(),
                        json!({ "recall_20": q.recall, "ndcg_20": q.ndcg, "hit_rate_20": q.hit_rate }),
                    )
                });
                outln!(
                    "{}",
                    json!({ "users": quality.users, "models": each.collect::<serde_json::Map<_, _>>() })
                )?;
            } else {
                outln!("last fifth of each user's items hidden, full ranking, {} users", quality.users)?;
                let cells: Vec<Vec<String>> = rows
                    .iter()
                    .map(|(name, q)| {
                        vec![(*name).to_owned(), format!("{:.4}", q.recall), format!("{:.4}", q.ndcg)]
                    })
                    .collect();
                out!("{}", crate::render::table(&["model", "recall@20", "NDCG@20"], &cells))?;
            }
        }
    }
    live.stop();
    log.close().await;
    truth.close().await;
    Ok(code)
}

#[cfg(feature = "lake")]
async fn from_lake(
    config: &Config,
    data: &DataDir,
    context: &TrainContext,
    options: TrainOptions,
) -> anyhow::Result<Trained> {
    use shoptide_jobs::train::{TrainError, train_from_lake};
    use shoptide_lake::{Lake, LakeOptions};

    let lake = Lake::open(&LakeOptions::of(&config.lake, data.path())).await.map_err(super::lake::told)?;
    train_from_lake(context, &lake, options).await.map_err(|error| match error {
        TrainError::Lake(error) => super::lake::told(error),
        other => other.into(),
    })
}

#[cfg(not(feature = "lake"))]
async fn from_lake(_: &Config, _: &DataDir, _: &TrainContext, _: TrainOptions) -> anyhow::Result<Trained> {
    Err(super::lake::without("jobs train --from lake"))
}
