//! Models of `evaluate ratings`.

use shoptide_models::evaluate::{MeanRating, MeanRatingParams};
use shoptide_models::tune::Tunable;

use super::RatingModel;

pub const MODELS: &[RatingModel] = &[RatingModel {
    name: "mean",
    space: MeanRatingParams::SPACE,
    starts: &[],
    fit: |train, point, _| {
        let params = MeanRatingParams::at(point)?;
        Ok(Box::new(MeanRating::fit(train.n_users, train.n_items, train.ratings, &params)))
    },
}];
