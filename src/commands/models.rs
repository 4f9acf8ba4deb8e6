//! `models`: what was trained, beside a shop that runs or rests.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use shoptide_jobs::train::{
    Comparison, Name, Outcome, Shelf, Standing, TrainParams, Trained, compare, list, promote, rollback,
    told_of,
};
use shoptide_schemas::EventMs;
use shoptide_store::Truth;

use crate::app::Refused;
use crate::args::{Models, ModelsWhat};
use crate::commands::load_config;
use crate::data_dir::{DataDir, system_clock};
use crate::render::table;
use crate::services;
use crate::{out, outln};

pub async fn run(args: Models) -> anyhow::Result<ExitCode> {
    let config = load_config(args.place.config.as_deref())?;
    let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
    let writes = matches!(args.what, ModelsWhat::Promote { .. } | ModelsWhat::Rollback { .. });
    let truth: Arc<dyn Truth> = match writes {
        true => services::open_truth(&config, &data).await?,
        false => services::open_truth_to_read(&config, &data).await?,
    };
    let shelf = Shelf { truth: truth.clone(), files: data.model_files(&config), clock: system_clock() };
    let done = carry_out(args.what, &shelf, &TrainParams::of(&config)).await;
    truth.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// Refuses a name that nobody has, before anything else is said of it.
fn known(all: &[Standing], name: Name) -> anyhow::Result<&Standing> {
    all.iter().find(|one| one.name == name).ok_or_else(|| {
        Refused(format!("there is no model {name}; `shoptide models list` names those that there are")).into()
    })
}

async fn carry_out(what: ModelsWhat, shelf: &Shelf, params: &TrainParams) -> anyhow::Result<()> {
    let named = match &what {
        ModelsWhat::List { .. } => Vec::new(),
        ModelsWhat::Show { model, .. } => vec![*model],
        ModelsWhat::Compare { a, b, .. } => vec![*a, *b],
        ModelsWhat::Promote { candidate, .. } => vec![*candidate],
        // Of a candidate there is more to say, whether it is there or not.
        ModelsWhat::Rollback { version } => {
            version.iter().filter(|name| matches!(name, Name::Version(_))).copied().collect()
        }
    };
    if !named.is_empty() {
        let all = list(&*shelf.truth).await?;
        for name in named {
            known(&all, name)?;
        }
    }
    match what {
        ModelsWhat::List { json } => {
            let all = list(&*shelf.truth).await?;
            if json {
                let rows: Vec<Value> = all.iter().map(|one| said(&all, one)).collect();
                return outln!("{}", Value::from(rows));
            }
            if all.is_empty() {
                return outln!("nothing was trained yet: `shoptide up` trains, or `shoptide jobs train`");
            }
            let cells: Vec<Vec<String>> = all.iter().map(row).collect();
            let headings = [
                "model",
                "status",
                "kind",
                "parent",
                "created",
                "size",
                "cut",
                "ndcg@20",
                "recall@20",
                "why",
            ];
            out!("{}", table(&headings, &cells))
        }
        ModelsWhat::Show { model, json } => {
            let all = list(&*shelf.truth).await?;
            let one = known(&all, model)?;
            if json { outln!("{}", said(&all, one)) } else { show(&all, one) }
        }
        ModelsWhat::Compare { a, b, json } => {
            let compared = compare(shelf, params, [a, b]).await?;
            if json { outln!("{}", beside(&compared)) } else { print(&compared) }
        }
        ModelsWhat::Promote { candidate: Name::Version(version), .. } => {
            let message = format!(
                "version {version} was served already: `shoptide models rollback {version}` serves it again"
            );
            Err(Refused(message).into())
        }
        ModelsWhat::Promote { candidate: Name::Candidate(number), force } => {
            let model = promote(shelf, number, force).await?;
            outln!("candidate c{number} is served as version {}", model.version())
        }
        ModelsWhat::Rollback { version: Some(Name::Candidate(number)) } => {
            let message = format!("c{number} was never served: `shoptide models promote c{number}`");
            Err(Refused(message).into())
        }
        ModelsWhat::Rollback { version } => {
            let to = version.and_then(|name| match name {
                Name::Version(version) => Some(version),
                Name::Candidate(_) => None,
            });
            let model = rollback(shelf, to).await?;
            let back = model.parent().unwrap_or(0);
            outln!("version {back} is served again, as version {}", model.version())?;
            outln!("trainings wait as candidates until one is promoted")
        }
    }
}

/// What `jobs train` says; exit code 1 if the gate refused.
pub fn trained(trained: &Trained, asked: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let (users, items, seconds) = (trained.users, trained.model.n_items(), trained.seconds);
    let mut line = json!({ "users": users, "items": items, "seconds": seconds, "gate": trained.gate });
    let code = match &trained.outcome {
        Outcome::Published => {
            let version = trained.model.version();
            line["version"] = version.into();
            line["status"] = "served".into();
            if !as_json {
                outln!("version {version}: {users} users, {items} items, {seconds:.2} s")?;
            }
            ExitCode::SUCCESS
        }
        Outcome::Candidate { number, why } => {
            line["candidate"] = format!("c{number}").into();
            line["status"] = "candidate".into();
            line["why"] = why.clone().into();
            if !as_json {
                outln!("candidate c{number}: {users} users, {items} items, {seconds:.2} s; not promoted:")?;
                for why in why {
                    outln!("  {why}")?;
                }
            }
            if asked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    };
    if as_json {
        outln!("{line}")?;
    } else if let Some(gate) = &trained.gate {
        for m in &gate.metrics {
            outln!("{}: {:.4}, served {:.4}, over {} users", m.metric, m.candidate, m.served, gate.users)?;
        }
    }
    Ok(code)
}

fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} B"),
        10_000..10_000_000 => format!("{:.1} KB", n as f64 / 1e3),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

/// Why it stands where it stands, in words.
fn why(one: &Standing) -> String {
    use shoptide_jobs::train::Origin;
    let mut said = match one.report.origin {
        Origin::Promoted { candidate, forced: false } => vec![format!("promoted from c{candidate}")],
        Origin::Promoted { candidate, forced: true } => {
            vec![format!("promoted from c{candidate} against the gate")]
        }
        Origin::RolledBack { to } => vec![format!("rolled back to {to}")],
        Origin::Trained | Origin::Unknown => Vec::new(),
    };
    said.extend(one.report.why.iter().cloned());
    said.join("; ")
}

/// How many records its cut covers: the sum of offsets, which tells two cuts apart.
fn cut(one: &Standing) -> i64 {
    one.lineage.cut.iter().map(|(_, _, next)| *next).sum()
}

fn row(one: &Standing) -> Vec<String> {
    let metric = |name: &str| one.lineage.metrics.get(name).map_or(String::new(), |v| format!("{v:.4}"));
    vec![
        one.name.to_string(),
        one.status.name().to_owned(),
        one.kind.clone(),
        one.parent.map_or(String::new(), |p| p.to_string()),
        EventMs(one.created_ms).to_rfc3339(),
        bytes(one.bytes),
        cut(one).to_string(),
        metric("held_out_ndcg_20"),
        metric("held_out_recall_20"),
        why(one),
    ]
}

fn said(all: &[Standing], one: &Standing) -> Value {
    let lineage = &one.lineage;
    let cut: Vec<Value> = lineage
        .cut
        .iter()
        .map(|(topic, partition, next)| json!({ "topic": topic, "partition": partition, "next": next }))
        .collect();
    json!({
        "model": one.name.to_string(), "status": one.status.name(), "kind": one.kind, "parent": one.parent,
        "created_ms": one.created_ms, "bytes": one.bytes, "cut": cut, "now_ms": lineage.now_ms,
        "config_hash": lineage.config_hash, "code_version": lineage.code_version, "metrics": lineage.metrics,
        "why": why(one), "source": one.report.source, "mode": one.report.mode, "gate": one.report.gate,
        "config": told_of(all, one).config,
    })
}

fn show(all: &[Standing], one: &Standing) -> anyhow::Result<()> {
    let lineage = &one.lineage;
    outln!("model {}: {}, {}, {}", one.name, one.status.name(), one.kind, bytes(one.bytes))?;
    if !why(one).is_empty() {
        outln!("why: {}", why(one))?;
    }
    outln!("parent: {}", one.parent.map_or("none".to_owned(), |p| p.to_string()))?;
    outln!("created: {}", EventMs(one.created_ms).to_rfc3339())?;
    outln!("last event: {}", EventMs(lineage.now_ms).to_rfc3339())?;
    outln!("program: {}, configuration: {}", lineage.code_version, lineage.config_hash)?;
    if let shoptide_jobs::train::Source::Lake { commit } = one.report.source {
        outln!("read from: the lake at commit {commit}, then the log")?;
    }
    outln!("cut:")?;
    let cells: Vec<Vec<String>> =
        lineage.cut.iter().map(|(t, p, next)| vec![t.clone(), p.to_string(), next.to_string()]).collect();
    out!("{}", table(&["topic", "partition", "next offset"], &cells))?;
    outln!("measured:")?;
    let cells: Vec<Vec<String>> =
        lineage.metrics.iter().map(|(name, value)| vec![name.clone(), number(*value)]).collect();
    out!("{}", table(&["metric", "value"], &cells))?;
    if let Some(gate) = &one.report.gate {
        let of = gate.served.map_or("nothing".to_owned(), |v| format!("version {v}"));
        outln!("gate: beside {of}, {} users", gate.users)?;
        let cells: Vec<Vec<String>> = gate
            .metrics
            .iter()
            .map(|m| vec![m.metric.clone(), number(m.candidate), number(m.served), number(m.error)])
            .collect();
        out!("{}", table(&["metric", "this", "served", "standard error"], &cells))?;
        for why in &gate.why {
            outln!("  {why}")?;
        }
    }
    let config = &told_of(all, one).config;
    if !config.is_empty() {
        outln!("configured with:")?;
        let cells: Vec<Vec<String>> = config.iter().map(|(k, v)| vec![k.clone(), v.clone()]).collect();
        out!("{}", table(&["key", "value"], &cells))?;
    }
    Ok(())
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.4}") }
}

