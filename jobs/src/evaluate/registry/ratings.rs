//! Models of `evaluate ratings`.

use shoptide_models::evaluate::{MeanRating, MeanRatingParams};
use shoptide_models::ratings::{BayesMf, BayesParams, BiasedMf, Blend, BlendParams, MfParams, Ratings};
use shoptide_models::tune::{Point, Tunable};

use super::{FitError, RatingModel, RatingTrain, Run};

pub const MODELS: &[RatingModel] = &[
    RatingModel {
        name: "mean",
        space: MeanRatingParams::SPACE,
        starts: &[],
        fit: |train, point, _| {
            let params = MeanRatingParams::at(point)?;
            Ok(Box::new(MeanRating::fit(train.n_users, train.n_items, train.ratings, &params)))
        },
    },
    RatingModel {
        name: "biased-mf",
        space: MfParams::SPACE,
        starts: &[],
        fit: |train, point, run| {
            let params: MfParams = seeded(point, run, &[("implicit", 0.0)])?;
            Ok(Box::new(BiasedMf::fit(&checked(train)?, &params, run.observe)))
        },
    },
    RatingModel {
        name: "svdpp",
        space: MfParams::SPACE,
        starts: &[],
        fit: |train, point, run| {
            let params: MfParams = seeded(point, run, &[("implicit", 1.0)])?;
            Ok(Box::new(BiasedMf::fit(&checked(train)?, &params, run.observe)))
        },
    },
    RatingModel {
        name: "bayes-mf",
        space: BayesParams::SPACE,
        starts: &[],
        fit: |train, point, run| {
            let params: BayesParams = seeded(point, run, &[])?;
            Ok(Box::new(BayesMf::fit(&checked(train)?, &params, run.observe)))
        },
    },
    RatingModel {
        name: "blend",
        space: BlendParams::SPACE,
        starts: &[],
        fit: |train, point, run| {
            let params: BlendParams = seeded(point, run, &[])?;
            Ok(Box::new(Blend::fit(&checked(train)?, &params, run.observe)))
        },
    },
];

fn checked(train: RatingTrain<'_>) -> Result<Ratings, FitError> {
    Ok(Ratings::new(train.n_users, train.n_items, train.ratings.iter().copied())?)
}

/// Parameters at a point; what it does not name is taken from `defaults`, then from the model.
fn seeded<P: Tunable>(point: &Point, run: &Run<'_>, defaults: &[(&str, f64)]) -> Result<P, FitError> {
    let mut full: Point = defaults.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    full.extend(point.clone());
    // A point holds whole numbers of 53 bits exactly.
    full.insert("seed".to_owned(), (run.seed % (1 << 53)) as f64);
    Ok(P::at(&full)?)
}
