//! `jobs tune`: a search that can be stopped at any moment and goes on the next time.

use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Map, Value, json};
use shoptide_jobs::plot::{Measure, of_trials};
use shoptide_jobs::train::{Learned, Tables, TrainParams, TuneOptions, TunedBlend, tune_blend, tune_key};
use shoptide_models::evaluate::Quality;
use shoptide_models::search::Trials;

use crate::render::table;
use crate::{out, outln};

/// What lies in the file.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// Data, configuration and seed that the trials belong to.
    key: String,
    trials: Trials,
}

pub fn run(
    tables: &Tables,
    params: &TrainParams,
    options: TuneOptions,
    budget: Duration,
    file: &Path,
) -> anyhow::Result<TunedBlend> {
    let key = tune_key(tables, params, options);
    let mut trials = saved(file, &key)?;
    if !trials.done.is_empty() {
        eprintln!("going on from {} trials in {}", trials.done.len(), file.display());
    }
    let (began, mut failed) = (Instant::now(), None);
    let mut more = || began.elapsed() < budget;
    let mut done = |trials: &Trials| {
        if let Err(error) = save(file, &key, trials) {
            failed.get_or_insert(error);
        }
        let best = trials.best().map_or("none yet".to_owned(), |(_, score)| format!("{score:.4}"));
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[Ktrial {} of {}, best recall + NDCG {best}", trials.done.len(), options.trials);
            let _ = std::io::stderr().flush();
        }
    };
    let tuned = tune_blend(tables, params, options, &mut trials, &mut more, &mut done)?;
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(tuned),
    }
}

/// Trials of an earlier run on the same data and configuration; none otherwise.
fn saved(file: &Path, key: &str) -> anyhow::Result<Trials> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Trials::default()),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let saved: Saved = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; remove it to begin anew", file.display()))?;
    if saved.key == key {
        return Ok(saved.trials);
    }
    eprintln!("{}: the data or the configuration has changed since, beginning anew", file.display());
    Ok(Trials::default())
}

/// Whole or not at all: a crash leaves the file of the trial before.
fn save(file: &Path, key: &str, trials: &Trials) -> anyhow::Result<()> {
    let saved = Saved { key: key.to_owned(), trials: trials.clone() };
    let beside = file.with_extension("json.new");
    std::fs::write(&beside, serde_json::to_vec(&saved)?)
        .and_then(|()| std::fs::rename(&beside, file))
        .with_context(|| file.display().to_string())
}

pub fn print(tuned: &TunedBlend, as_json: bool) -> anyhow::Result<()> {
    let rows: Vec<(String, Quality)> =
        [("as configured".to_owned(), tuned.before), ("as found".to_owned(), tuned.after)]
            .into_iter()
            .chain(tuned.without.iter().map(|(source, q)| (format!("without {source}"), *q)))
            .chain(
                tuned.learned.as_ref().and_then(|l| l.blend.as_ref()).map(|b| ("as learned".to_owned(), b.1)),
            )
            .collect();
    if as_json {
        let one = |(name, q): &(String, Quality)| {
            (name.clone(), json!({ "recall_20": q.recall, "ndcg_20": q.ndcg, "hit_rate_20": q.hit_rate }))
        };
        let measured: Map<_, _> = rows.iter().map(one).collect();
        return outln!(
            "{}",
            json!({
                "users": tuned.users,
                "trials": tuned.trials,
                "blend": tuned.blend,
                "measured": measured,
                "learned": tuned.learned.as_ref().map(learned_json),
            })
        );
    }
    outln!(
        "searched on a cut of the first four fifths of each user's items, measured on the last fifth: {} users, {} trials",
        tuned.users,
        tuned.trials
    )?;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, q)| vec![name.clone(), format!("{:.4}", q.recall), format!("{:.4}", q.ndcg)])
        .collect();
    out!("{}", table(&["blend", "recall@20", "NDCG@20"], &cells))?;
    if let Some(learned) = &tuned.learned {
        print_learned(learned)?;
    }
    outln!("\n[blend]")?;
    for (name, value) in &tuned.blend {
        // Floats in TOML have a point.
        outln!("{name} = {:?}", (value * 1e4).round() / 1e4)?;
    }
    Ok(())
}

fn print_learned(learned: &Learned) -> anyhow::Result<()> {
    outln!(
        "\nlearned from {} shown items of the cut, {} taken, each window tested before it is learned: log loss {:.4}, \
         of the mean {:.4}",
        learned.shown,
        learned.taken,
        learned.log_loss,
        learned.log_loss_of_mean
    )?;
    let cells: Vec<Vec<String>> = learned
        .sources
        .iter()
        .map(|(name, weight, adds)| vec![(*name).to_owned(), format!("{weight:.4}"), format!("{adds:+.4}")])
        .collect();
    out!("{}", table(&["source", "weight", "log loss without it"], &cells))
}

fn learned_json(learned: &Learned) -> Value {
    let source = |(name, weight, adds): &(&str, f64, f64)| json!({ "source": name, "weight": weight, "log_loss_without": adds + learned.log_loss });
    json!({
        "shown": learned.shown,
        "taken": learned.taken,
        "log_loss": learned.log_loss,
        "log_loss_of_mean": learned.log_loss_of_mean,
        "windows": learned.windows.iter().map(|w| w.log_loss).collect::<Vec<_>>(),
        "sources": learned.sources.iter().map(source).collect::<Vec<_>>(),
        "blend": learned.blend.as_ref().map(|(point, _)| point),
    })
}

/// Every trial of the search, as SVG.
pub fn draw(tuned: &TunedBlend) -> anyhow::Result<String> {
    let title = format!("Weights of the served blend: {} trials, {} users", tuned.trials, tuned.users);
    Ok(of_trials(&title, &tuned.tried, Measure { name: "recall@20 + NDCG@20", is_error: false })?)
}
