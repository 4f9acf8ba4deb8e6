//! `segments`: what the last run found, and what became of what was found before.

use std::process::ExitCode;

use serde_json::json;
use shoptide_jobs::segments::{SegmentReport, SegmentsReport, current, of_run};
use shoptide_store::Truth;

use crate::app::Refused;
use crate::args::{Segments, SegmentsWhat};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::{table, visible};
use crate::services;
use crate::{out, outln};

/// Terms beside a segment in a table, and all that is shown of one.
const TERMS_BESIDE: usize = 4;
/// Popular items shown of one segment.
const POPULAR_SHOWN: usize = 20;

pub async fn run(args: Segments) -> anyhow::Result<ExitCode> {
    let config = load_config(args.place.config.as_deref())?;
    let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
    let truth = services::open_truth_to_read(&config, &data).await?;
    let told = tell(&*truth, &args).await;
    truth.close().await;
    told.map(|()| ExitCode::SUCCESS)
}

async fn tell(truth: &dyn Truth, args: &Segments) -> anyhow::Result<()> {
    let none = || Refused("there are no segments yet: `shoptide jobs segment` finds them".to_owned());
    let report = current(truth).await?.ok_or_else(none)?;
    match args.what {
        SegmentsWhat::List => print(&report, args.json),
        SegmentsWhat::Show { segment } => {
            let known: Vec<String> = report.segments.iter().map(|s| s.id.to_string()).collect();
            let unknown =
                || Refused(format!("segment {segment} is unknown, expected one of {}", known.join(", ")));
            show(report.segments.iter().find(|s| s.id == segment).ok_or_else(unknown)?, args.json)
        }
        SegmentsWhat::Drift => {
            let mut runs = Vec::new();
            for row in truth.segment_runs().await? {
                runs.extend(of_run(truth, row.run).await?);
            }
            drift(&runs, args.json)
        }
    }
}

fn number(x: f32) -> String {
    format!("{x:.1}")
}

/// The report of a run.
pub fn print(report: &SegmentsReport, json: bool) -> anyhow::Result<()> {
    if json {
        return outln!("{}", serde_json::to_string(report)?);
    }
    let run = &report.run;
    outln!(
        "run {}: {} of {} users in {} segments, silhouette {:.3}",
        run.run,
        run.assigned,
        run.users,
        report.segments.len(),
        run.silhouette
    )?;
    if let Some(drift) = run.drift {
        outln!(
            "since run {}: {:.1} % of users changed segment, adjusted Rand index {:.3}, {} came, {} left",
            run.parent.unwrap_or(0),
            100.0 * drift.changed,
            drift.adjusted_rand,
            drift.came,
            drift.left
        )?;
    }
    let value = format!("value {}", run.currency.as_deref().unwrap_or(""));
    let headings = [
        "id",
        "name",
        "users",
        "share",
        "days ago",
        "acts",
        value.trim(),
        "price level",
        "shift",
        "what sets it apart",
    ];
    let rows: Vec<Vec<String>> = report.segments.iter().map(row).collect();
    out!("{}", table(&headings, &rows))
}

fn row(segment: &SegmentReport) -> Vec<String> {
    // A word of a category is no news beside the category.
    let mut terms: Vec<String> = Vec::new();
    for term in segment.terms.iter().map(|t| visible(&t.text)) {
        if terms.len() < TERMS_BESIDE && !terms.contains(&term) {
            terms.push(term);
        }
    }
    vec![
        segment.id.to_string(),
        visible(&segment.name),
        segment.users.to_string(),
        format!("{:.1} %", 100.0 * segment.share),
        number(segment.typical.recency_days),
        number(segment.typical.acts),
        number(segment.typical.value),
        format!("{:.2}", segment.typical.price_level),
        segment.shift.map_or_else(|| "new".to_owned(), |shift| format!("{shift:.3}")),
        terms.join(", "),
    ]
}

fn show(segment: &SegmentReport, json: bool) -> anyhow::Result<()> {
    if json {
        return outln!("{}", serde_json::to_string(segment)?);
    }
    outln!("segment {}: {}", segment.id, visible(&segment.name))?;
    outln!("{} users, {:.1} % of those who have one", segment.users, 100.0 * segment.share)?;
    let typical = &segment.typical;
    outln!(
        "typical: last seen {:.1} days before the run, {:.0} acts on {:.0} days, spent {:.2}, price level {:.2}",
        typical.recency_days,
        typical.acts,
        typical.active_days,
        typical.value,
        typical.price_level
    )?;
    let terms: Vec<Vec<String>> = segment
        .terms
        .iter()
        .map(|t| vec![t.kind.clone(), visible(&t.text), format!("{:.3}", t.lift)])
        .collect();
    out!("\n{}", table(&["kind", "sets it apart", "lift"], &terms))?;
    let popular = segment.popular.iter().take(POPULAR_SHOWN);
    let popular: Vec<Vec<String>> =
        popular.map(|p| vec![visible(&p.item_id), format!("{:.2}", p.weight), visible(&p.title)]).collect();
    out!("\n{}", table(&["popular", "weight", "title"], &popular))
}

fn drift(runs: &[SegmentsReport], json: bool) -> anyhow::Result<()> {
    if json {
        let run = |report: &SegmentsReport| {
            let segments: Vec<_> = report
                .segments
                .iter()
                .map(|s| json!({ "id": s.id, "name": s.name, "users": s.users, "shift": s.shift }))
                .collect();
            json!({ "run": report.run.run, "parent": report.run.parent, "created_ms": report.run.created_ms,
                "silhouette": report.run.silhouette, "drift": report.run.drift, "segments": segments })
        };
        return outln!("{}", serde_json::to_string(&runs.iter().map(run).collect::<Vec<_>>())?);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|report| {
            let drift = report.run.drift;
            let of = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let segments: Vec<String> =
                report.segments.iter().map(|s| format!("{} {}", visible(&s.name), s.users)).collect();
            vec![
                report.run.run.to_string(),
                shoptide_schemas::EventMs(report.run.created_ms).to_rfc3339(),
                format!("{:.3}", report.run.silhouette),
                of(drift.map(|d| format!("{:.1} %", 100.0 * d.changed))),
                of(drift.map(|d| format!("{:.3}", d.adjusted_rand))),
                of(drift.map(|d| d.came.to_string())),
                of(drift.map(|d| d.left.to_string())),
                segments.join(", "),
            ]
        })
        .collect();
    let headings = ["run", "at", "silhouette", "changed", "adjusted Rand", "came", "left", "segments"];
    out!("{}", table(&headings, &rows))
}
