//! Models of `evaluate sessions`.

use shoptide_models::evaluate::MostPopular;
use shoptide_models::session::best::{K_MAX, SearchParams, Step, find};
use shoptide_models::session::knn::{KnnParams, SessionKnn};
use shoptide_models::session::linear::{Linear, LinearParams};
use shoptide_models::session::recent::{RecentItems, RecentParams};
use shoptide_models::session::sources::index;
use shoptide_models::session::transitions::{TransitionParams, Transitions};
use shoptide_models::tune::Tunable;

use super::today::{ItemItemPoint, NearSession};
use super::{BestSessions, Heard, SessionModel, Tried, Winner};

/// The search of `--model best`.
pub const BEST: BestSessions = |train, aim, spent, tell| {
    let share = aim.valid_share.clamp(0.001, 0.5);
    let params = SearchParams::new(aim.k.min(K_MAX), share, aim.exclude_current, aim.seed)?;
    let best = find(train, params, spent, &mut |step| match step {
        Step::Trial(trial) => {
            let q = trial.quality;
            let text = format!("{}: HR {:.4}, MRR {:.4}", trial.model, q.hit_rate, q.mrr);
            let model = trial.model.to_owned();
            let tried = Tried { model, point: trial.point, score: q.hit_rate + q.mrr, finished: true };
            tell(Heard::Trial(tried, &text));
        }
        Step::Contest(trial) => {
            let q = trial.quality;
            let text = format!("{} in the contest: HR {:.4}, MRR {:.4}", trial.model, q.hit_rate, q.mrr);
            tell(Heard::Step(&text));
        }
        Step::Tree { trees, loss } => tell(Heard::Step(&format!("trees: {trees}, loss {loss:.4}"))),
    })?;
    Ok(Winner {
        name: format!("best: {}", best.name),
        model: best.model,
        params: best.params,
        exclude_current: best.exclude_current,
        score: best.quality.hit_rate + best.quality.mrr,
    })
};

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
    SessionModel {
        name: "recent",
        space: RecentParams::SPACE,
        starts: &[],
        fit: |train, point, _| Ok(Box::new(RecentItems::fit(train, RecentParams::at(point)?))),
    },
    SessionModel {
        name: "session_knn",
        space: KnnParams::SPACE,
        starts: &[],
        fit: |train, point, _| Ok(Box::new(SessionKnn::new(index(train)?, KnnParams::at(point)?))),
    },
    SessionModel {
        name: "transitions",
        space: TransitionParams::SPACE,
        starts: &[],
        fit: |train, point, _| Ok(Box::new(Transitions::fit(train, TransitionParams::at(point)?))),
    },
    SessionModel {
        name: "linear",
        space: LinearParams::SPACE,
        starts: &[],
        fit: |train, point, _| Ok(Box::new(Linear::fit(train, LinearParams::at(point)?))),
    },
    SessionModel {
        name: "session_trees",
        space: &[],
        starts: &[],
        fit: |train, _, run| {
            let params = SearchParams::new(20, 0.05, Some(false), run.seed)?.trees_only();
            Ok(find(train, params, &mut || 0.0, &mut |_| {})?.model)
        },
    },
];
