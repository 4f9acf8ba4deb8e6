//! The families of models that a search knows.

use std::sync::Arc;

use crate::als::{AlsParams, Solver};
use crate::collab::{UserKnn, UserKnnParams};
use crate::ease::{Ease, EaseParams, ITEMS_MAX, SparseEaseParams, fit_sparse_ease};
use crate::graph::{Rp3BetaParams, Spectral, SpectralParams, fit_rp3beta};
use crate::item_item::{ItemItemParams, Neighbours};
use crate::matrix::Interactions;
use crate::params::{BadParam, check};
use crate::ranking::{Factorized, Recency, ScoreItems};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Any error of a model's own.
pub type FitError = Box<dyn std::error::Error + Send + Sync>;

type Fit = fn(&Interactions, &Point, u64) -> Result<Arc<dyn ScoreItems>, FitError>;

/// A kind of model with its parameters.
pub struct Family {
    pub name: &'static str,
    space: &'static [Dimension],
    /// Parameters that only mean something where rows are in the order of time.
    of_time: &'static [&'static str],
    /// Tried first, beside the defaults.
    starts: &'static [&'static [(&'static str, f64)]],
    items_max: usize,
    items_min: usize,
    fit: Fit,
}

/// How much the older part of a history counts, as it stands in a point: the values that a search tries one after another. They
/// cost no training, so they are searched apart from the other parameters.
pub(super) const RECENCY: &[(&str, &[f64])] = &[
    ("recency_places", &[2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
    ("recency_floor", &[0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0]),
];

impl Family {
    /// Whether the family is for data of this size.
    pub fn serves(&self, data: &Interactions) -> bool {
        (self.items_min..=self.items_max).contains(&data.n_cols())
    }

    /// Trains on all of `data`.
    ///
    /// # Errors
    /// What the model says of data or parameters.
    pub fn fit(
        &self,
        data: &Interactions,
        point: &Point,
        seed: u64,
    ) -> Result<Arc<dyn ScoreItems>, FitError> {
        (self.fit)(data, point, seed)
    }

    pub(super) fn space(&self, timed: bool) -> Vec<Dimension> {
        let of_time = |dimension: &&Dimension| timed || !self.of_time.contains(&dimension.name);
        self.space.iter().filter(of_time).copied().collect()
    }

    /// The defaults, then what did well elsewhere.
    pub(super) fn starts(&self) -> Vec<Point> {
        let point = |start: &&[(&str, f64)]| start.iter().map(|(n, x)| ((*n).to_owned(), *x)).collect();
        let mut starts: Vec<Point> = vec![Point::new()];
        starts.extend(self.starts.iter().map(point));
        starts
    }
}

/// The recency that a point names; none if it names none.
///
/// # Errors
/// [`BadParam`] if it is out of its bounds.
pub fn recency(point: &Point) -> Result<Recency, BadParam> {
    let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
    Recency::new(get("recency_places", 16.0), get("recency_floor", 1.0))
}

/// Below this many items the dense EASE is as quick as its approximation, and better.
const SPARSE_ITEMS_MIN: usize = 8_000;

/// The families, in the order in which they are tuned: what is cheap goes first and leaves its time to what is dear.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "rp3beta",
        space: Rp3BetaParams::SPACE,
        of_time: &[],
        starts: &[
            &[("alpha", 0.7), ("beta", 0.24), ("user_exponent", 0.73), ("k", 1000.0)],
            &[("alpha", 0.4), ("beta", 0.3), ("user_exponent", 1.0)],
        ],
        items_max: usize::MAX,
        items_min: 0,
        fit: |data, point, _| Ok(Arc::new(fit_rp3beta(data, &Rp3BetaParams::at(point)?))),
    },
    Family {
        name: "user_knn",
        space: UserKnnParams::SPACE,
        of_time: &[],
        starts: &[
            &[("k", 275.0), ("item_exponent", 0.57), ("size_exponent", 0.62), ("target_exponent", 0.23)],
            &[("k", 100.0), ("target_exponent", 0.0)],
        ],
        items_max: usize::MAX,
        items_min: 0,
        fit: |data, point, _| Ok(Arc::new(UserKnn::fit(data, &UserKnnParams::at(point)?))),
    },
    Family {
        name: "item_item",
        space: ItemItemParams::SPACE,
        of_time: &["near_places", "far_weight"],
        starts: &[&[("k", 500.0), ("shrinkage", 3.0), ("target_exponent", 0.43), ("user_exponent", 0.54)]],
        items_max: usize::MAX,
        items_min: 0,
        fit: |data, point, _| Ok(Arc::new(Neighbours::fit(data, &ItemItemParams::at(point)?))),
    },
    Family {
        name: "ease",
        space: EaseParams::SPACE,
        of_time: &[],
        starts: &[&[("regularization", 500.0), ("dropout", 0.4)]],
        items_max: ITEMS_MAX,
        items_min: 0,
        fit: |data, point, _| Ok(Arc::new(Ease::fit(data, &EaseParams::at(point)?, &mut |_| ())?)),
    },
    Family {
        name: "sparse_ease",
        space: SparseEaseParams::SPACE,
        of_time: &[],
        starts: &[&[("regularization", 8.0), ("user_exponent", 0.2), ("item_exponent", 0.45)]],
        items_max: usize::MAX,
        items_min: SPARSE_ITEMS_MIN,
        fit: |data, point, _| {
            Ok(Arc::new(fit_sparse_ease(data, &SparseEaseParams::at(point)?, &mut |_| ())?))
        },
    },
    Family {
        name: "spectral",
        space: SpectralParams::SPACE,
        of_time: &[],
        starts: &[&[("rank", 512.0), ("sharpness", 0.5)], &[("rank", 64.0), ("sharpness", 0.5)]],
        items_max: usize::MAX,
        items_min: 0,
        fit: |data, point, _| Ok(Arc::new(Spectral::fit(data, &SpectralParams::at(point)?)?)),
    },
    Family {
        name: "als",
        space: FactorPoint::SPACE,
        of_time: &[],
        starts: &[&[("unobserved_weight", 0.1), ("regularization", 0.01)]],
        items_max: usize::MAX,
        items_min: 0,
        fit: |data, point, seed| {
            let params = FactorPoint::at(point)?.with_seed(seed)?;
            Ok(Arc::new(Factorized::fit(data, &params, &mut |_| ())?))
        },
    },
];

/// Parameters of iALS in a search.
struct FactorPoint(AlsParams);

impl FactorPoint {
    fn with_seed(self, seed: u64) -> Result<AlsParams, BadParam> {
        let p = self.0;
        let (alpha, w0) = (p.alpha(), p.unobserved_weight());
        let (lambda, nu) = (p.regularization(), p.reg_exponent());
        AlsParams::new(p.rank(), p.sweeps(), alpha, w0, lambda, nu, seed)?.with_solver(Solver::Cholesky)
    }
}

impl Tunable for FactorPoint {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[32.0, 64.0, 128.0]) },
        Dimension { name: "unobserved_weight", range: Range::Log(1e-3, 0.5) },
        Dimension { name: "regularization", range: Range::Log(1e-4, 0.1) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let rank = get("rank", 64.0);
        check("als.rank", rank, (1.0..=512.0).contains(&rank), "1 to 512")?;
        let (w0, regularization) = (get("unobserved_weight", 0.01), get("regularization", 3e-3));
        Ok(Self(AlsParams::new(rank as usize, 8, 1.0, w0, regularization, 1.0, 0)?))
    }
}
