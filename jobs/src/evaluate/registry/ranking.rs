//! Models of `evaluate ranking`.

use shoptide_models::evaluate::MostPopular;
use shoptide_models::tune::Tunable;

use super::RankingModel;
use super::today::{AlsPoint, ItemItemPoint, NearUser, UserFactors};

pub const MODELS: &[RankingModel] = &[
    RankingModel {
        name: "popularity",
        space: &[],
        starts: &[],
        fit: |train, _, _| {
            let items = (0..train.n_rows()).flat_map(|user| train.row(user).0.iter().copied());
            Ok(Box::new(MostPopular::count(train.n_cols(), items)))
        },
    },
    RankingModel {
        name: "item_item",
        space: ItemItemPoint::SPACE,
        starts: &[],
        fit: |train, point, _| Ok(Box::new(NearUser::fit(train, &ItemItemPoint::at(point)?))),
    },
    RankingModel {
        name: "als",
        space: AlsPoint::SPACE,
        starts: &[],
        fit: |train, point, run| Ok(Box::new(UserFactors::fit(train, &AlsPoint::at(point)?, run)?)),
    },
];
