//! iALS sweeps, against `implicit`.

use anyhow::{Context, bail};
use ndarray::ArrayView2;
use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::als::{AlsParams, Solver, Training, train};
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
    steps: usize,
    item_start: PathBuf,
}

/// # Errors
/// If the inputs cannot be read or training fails.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let rows = rows(&u64s(&inputs.ptr)?, &u32s(&inputs.cols)?, &f32s(&inputs.strengths)?)?;
    let data = Interactions::from_rows(inputs.n_items, rows)?;
    let start = f32s(&inputs.item_start)?;
    let start = ArrayView2::from_shape((inputs.n_items, inputs.factors), &start).context("item_start")?;
    let solver = match inputs.solver.as_str() {
        "cg" => Solver::ConjugateGradient { steps: inputs.steps },
        "cholesky" => Solver::Cholesky,
        other => bail!("{other} is no solver"),
    };
    let params =
        AlsParams::new(inputs.factors, inputs.sweeps, inputs.alpha, 1.0, inputs.regularization, 0.0, 0)?
            .with_solver(solver)?;
    let run = |losses: bool| -> anyhow::Result<(Vec<f64>, f64, f64)> {
        let (mut seconds, mut loss, mut last) = (Vec::new(), f64::NAN, Instant::now());
        let began = Instant::now();
        train(&data, &params, Training { warm: Some(start), losses }, &mut |progress| {
            seconds.push(last.elapsed().as_secs_f64());
            (loss, last) = (progress.loss.unwrap_or(f64::NAN), Instant::now());
        })?;
        Ok((seconds, began.elapsed().as_secs_f64(), loss))
    };
    // The first observation includes what comes before the sweeps, such as the transposition: it stays in.
    let (seconds, fit_s, _) = run(false)?;
    let (_, _, loss) = run(true)?;
    Ok(json!({ "seconds": seconds, "fit_s": fit_s, "loss": loss }))
}
