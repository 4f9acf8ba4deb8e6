//! Models of `evaluate stream`.

use shoptide_models::evaluate::DecayedPopularity;
use shoptide_models::model::LearnEvent;
use shoptide_models::stream::{
    Hybrid, HybridParams, OnlineMf, OnlineMfParams, Popular, PopularParams, Trails, TrailsParams,
};
use shoptide_models::tune::{Dimension, Point, Range, Tunable};

use super::{FitError, Run, StreamAim, StreamModel};

pub const MODELS: &[StreamModel] = &[
    StreamModel {
        name: "popularity",
        space: &[Dimension { name: "half_life_days", range: Range::Log(0.1, 3_650.0) }],
        starts: &[],
        fit: |aim, point, _| {
            let days = point.get("half_life_days").copied().unwrap_or(365.0);
            Ok(Box::new(DecayedPopularity::new(days, aim.positive)?))
        },
    },
    StreamModel {
        name: "popular",
        space: PopularParams::SPACE,
        starts: &[],
        fit: |aim, point, run| made::<PopularParams, _>(aim, point, run, Popular::new),
    },
    StreamModel {
        name: "online-mf",
        space: OnlineMfParams::SPACE,
        starts: &[],
        fit: |aim, point, run| made::<OnlineMfParams, _>(aim, point, run, OnlineMf::new),
    },
    StreamModel {
        name: "trails",
        space: TrailsParams::SPACE,
        starts: &[],
        fit: |aim, point, run| made::<TrailsParams, _>(aim, point, run, Trails::new),
    },
    StreamModel {
        name: "hybrid",
        space: HybridParams::SPACE,
        starts: &[],
        fit: |aim, point, run| made::<HybridParams, _>(aim, point, run, Hybrid::new),
    },
];

/// A model at a point, with what the protocol says of its targets and of chance.
fn made<P: Tunable, M: LearnEvent + 'static>(
    aim: StreamAim,
    point: &Point,
    run: &mut Run<'_>,
    new: fn(P) -> M,
) -> Result<Box<dyn LearnEvent>, FitError> {
    let mut point = point.clone();
    point.insert("positive".to_owned(), aim.positive.into());
    // A point holds whole numbers of 53 bits exactly.
    point.insert("seed".to_owned(), (run.seed % (1 << 53)) as f64);
    Ok(Box::new(new(P::at(&point)?)))
}
