//! EASE, dense, against numpy's and LAPACK's inverse.

use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::ease::{Ease, EaseParams};
use std::path::PathBuf;
use std::time::Instant;

use super::arrays::ones;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    ptr: PathBuf,
    cols: PathBuf,
    n_items: usize,
    lambda: f64,
}

/// # Errors
/// If the inputs cannot be read, or the model cannot be trained.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let data = ones(&inputs.ptr, &inputs.cols, inputs.n_items)?;
    let params = EaseParams::new(inputs.lambda, 0.0, 0.0, 0.0)?;
    let began = Instant::now();
    let model = Ease::fit(&data, &params, &mut |_| ())?;
    let seconds = began.elapsed().as_secs_f64();
    let row = |item: usize| model.weights(item as u32).iter().step_by(89).copied();
    let sample: Vec<f32> = (0..inputs.n_items).step_by(97).flat_map(row).collect();
    Ok(json!({ "seconds": [seconds], "sample": sample }))
}
