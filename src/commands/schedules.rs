//! `jobs list|run|history`: schedules and what became of them, and a job by hand with its progress.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};
use shoptide_config::{Config, ScheduleConfig, StoreKind};
use shoptide_jobs::schedule::{ByHand, ByHandError, Told};
use shoptide_live::{Live, Metrics};
use shoptide_schemas::EventMs;
use shoptide_store::{JobRun, RunPage, RunStatus, Truth};

use crate::app::{Refused, Signals, train_context};
use crate::args::Place;
use crate::commands::drawn::Drawn;
use crate::commands::load_config;
use crate::data_dir::{DataDir, system_clock};
use crate::render::table;
use crate::schedules::{parts, registry};
use crate::{out, outln, services};

/// The truth, if there is one yet: schedules can be listed before anything ran.
async fn truth_if_any(config: &Config, place: &Place) -> anyhow::Result<Option<Arc<dyn Truth>>> {
    if config.store.kind == StoreKind::Embedded && !DataDir::holds_shop(&place.data_dir)? {
        return Ok(None);
    }
    let data = DataDir::with_truth_of(config, &place.data_dir)?;
    Ok(Some(services::open_truth_to_read(config, &data).await?))
}

pub async fn list(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let config = load_config(place.config.as_deref())?;
    let truth = truth_if_any(&config, place).await?;
    let now_ms = system_clock()();
    let mut rows = Vec::new();
    for schedule in &config.schedules {
        rows.push((schedule, last_of(truth.as_deref(), &schedule.name).await?));
    }
    if json {
        let schedules = rows.iter().map(|(s, last)| {
            let next = s.cron.as_ref().and_then(|cron| cron.after(now_ms)).map(at);
            json!({
                "name": s.name, "job": s.job, "cron": s.cron.as_ref().map(|c| c.as_str()), "next": next,
                "missed": s.rules.missed.name(), "missed_max": s.rules.missed_max, "retries": s.rules.retries,
                "timeout_s": s.rules.timeout.as_secs(), "last": last.as_ref().map(run_json),
            })
        });
        let schedules: Vec<Value> = schedules.collect();
        let registry = registry();
        let jobs = registry.iter().map(|job| json!({ "name": job.name, "about": job.about }));
        outln!("{}", json!({ "schedules": schedules, "jobs": jobs.collect::<Vec<_>>() }))?;
    } else {
        let cells: Vec<Vec<String>> = rows.iter().map(|(s, last)| row(s, last.as_ref(), now_ms)).collect();
        out!("{}", table(&["schedule", "job", "cron (UTC)", "next", "missed", "last", "ended"], &cells))?;
        let registry = registry();
        let jobs: Vec<Vec<String>> =
            registry.iter().map(|job| vec![job.name.to_owned(), job.about.to_owned()]).collect();
        out!("\n{}", table(&["job", "does"], &jobs))?;
    }
    if let Some(truth) = truth {
        truth.close().await;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(schedule: &ScheduleConfig, last: Option<&JobRun>, now_ms: i64) -> Vec<String> {
    let cron = schedule.cron.as_ref();
    let next = cron.and_then(|cron| cron.after(now_ms)).map_or_else(|| "by hand".to_owned(), at);
    vec![
        schedule.name.clone(),
        schedule.job.clone(),
        cron.map_or_else(String::new, ToString::to_string),
        next,
        schedule.rules.missed.name().to_owned(),
        last.map_or("never ran", |run| run.status.name()).to_owned(),
        last.filter(|run| run.ended_ms != 0).map_or_else(String::new, |run| at(run.ended_ms)),
    ]
}

async fn last_of(truth: Option<&dyn Truth>, schedule: &str) -> anyhow::Result<Option<JobRun>> {
    let Some(truth) = truth else { return Ok(None) };
    let page = RunPage { schedule: Some(schedule.to_owned()), limit: 1, ..RunPage::default() };
    Ok(truth.job_runs(page).await?.into_iter().next())
}

pub async fn history(place: &Place, job: Option<String>, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::with_truth_of(&config, &place.data_dir)?;
    let truth = services::open_truth_to_read(&config, &data).await?;
    let page = RunPage { name: job, limit: limit as usize, ..RunPage::default() };
    let runs = truth.job_runs(page).await?;
    truth.close().await;
    if json {
        for run in &runs {
            outln!("{}", run_json(run))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let cells: Vec<Vec<String>> = runs.iter().map(history_row).collect();
    let headings =
        ["due (UTC)", "schedule", "job", "attempt", "status", "started", "seconds", "rows", "holder", "what"];
    out!("{}", table(&headings, &cells))?;
    Ok(ExitCode::SUCCESS)
}

fn history_row(run: &JobRun) -> Vec<String> {
    let what = if run.error.is_empty() { &run.note } else { &run.error };
    vec![
        if run.key.by_hand { "by hand".to_owned() } else { at(run.key.scheduled_ms) },
        run.key.schedule.clone(),
        run.job.clone(),
        run.key.attempt.to_string(),
        run.status.name().to_owned(),
        at(run.started_ms),
        seconds(run).map_or_else(String::new, |s| format!("{s:.1}")),
        run.rows.to_string(),
        run.holder.clone(),
        what.clone(),
    ]
}

fn seconds(run: &JobRun) -> Option<f64> {
    (run.ended_ms != 0).then(|| run.ended_ms.saturating_sub(run.started_ms) as f64 / 1_000.0)
}

fn run_json(run: &JobRun) -> Value {
    json!({
        "schedule": run.key.schedule, "job": run.job, "by_hand": run.key.by_hand, "due": at(run.key.scheduled_ms),
        "due_ms": run.key.scheduled_ms, "attempt": run.key.attempt, "status": run.status.name(),
        "started": at(run.started_ms), "started_ms": run.started_ms,
        "ended": (run.ended_ms != 0).then(|| at(run.ended_ms)), "seconds": seconds(run), "rows": run.rows,
        "note": run.note, "error": run.error, "holder": run.holder, "epoch": run.fence.epoch,
    })
}

fn at(ms: i64) -> String {
    EventMs(ms).to_rfc3339()
}

pub async fn run(place: &Place, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let config = load_config(place.config.as_deref())?;
    let mut signals = Signals::catch()?;
    let data = DataDir::with_truth_of(&config, &place.data_dir)?;
    // A truth without its log is refused; opening would make an empty one.
    let log = services::open_log_patiently(&config, &DataDir::with_log_of(&config, data.path())?).await?;
    let truth = services::open_truth(&config, &data).await?;
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(log.clone(), truth.clone(), data.model_files(&config), metrics).await?;
    let train = train_context(&config, &data, &log, &truth, &live)?;
    let (progress, drawn) = Drawn::start(name, json);
    let by_hand = ByHand::new(parts(&config, &data, train, None), name);
    let ran = match by_hand {
        Ok(job) => job.run(progress, told, async move { signals.next().await }).await,
        Err(error) => Err(error),
    };
    drawn.end().await;
    live.stop();
    log.close().await;
    truth.close().await;
    let run = ran.map_err(|error| match error {
        ByHandError::Unknown { .. } => anyhow::Error::new(Refused(error.to_string())),
        other => other.into(),
    })?;
    if json {
        outln!("{}", run_json(&run))?;
    } else {
        let seconds = seconds(&run).unwrap_or(0.0);
        let what = if run.error.is_empty() { &run.note } else { &run.error };
        outln!("{name}: {} in {seconds:.1} s, {} rows; {what}", run.status.name(), run.rows)?;
    }
    Ok(if run.status == RunStatus::Ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(what: Told) {
    if let Told::Waits { holder, at_most } = what {
        let seconds = at_most.as_secs();
        eprintln!("{holder} has it; waiting at most {seconds} s to see whether it lives");
    }
}
