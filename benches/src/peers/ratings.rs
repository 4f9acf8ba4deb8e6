//! Predicting ratings over given folds, against Surprise's SVD.

use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::evaluate::rating_quality;
use shoptide_models::model::{PredictRating, Rated};
use shoptide_models::ratings::{BayesMf, BayesParams, BiasedMf, MfParams, Ratings};
use std::path::PathBuf;
use std::time::Instant;

use super::arrays::f64s;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    /// User, item, value and fold a row.
    ratings: PathBuf,
    folds: usize,
    seed: u64,
}

/// The time is that of the model that learns as the peer does, by gradient descent; the errors are also those of the
/// sampled one.
///
/// # Errors
/// If the inputs cannot be read.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let numbers = f64s(&inputs.ratings)?;
    let rows = numbers.as_chunks::<4>().0;
    let rated =
        |row: &[f64; 4]| Rated { user: row[0] as u32, item: row[1] as u32, value: row[2] as f32, at_s: 0 };
    let count = |column: usize| rows.iter().map(|row| row[column] as usize + 1).max().unwrap_or(0);
    let (n_users, n_items) = (count(0), count(1));
    let (mut fits_s, mut errors, mut bayes_s, mut bayes_errors) = (0.0, vec![], 0.0, vec![]);
    for fold in 0..inputs.folds {
        let part = |test: bool| rows.iter().filter(move |row| (row[3] as usize == fold) == test).map(rated);
        let (train, test) = (Ratings::new(n_users, n_items, part(false))?, part(true).collect::<Vec<_>>());
        let rmse = |model: &dyn PredictRating| rating_quality(model, &test).rmse;
        let began = Instant::now();
        let model = BiasedMf::fit(&train, &MfParams::svdpp(inputs.seed), &mut |_| {});
        fits_s += began.elapsed().as_secs_f64();
        errors.push(rmse(&model));
        let began = Instant::now();
        let model = BayesMf::fit(&train, &BayesParams::standard(inputs.seed), &mut |_| {});
        bayes_s += began.elapsed().as_secs_f64();
        bayes_errors.push(rmse(&model));
    }
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    Ok(json!({
        "seconds": [fits_s], "rmse": mean(&errors), "seconds_bayes": bayes_s, "rmse_bayes": mean(&bayes_errors),
    }))
}
