//! TF-IDF and K-Means of tokenised texts, against scikit-learn.

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::content::{TermBounds, count, tf_idf};
use shoptide_models::kmeans::{KMeansParams, fit, fit_from};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    /// A text a line, its tokens separated by spaces.
    tokens: PathBuf,
    texts_min: u32,
    texts_max: u32,
    clusters: usize,
    iterations: usize,
    /// The rows to start from, for each seed; by chance if absent.
    starts: Option<Vec<Vec<usize>>>,
    seeds: Vec<u64>,
}

/// # Errors
/// If the inputs cannot be read or clustered.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let text =
        std::fs::read_to_string(&inputs.tokens).with_context(|| inputs.tokens.display().to_string())?;
    let texts: Vec<&str> = text.lines().collect();
    let bounds = TermBounds { texts_min: inputs.texts_min, texts_max: inputs.texts_max };
    let (mut seconds, mut tf_idf_s, mut inertias, mut iterations) = (vec![], vec![], vec![], vec![]);
    let (mut terms, mut entries) = (0, 0);
    for (i, &seed) in inputs.seeds.iter().enumerate() {
        let began = Instant::now();
        let counted = count(texts.len(), bounds, |text, emit| {
            texts[text].split_ascii_whitespace().for_each(|token| emit(token, 1.0));
        });
        let rows = tf_idf(&counted);
        tf_idf_s.push(began.elapsed().as_secs_f64());
        let params = KMeansParams::new(inputs.clusters, inputs.iterations, 0.0, seed)?;
        let found = match inputs.starts.as_ref().and_then(|s| s.get(i)) {
            Some(starts) => fit_from(&rows, starts, &params, &mut |_| ())?,
            None => fit(&rows, &params, &mut |_| ())?,
        };
        seconds.push(began.elapsed().as_secs_f64());
        inertias.push(found.inertia);
        iterations.push(found.iterations);
        (terms, entries) = (counted.vocabulary.len(), rows.nnz());
    }
    Ok(json!({ "seconds": seconds, "tf_idf_s": tf_idf_s, "inertias": inertias, "iterations": iterations,
               "terms": terms, "entries": entries }))
}
