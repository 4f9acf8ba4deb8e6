//! Models of `evaluate sessions`.

use shoptide_models::evaluate::MostPopular;

use super::SessionModel;
use super::today::{ItemItemPoint, NearSession};
use shoptide_models::tune::Tunable;

pub const MODELS: &[SessionModel] = &[
    SessionModel {
        name: "popularity",
        space: &[],
        starts: &[],
        fit: |train, _, _| {
            let items = (0..train.len()).flat_map(|session| train.items(session).iter().copied());
            Ok(Box::new(MostPopular::count(train.n_items(), items)))
        },
    },
    SessionModel {
        name: "item_item",
        space: ItemItemPoint::SPACE,
        starts: &[],
        fit: |train, point, _| Ok(Box::new(NearSession::fit(train, &ItemItemPoint::at(point)?)?)),
    },
];
