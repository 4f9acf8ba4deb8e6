//! Models of `evaluate ranking`.

use std::sync::Arc;

use shoptide_models::bpr::{Bpr, BprParams};
use shoptide_models::collab::UserKnnParams;
use shoptide_models::ease::{EaseParams, SparseEaseParams};
use shoptide_models::evaluate::MostPopular;
use shoptide_models::graph::{Rp3BetaParams, SpectralParams};
use shoptide_models::matrix::Interactions;
use shoptide_models::model::RankItems;
use shoptide_models::ranking::search::{FAMILIES, Family, Part, SearchParams, Trial, best, recency};
use shoptide_models::ranking::{Faded, OfTrain, ScoreItems};
use shoptide_models::tune::{Dimension, Point, Range, Tunable};

use super::today::{AlsPoint, ItemItemPoint, NearUser, UserFactors};
use super::{Aim, BestRanking, FitError, Heard, RankingModel, Run, Spent, Tell, Tried, Winner};

/// The search of `--model best`: tunes every family on cuts of the training data, mixes them, trains the mix on everything.
pub const BEST: BestRanking = mixed;

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
    RankingModel {
        name: "bpr",
        space: BprParams::SPACE,
        starts: &[],
        fit: |train, point, run| {
            let mut point = point.clone();
            // A point holds whole numbers of 53 bits exactly.
            point.insert("seed".to_owned(), (run.seed % (1 << 53)) as f64);
            Ok(Box::new(Bpr::fit(train, &BprParams::at(&point)?, run.observe)))
        },
    },
    RankingModel {
        name: "rp3beta",
        space: RP3BETA,
        starts: &[&[("alpha", 0.7), ("beta", 0.24), ("user_exponent", 0.73), ("k", 1000.0)]],
        fit: |train, point, run| of_family("rp3beta", train, point, run),
    },
    RankingModel {
        name: "user_knn",
        space: USER_KNN,
        starts: &[],
        fit: |train, point, run| of_family("user_knn", train, point, run),
    },
    RankingModel {
        name: "ease",
        space: EASE,
        starts: &[],
        fit: |train, point, run| of_family("ease", train, point, run),
    },
    RankingModel {
        name: "sparse_ease",
        space: SPARSE_EASE,
        starts: &[],
        fit: |train, point, run| of_family("sparse_ease", train, point, run),
    },
    RankingModel {
        name: "spectral",
        space: SPECTRAL,
        starts: &[&[("rank", 512.0), ("sharpness", 0.5)]],
        fit: |train, point, run| of_family("spectral", train, point, run),
    },
];

/// How much the older part of a history counts, for any model: of use where rows are in the order of time.
const RECENCY: [Dimension; 2] = [
    Dimension { name: "recency_places", range: Range::Log(2.0, 200.0) },
    Dimension { name: "recency_floor", range: Range::Linear(0.0, 1.0) },
];

/// The parameters of a model and those of [`RECENCY`].
const fn and_recency<const N: usize>(own: &[Dimension]) -> [Dimension; N] {
    let mut all = [RECENCY[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < own.len() { own[at] } else { RECENCY[at - own.len()] };
        at += 1;
    }
    all
}

const RP3BETA: &[Dimension] = &and_recency::<{ Rp3BetaParams::SPACE.len() + 2 }>(Rp3BetaParams::SPACE);
const USER_KNN: &[Dimension] = &and_recency::<{ UserKnnParams::SPACE.len() + 2 }>(UserKnnParams::SPACE);
const EASE: &[Dimension] = &and_recency::<{ EaseParams::SPACE.len() + 2 }>(EaseParams::SPACE);
const SPARSE_EASE: &[Dimension] =
    &and_recency::<{ SparseEaseParams::SPACE.len() + 2 }>(SparseEaseParams::SPACE);
const SPECTRAL: &[Dimension] = &and_recency::<{ SpectralParams::SPACE.len() + 2 }>(SpectralParams::SPACE);

/// Lists made for every user beforehand, where scoring one by one would read a large matrix each time.
const LIST_MAX: usize = 100;

/// A family of the search at a point.
fn of_family(
    name: &'static str,
    train: &Interactions,
    point: &Point,
    run: &Run<'_>,
) -> Result<Box<dyn RankItems>, FitError> {
    let family: &Family =
        FAMILIES.iter().find(|family| family.name == name).ok_or("no such family of models")?;
    let faded: Faded<Arc<dyn ScoreItems>> = Faded::new(family.fit(train, point, run.seed)?, recency(point)?);
    let model = OfTrain::new(faded, train);
    Ok(if name == "spectral" { Box::new(model.with_lists(LIST_MAX)) } else { Box::new(model) })
}

/// Users that a search judges by at most.
const VALID_USERS_MAX: usize = 4_000;
/// Trainings of each family at most: beyond, a search finds the best of the cut rather than of the model.
const TRIALS_MAX: usize = 40;

fn mixed(
    train: &Interactions,
    aim: Aim,
    spent: Spent<'_>,
    tell: Tell<'_>,
) -> Result<Winner<dyn RankItems>, FitError> {
    let share = aim.valid_share.clamp(f64::MIN_POSITIVE, 0.9);
    let params = SearchParams::new(aim.k, aim.timed, share, VALID_USERS_MAX, TRIALS_MAX, aim.seed)?;
    let said =
        |point: &Point| point.iter().map(|(name, x)| format!(" {name}={x:.3}")).collect::<Vec<_>>().concat();
    let found = best(train, &params, spent, &mut |t: &Trial| {
        let text = format!("{}: recall {:.4}, NDCG {:.4}{}", t.family, t.recall, t.ndcg, said(&t.point));
        let (model, point) = (t.family.to_owned(), t.point.clone());
        tell(Heard::Trial(Tried { model, point, score: t.recall + t.ndcg, finished: true }, &text));
    })?;
    let of_part = |part: &Part| {
        let own = part.point.iter().map(|(name, x)| (format!("{}.{name}", part.family), *x));
        own.chain([(format!("{}.weight", part.family), part.weight)]).collect::<Vec<_>>()
    };
    let names: Vec<&str> = found.parts.iter().map(|part| part.family).collect();
    let trees = (0 < found.trees).then(|| ("trees".to_owned(), found.trees as f64));
    let ordered = if trees.is_some() { ", in trees" } else { "" };
    Ok(Winner {
        name: format!("{}{ordered}", names.join(" + ")),
        params: found.parts.iter().flat_map(of_part).chain(trees).collect(),
        exclude_current: false,
        score: found.valid.value(),
        model: Box::new(found.model),
    })
}