fn beside(c: &Comparison) -> Value {
    json!({
        "a": c.a.name.to_string(), "b": c.b.name.to_string(), "metrics": c.metrics, "config": c.config,
        "items": { "both": c.items[0], "only_a": c.items[1], "only_b": c.items[2] },
        "users": c.users, "lists_overlap": c.lists_overlap, "nearest_overlap": c.nearest_overlap,
    })
}

fn print(c: &Comparison) -> anyhow::Result<()> {
    let (a, b) = (c.a.name.to_string(), c.b.name.to_string());
    let value = |v: Option<f64>| v.map_or(String::new(), number);
    let cells: Vec<Vec<String>> =
        c.metrics.iter().map(|(name, [one, other])| vec![name.clone(), value(*one), value(*other)]).collect();
    out!("{}", table(&["metric", &a, &b], &cells))?;
    let [both, only_a, only_b] = c.items;
    outln!("items: {both} in both, {only_a} only in {a}, {only_b} only in {b}")?;
    outln!("lists of {} users agree in {:.1} % of their places", c.users, c.lists_overlap * 100.0)?;
    outln!("the nearest 10 items of an item agree in {:.1} %", c.nearest_overlap * 100.0)?;
    if c.config.is_empty() {
        return outln!("no key of the configuration that shapes a model differs, as far as both are told");
    }
    let cells: Vec<Vec<String>> =
        c.config.iter().map(|(key, [one, other])| vec![key.clone(), one.clone(), other.clone()]).collect();
    out!("{}", table(&["key", &a, &b], &cells))
}
