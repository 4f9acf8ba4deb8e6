//! Exact top-k of dot products, against `implicit`, numpy and faiss.

use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::topk::top_k;
use std::path::PathBuf;
use std::time::Instant;

use super::arrays::f32s;
use crate::spread::Spread;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    items: PathBuf,
    users: PathBuf,
    dim: usize,
    k: usize,
    repeats: usize,
}

/// # Errors
/// If the inputs cannot be read.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let (items, users) = (f32s(&inputs.items)?, f32s(&inputs.users)?);
    let search = || top_k(&items, &users, inputs.dim, inputs.k, &|_| &[]);
    search()?;
    let (mut seconds, mut found) = (Vec::new(), Vec::new());
    for _ in 0..inputs.repeats {
        let began = Instant::now();
        found = search()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let (ids, scores): (Vec<Vec<u32>>, Vec<Vec<f32>>) =
        found.into_iter().take(4).map(|list| list.into_iter().unzip()).unzip();
    Ok(json!({ "seconds": [Spread::new(seconds).median()], "ids": ids, "scores": scores }))
}
