//! The served models, item-item neighbours and factors, as the evaluators ask for them.

use ndarray::Array2;
use shoptide_models::als::{self, AlsParams, ItemSide};
use shoptide_models::item_item::{ItemItemParams, NeighbourScratch, Neighbours};
use shoptide_models::matrix::Interactions;
use shoptide_models::model::{NextItem, Progress, RankItems, Scored, best};
use shoptide_models::params::BadParam;
use shoptide_models::sessions::Sessions;
use shoptide_models::tune::{Dimension, Point, Range, Tunable};

use super::{FitError, Run};

/// Parameters of the neighbours, and how fast a history fades.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemItemPoint {
    params: ItemItemParams,
    recency_places: f64,
}

impl Tunable for ItemItemPoint {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "k", range: Range::Whole(20, 500) },
        Dimension { name: "shrinkage", range: Range::Log(0.1, 100.0) },
        Dimension { name: "user_exponent", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "target_exponent", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "near_places", range: Range::Log(0.5, 50.0) },
        Dimension { name: "far_weight", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "recency_places", range: Range::Log(0.3, 1e4) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let of = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let params = ItemItemParams::new(
            of("k", 200.0).round().max(0.0) as usize,
            of("shrinkage", 5.0),
            of("user_exponent", 0.5),
            of("target_exponent", 0.5),
            1_000,
        )?;
        let params = params.with_proximity(of("near_places", 1.0), of("far_weight", 1.0))?;
        let places = of("recency_places", 1e6);
        if !(0.1..=1e6).contains(&places) {
            let found = places.to_string();
            return Err(BadParam { key: "recency_places", found, expected: "0.1 to 1e6" });
        }
        Ok(Self { params, recency_places: places })
    }
}

/// A history as strengths that halve every so many places, the newest 1; a repeated item keeps its newest place.
fn faded(history: &[u32], recency_places: f64) -> Vec<(u32, f32)> {
    let mut faded: Vec<(u32, f32)> = Vec::with_capacity(history.len());
    for (back, &item) in history.iter().rev().enumerate() {
        if faded.iter().all(|entry| entry.0 != item) {
            faded.push((item, (-(back as f64) / recency_places).exp2() as f32));
        }
    }
    faded
}

/// Clicks of a session that count: long sessions are the work of robots.
const SESSION_CLICKS_MAX: usize = 100;

/// Item-item neighbours of a running session.
pub(super) struct NearSession {
    neighbours: Neighbours,
    recency_places: f64,
}

impl NearSession {
    pub(super) fn fit(train: &Sessions, point: &ItemItemPoint) -> Result<Self, FitError> {
        let row = |session: usize| {
            let mut seen = std::collections::HashSet::new();
            train.items(session).iter().filter(|item| seen.insert(**item)).map(|item| (*item, 1.0)).collect()
        };
        let data = Interactions::from_rows(train.n_items(), (0..train.len()).map(row))?;
        let neighbours = Neighbours::fit(&data, &point.params);
        Ok(Self { neighbours, recency_places: point.recency_places })
    }
}

thread_local! {
    /// Twelve bytes an item: too much to make anew for every list.
    static SCRATCH: std::cell::RefCell<NeighbourScratch> = std::cell::RefCell::default();
}

fn near(neighbours: &Neighbours, history: &[(u32, f32)]) -> Scored {
    let scored = SCRATCH.with_borrow_mut(|scratch| neighbours.score(history, scratch));
    scored.into_iter().map(|near| (near.item, near.score)).collect()
}

impl NextItem for NearSession {
    fn score(&self, session: &[u32], out: &mut Scored) {
        let from = session.len().saturating_sub(SESSION_CLICKS_MAX);
        let history = faded(session.get(from..).unwrap_or_default(), self.recency_places);
        *out = near(&self.neighbours, &history);
    }
}

/// Item-item neighbours of a user's training items.
pub(super) struct NearUser {
    neighbours: Neighbours,
    histories: Vec<Vec<(u32, f32)>>,
}

impl NearUser {
    pub(super) fn fit(train: &Interactions, point: &ItemItemPoint) -> Self {
        let history = |user: usize| {
            let mut placed: Vec<(u32, u32)> =
                train.places(user).iter().copied().zip(train.row(user).0.iter().copied()).collect();
            placed.sort_unstable();
            let items: Vec<u32> = placed.into_iter().map(|entry| entry.1).collect();
            let strengths = items.iter().rev().enumerate();
            let half = |back: usize| (-(back as f64) / point.recency_places).exp2() as f32;
            strengths.map(|(back, item)| (*item, half(back))).collect()
        };
        Self {
            neighbours: Neighbours::fit(train, &point.params),
            histories: (0..train.n_rows()).map(history).collect(),
        }
    }
}

impl RankItems for NearUser {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        let history = self.histories.get(user as usize).map_or(&[][..], Vec::as_slice);
        best(near(&self.neighbours, history), skip, k)
    }
}

/// Parameters of the factors.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlsPoint(AlsParams);

impl Tunable for AlsPoint {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[32.0, 64.0, 128.0]) },
        Dimension { name: "sweeps", range: Range::Whole(6, 16) },
        Dimension { name: "alpha", range: Range::Log(0.1, 10.0) },
        Dimension { name: "unobserved_weight", range: Range::Log(1e-3, 1.0) },
        Dimension { name: "regularization", range: Range::Log(1e-4, 0.3) },
        Dimension { name: "reg_exponent", range: Range::Linear(0.0, 1.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let of = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let whole = |name: &str, default: f64| of(name, default).round().max(0.0) as usize;
        let params = AlsParams::new(
            whole("rank", 64.0),
            whole("sweeps", 10.0),
            of("alpha", 1.0),
            of("unobserved_weight", 0.05),
            of("regularization", 0.01),
            of("reg_exponent", 1.0),
            0,
        )?;
        Ok(Self(params))
    }
}

/// Factors of users and items.
pub(super) struct UserFactors {
    users: Array2<f32>,
    items: ItemSide,
}

impl UserFactors {
    pub(super) fn fit(train: &Interactions, point: &AlsPoint, run: &mut Run<'_>) -> Result<Self, FitError> {
        let p = point.0;
        let params = AlsParams::new(
            p.rank(),
            p.sweeps(),
            p.alpha(),
            p.unobserved_weight(),
            p.regularization(),
            p.reg_exponent(),
            run.seed,
        )?;
        let observe = &mut run.observe;
        let factors = als::fit(train, &params, None, &mut |sweep| {
            observe(Progress { done: sweep.index + 1, total: params.sweeps(), loss: Some(sweep.loss) });
        })?;
        Ok(Self { users: factors.users, items: ItemSide::new(factors.items, params)? })
    }
}

impl RankItems for UserFactors {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        if self.users.nrows() <= user as usize {
            return Scored::new();
        }
        let user = self.users.row(user as usize);
        let mut scores = Vec::new();
        self.items.score_all(user.as_slice().unwrap_or_default(), &mut scores);
        best((0..).zip(scores).collect(), skip, k)
    }
}
