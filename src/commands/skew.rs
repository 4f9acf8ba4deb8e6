//! `jobs skew`: hot users and items, and what the salted counters do about them.

use std::process::ExitCode;

use shoptide_jobs::skew::{HotItem, HotKey, SkewParams, SkewReport, skew};

use crate::args::Place;
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::{table, visible};
use crate::services;
use crate::{out, outln};

pub async fn run(place: &Place, top: usize, keys: usize, json: bool) -> anyhow::Result<ExitCode> {
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::with_truth_of(&config, &place.data_dir)?;
    let log = services::open_log_patiently(&config, &DataDir::with_log_of(&config, data.path())?).await?;
    let truth = services::open_truth_to_read(&config, &data).await?;
    shoptide_live::stand(&*truth, &*log).await?;
    let params = SkewParams { keys, top, batch: config.stream.batch_records_max };
    let report = skew(&*log, &*truth, params).await?;
    shoptide_log::Log::close(&*log).await;
    if json {
        outln!("{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn counted(key: &HotKey) -> String {
    match key.error {
        0 => key.events.to_string(),
        error => format!("{} to {}", key.events - error, key.events),
    }
}

fn print(report: &SkewReport) -> anyhow::Result<()> {
    outln!("{} records, {} events of users\n", report.records, report.events)?;
    let users = report.users.iter();
    let rows: Vec<_> = users.map(|key| vec![visible(&key.id), counted(key), percent(key.share)]).collect();
    out!("{}", table(&["user", "events", "share"], &rows))?;
    let even = 1.0 / report.partitions.len().max(1) as f64;
    outln!(
        "the fullest of {} partitions has {}, an even one {}\n",
        report.partitions.len(),
        percent(report.fullest_partition),
        percent(even)
    )?;
    let rows: Vec<_> = report.items.iter().map(row).collect();
    let headings = ["item", "events", "share", "rows", "shards", "largest row", "writes"];
    out!("{}", table(&headings, &rows))?;
    let saved = report.counts.saturating_sub(report.writes) as f64 / report.counts.max(1) as f64;
    outln!(
        "counters: {} counts take at most {} row writes in batches of up to {}: {} saved",
        report.counts,
        report.writes,
        report.batch,
        percent(saved)
    )?;
    if !report.exact {
        outln!(
            "counts of users may be too high by {} at most, of items by {}: --keys counts more of them",
            report.user_error_max,
            report.item_error_max
        )?;
    }
    Ok(())
}

fn row(item: &HotItem) -> Vec<String> {
    vec![
        visible(&item.key.id),
        counted(&item.key),
        percent(item.key.share),
        item.rows.to_string(),
        item.shards.to_string(),
        percent(item.largest_row),
        item.writes.to_string(),
    ]
}
