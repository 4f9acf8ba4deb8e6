//! Models of `evaluate stream`.

use shoptide_models::evaluate::DecayedPopularity;
use shoptide_models::tune::{Dimension, Range};

use super::StreamModel;

pub const MODELS: &[StreamModel] = &[StreamModel {
    name: "popularity",
    space: &[Dimension { name: "half_life_days", range: Range::Log(0.1, 3_650.0) }],
    starts: &[],
    fit: |aim, point, _| {
        let days = point.get("half_life_days").copied().unwrap_or(365.0);
        Ok(Box::new(DecayedPopularity::new(days, aim.positive)?))
    },
}];
