//! `recommend USER --at T`: what the user would have seen then, by the API itself over what was.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value, json};
use shoptide_jobs::replay::{History, Then, UserThen, Who, user_then};
use shoptide_live::{Live, Metrics, ModelFiles};
use shoptide_log::{MemoryLog, MemoryLogOptions};
use shoptide_schemas::{EventMs, UserId};
use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

use crate::app::{Refused, serve_context};
use crate::args::Ask;
use crate::commands::ask::{answered, escaped, list_table};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::{shown, visible};
use crate::services;
use crate::{out, outln};

/// Lists held for one question.
const CACHE_ENTRIES: usize = 100;

pub async fn recommend(ask: &Ask, at: &str) -> anyhow::Result<ExitCode> {
    let moment = super::replay::moment("--at", at)?;
    let user = UserId::parse(&ask.id).map_err(|reject| Refused(reject.message))?;
    let mut config = load_config(ask.place.config.as_deref())?;
    (config.serve.read_key, config.serve.write_key) = (None, None);
    let data = DataDir::with_truth_of(&config, &ask.place.data_dir)?;
    let log = services::open_log_patiently(&config, &data).await?;
    let truth = services::open_truth_to_read(&config, &data).await?;
    shoptide_live::stand(&*truth, &*log).await?;
    let lake = super::lake_archive(&config, &data, &*log, truth.generation().await?).await?;
    let history = History::open(&*log, lake.as_deref(), &*truth).await?;
    let scratch = tempfile::tempdir()?;
    let then = SqliteTruth::open(SqliteTruthOptions::rebuilt(scratch.path().join("truth.db"))).await?;
    let models = ModelFiles::new(scratch.path().join("models"));
    let (files, lists) = (data.model_files(&config), config.list_params());
    let asked = UserThen {
        log: &*log,
        history: &history,
        truth: &*truth,
        files: &files,
        lists: &lists,
        rules_version: config.rules_version(),
        then: &then,
        models: &models,
        scratch: scratch.path(),
    };
    let found = user_then(&asked, &user, &moment).await?;
    // Nothing follows the moment.
    let (at_ms, partitions) = (found.at_ms, found.partitions);
    let clock: Arc<dyn Fn() -> i64 + Send + Sync> = Arc::new(move || at_ms);
    let nothing = MemoryLog::new(MemoryLogOptions { partitions, clock: clock.clone(), queue_records_max: 1 });
    let truth_then: Arc<dyn Truth> = then.clone();
    let cache = services::open_local_cache(CACHE_ENTRIES, Duration::from_secs(60));
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(nothing.clone(), truth_then.clone(), models, metrics).await?;
    let mut context = serve_context(&config, nothing, truth_then, cache, live.clone());
    (context.options.search, context.options.chat, context.clock) = (false, false, clock);
    let path = format!("/v1/users/{}/recommendations?explain=true&n={}", escaped(&ask.id), ask.n);
    let answer = answered(context, &path).await;
    live.stop();
    then.close().await;
    // Nothing was written: there is nothing to flush, only files to let go.
    let _ = tokio::time::timeout(Duration::from_millis(500), shoptide_log::Log::close(&*log)).await;
    let mut json = answer?.json;
    tell(&mut json, &found);
    if ask.json {
        outln!("{json}")?;
        return Ok(ExitCode::SUCCESS);
    }
    print(ask, &found, &json)?;
    Ok(ExitCode::SUCCESS)
}

/// What the answer is as of, instead of the name of a list that was never shown.
fn tell(json: &mut Value, found: &Then) {
    let Some(fields) = json.as_object_mut() else { return };
    fields.remove("list_id");
    let as_of: Map<String, Value> =
        found.as_of.iter().map(|(topic, next)| (topic.name().to_owned(), json!(next))).collect();
    fields.insert("as_of".to_owned(), as_of.into());
    let at = json!({
        "time": EventMs(found.at_ms).to_rfc3339(), "user": who(found.who), "catalogue_offset": found.catalogue_offset,
        "model": found.model, "budget": found.budget,
    });
    fields.insert("at".to_owned(), at);
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Known => "known",
        Who::Unknown => "unknown",
        Who::ErasedSince => "erased_since",
    }
}

fn print(ask: &Ask, found: &Then, json: &Value) -> anyhow::Result<()> {
    let time = EventMs(found.at_ms).to_rfc3339();
    let id = visible(&ask.id);
    match found.who {
        Who::Known => outln!("{id} at {time} · {}", shown(json.get("made_from")))?,
        Who::Unknown => outln!("nothing was known of {id} at {time}: what anybody would have seen")?,
        Who::ErasedSince => outln!("{id} was erased since: what anybody would have seen at {time}")?,
    }
    outln!("model: {}", found.model.note)?;
    if let Some(budget) = &found.budget {
        outln!("budget: {budget}")?;
    }
    out!("{}", list_table(json))
}
