//! `jobs`: the trainer as a role, or one job by hand. Training publishes; evaluating only reads, and may do so beside a
//! process that streams and trains.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use shoptide_jobs::evaluate::OutFile;
use shoptide_jobs::train::{Tables, TuneOptions, held_out, train_once};
use shoptide_live::{Live, Metrics};
use shoptide_store::Truth;

use crate::app::{Roles, train_context};
use crate::args::{Job, Jobs, Run};
use crate::commands::{cluster, load_config, run, tune};
use crate::data_dir::DataDir;
use crate::services;
use crate::{out, outln};

pub async fn run(args: Jobs) -> anyhow::Result<ExitCode> {
    let Some(job) = args.job else {
        return run::run(Run { place: args.place, port: None }, Roles::JOBS).await;
    };
    if let Job::Als(als) = job {
        return cluster::als(als).await;
    }
    let config = load_config(args.place.config.as_deref())?;
    let plot = match &job {
        Job::Tune { plot, .. } => plot.as_deref().map(|path| OutFile::open("plot", path)).transpose()?,
        Job::Train { .. } | Job::Evaluate { .. } | Job::Als(_) => None,
    };
    let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
    // A truth without its log is refused; opening would make an empty one.
    let log = services::open_log(&config, &DataDir::with_log_of(&config, data.path())?).await?;
    let truth: Arc<dyn Truth> = match job {
        Job::Train { .. } => services::open_truth(&config, &data).await?,
        Job::Evaluate { .. } | Job::Tune { .. } | Job::Als(_) => {
            services::open_truth_to_read(&config, &data).await?
        }
    };
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(log.clone(), truth.clone(), data.model_files(&config), metrics).await?;
    let context = train_context(&config, &data, &log, &truth, &live)?;
    match job {
        Job::Train { json } => {
            let trained = train_once(&context).await?;
            let (version, items) = (trained.model.version(), trained.model.n_items());
            if json {
                outln!(
                    "{}",
                    json!({ "version": version, "users": trained.users, "items": items, "seconds": trained.seconds })
                )?;
            } else {
                outln!(
                    "version {version}: {} users, {items} items, {:.2} s",
                    trained.users,
                    trained.seconds
                )?;
            }
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
        // Reads the lake, and none of what was opened here: done above.
        Job::Als(_) => {}
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
    Ok(ExitCode::SUCCESS)
}
