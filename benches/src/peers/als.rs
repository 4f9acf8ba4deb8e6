//! iALS sweeps, against `implicit`.

use anyhow::Context;
use ndarray::ArrayView2;
use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::als::{AlsParams, fit};
use shoptide_models::matrix::Interactions;
use std::path::PathBuf;
use std::time::Instant;

use super::arrays::{f32s, rows, u32s, u64s};

#[derive(Debug, Deserialize)]
pub struct Inputs {
    ptr: PathBuf,
    cols: PathBuf,
    strengths: PathBuf,
    n_items: usize,
    factors: usize,
    solver: String,
    alpha: f64,
    regularization: f64,
    sweeps: usize,
    item_start: PathBuf,
}

/// # Errors
/// If the inputs cannot be read or training fails.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let rows = rows(&u64s(&inputs.ptr)?, &u32s(&inputs.cols)?, &f32s(&inputs.strengths)?)?;
    let data = Interactions::from_rows(inputs.n_items, rows)?;
    let start = f32s(&inputs.item_start)?;
    let start = ArrayView2::from_shape((inputs.n_items, inputs.factors), &start).context("item_start")?;
    let params =
        AlsParams::new(inputs.factors, inputs.sweeps, inputs.alpha, 1.0, inputs.regularization, 0.0, 0)?;
    let (mut seconds, mut loss, mut last) = (Vec::new(), f64::NAN, Instant::now());
    let began = Instant::now();
    fit(&data, &params, Some(start), &mut |sweep| {
        seconds.push(last.elapsed().as_secs_f64());
        (loss, last) = (sweep.loss, Instant::now());
    })?;
    let fit_s = began.elapsed().as_secs_f64();
    Ok(json!({ "seconds": seconds, "fit_s": fit_s, "loss": loss, "solver": inputs.solver }))
}
