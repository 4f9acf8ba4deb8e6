//! What an evaluation found: one row a model, for a screen or for machines.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shoptide_models::search::{Trial, Trials};
use shoptide_models::tune::Point;

/// One model's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub model: String,
    /// Name and value, in the order of the columns.
    pub metrics: Vec<(String, f64)>,
    /// Seconds of the final training; of a search of a model's own (`best`) with the search.
    pub train_s: f64,
    /// Mean microseconds of one query or event, on one thread's share of the work.
    pub query_us: f64,
    /// Peak resident memory of the process while this model was trained and asked, in megabytes.
    pub rss_mb: Option<f64>,
    /// What differs from the model's defaults.
    pub params: Point,
    /// Whether the current item was left out of the list (sessions only).
    pub exclude_current: Option<bool>,
    /// How the parameters were found; nothing if they are the defaults.
    pub tuned: Option<Tuned>,
    /// Of a stream: quality of each window, and the mean up to each window's end.
    pub windows: Vec<f64>,
    pub running: Vec<f64>,
    /// Every trial of the search; empty without one.
    pub tried: Vec<Tried>,
    /// More than a number a metric, for machines: groups of users, folds.
    pub more: Map<String, Value>,
}

/// One trial of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    pub model: String,
    /// Empty for the defaults.
    pub point: Point,
    /// Greater is better.
    pub score: f64,
    /// Measured on the whole cut; the others were stopped early, on a part of it.
    pub finished: bool,
}

impl Tried {
    /// What a search has saved, as trials of `model`; those that failed have no score and are left out.
    pub fn of(model: &str, trials: &Trials) -> Vec<Self> {
        let one = |trial: &Trial| {
            let score = *trial.scores.last()?;
            Some(Self {
                model: model.to_owned(),
                point: trial.point.clone(),
                score,
                finished: trial.finished,
            })
        };
        trials.done.iter().filter_map(one).collect()
    }
}

/// A search on a validation cut of the training data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuned {
    pub trials: usize,
    pub seconds: f64,
    /// The best value of the objective on the cut.
    pub score: f64,
}

/// All rows, and what they were measured on.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// One sentence: what is asked, of what, and how it is counted.
    pub protocol: String,
    pub k: Option<usize>,
    pub seed: u64,
    /// Sizes of the data.
    pub sizes: BTreeMap<&'static str, usize>,
    /// What a reader should know, such as rows that could not count.
    pub notes: Vec<String>,
    pub rows: Vec<Row>,
}

impl Report {
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut made: Map<String, Value> = row.more.clone();
            made.insert("model".to_owned(), json!(row.model));
            let metrics = row.metrics.iter().map(|(name, value)| (name.clone(), json!(value + 0.0)));
            made.insert("metrics".to_owned(), Value::Object(metrics.collect()));
            made.insert("train_seconds".to_owned(), json!(row.train_s));
            made.insert("query_micros".to_owned(), json!(row.query_us));
            made.insert("rss_mb".to_owned(), json!(row.rss_mb));
            made.insert("params".to_owned(), json!(row.params));
            if !row.windows.is_empty() {
                made.insert("windows".to_owned(), json!(row.windows));
                made.insert("running".to_owned(), json!(row.running));
            }
            if let Some(exclude) = row.exclude_current {
                made.insert("exclude_current".to_owned(), json!(exclude));
            }
            let tuned =
                row.tuned.map(|t| json!({ "trials": t.trials, "seconds": t.seconds, "score": t.score }));
            made.insert("tuned".to_owned(), tuned.unwrap_or(Value::Null));
            Value::Object(made)
        };
        json!({
            "protocol": self.protocol,
            "k": self.k,
            "seed": self.seed,
            "sizes": self.sizes,
            "notes": self.notes,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    /// Headings and cells of the table.
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut headings = vec!["model".to_owned()];
        if let Some(first) = self.rows.first() {
            headings.extend(first.metrics.iter().map(|(name, _)| name.clone()));
        }
        headings.extend(["train s", "query µs", "RSS MB", "parameters"].map(str::to_owned));
        let cells = self.rows.iter().map(|row| {
            let mut cells = vec![row.model.clone()];
            // The sum of nothing is -0, which plus 0 is 0.
            cells.extend(row.metrics.iter().map(|(_, value)| format!("{:.4}", value + 0.0)));
            cells.push(format!("{:.2}", row.train_s));
            cells.push(format!("{:.1}", row.query_us));
            cells.push(row.rss_mb.map_or("-".to_owned(), |mb| format!("{mb:.0}")));
            cells.push(parameters(row));
            cells
        });
        (headings, cells.collect())
    }
}

/// `default`, or names and values, each as short as its digits allow.
fn parameters(row: &Row) -> String {
    let mut said: Vec<String> =
        row.params.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
    if said.is_empty() {
        said.push("default".to_owned());
    }
    if let Some(exclude) = row.exclude_current {
        said.push(format!("current item {}", if exclude { "out" } else { "in" }));
    }
    if let Some(tuned) = row.tuned {
        said.push(format!("{} trials", tuned.trials));
    }
    said.join(", ")
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 { format!("{value}") } else { format!("{value:.4}") }
}
