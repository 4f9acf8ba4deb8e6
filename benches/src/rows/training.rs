//! Training on 50,000 generated events: tables read from the store, factors, neighbours, popularity, file, publish.

use std::time::Instant;

use serde_json::json;
use shoptide_jobs::train::train_once;

use crate::figure::{Figure, Row};
use crate::machine::cores;
use crate::shop::{Folded, config, everything, generated};
use crate::spread::Spread;

const SEED: u64 = 7;
const RUNS: usize = 5;
const BAR_S: f64 = 1.0;

/// # Errors
/// If training fails.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let config = config(set)?;
    let shop = generated(SEED, 1_000, 600, 50_000)?;
    let folded = Folded::of(everything(&shop), 4).await?;
    let (mut whole, mut fit) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let opened = folded.open(&config).await?;
        let began = Instant::now();
        let trained = train_once(&opened.context).await?;
        whole.push(began.elapsed().as_secs_f64());
        fit.push(trained.seconds);
        opened.close().await;
    }
    let (whole, fit) = (Spread::new(whole), Spread::new(fit));
    let (rank, sweeps) = (config.als.rank(), config.als.sweeps());
    Ok(Row::Measured(Figure {
        what: format!("training 50,000 events, dim {rank}"),
        measured: format!(
            "**{:.2} s** ({:.2} s with reading the store and publishing)",
            fit.median(),
            whole.median()
        ),
        bar: "<= 1 s".to_owned(),
        met: Some(whole.median() <= BAR_S),
        reference: String::new(),
        how: format!(
            "cold, {sweeps} sweeps, 1,000 users, 600 items, seed {SEED}, {} cores, median of {RUNS}",
            cores()
        ),
        values: json!({ "fit_s": fit.median(), "whole_s": whole.median(), "worst_s": whole.max() }),
    }))
}
