//! Item-item neighbours by cosine, against `implicit`.

use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::item_item::{ItemItemParams, Neighbours};
use std::path::PathBuf;
use std::time::Instant;

use super::arrays::ones;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    ptr: PathBuf,
    cols: PathBuf,
    n_items: usize,
    k: usize,
}

/// # Errors
/// If the inputs cannot be read.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let data = ones(&inputs.ptr, &inputs.cols, inputs.n_items)?;
    let params = ItemItemParams::new(inputs.k, 0.0, 0.0, 0.5, 100_000)?;
    let began = Instant::now();
    let model = Neighbours::fit(&data, &params);
    let seconds = began.elapsed().as_secs_f64();
    let row = |item: usize| model.row(item as u32).1.iter().copied().take(10).collect::<Vec<f32>>();
    let sample: Vec<Vec<f32>> = (0..inputs.n_items).step_by((inputs.n_items / 50).max(1)).map(row).collect();
    Ok(json!({ "seconds": [seconds], "sample": sample }))
}
