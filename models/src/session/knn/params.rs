//! What shapes a session kNN.

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of a [`SessionKnn`](super::SessionKnn): [`KnnParams::default`], or [`Tunable::at`] a point, which
/// names what shall differ from it. By name:
///
/// - `recent` (m): an item's most recent sessions that are looked at, 1 to 10000 (the index may hold fewer)
/// - `neighbours` (k): most similar sessions that vote, 1 to 10000
/// - `position`: clicks; an item `d` clicks before the current one counts `exp(-d / position)` in the similarity, 0.05 to 1000
/// - `recency`: a session of age `a` (0 to 1, share of the time that the index covers) counts `exp(-a / recency)`,
///   0.001 to 1000
/// - `near`: clicks; in a neighbour, an item `d` clicks from the shared item counts `exp(-d / near)`, 0.05 to 1000
/// - `before`: what an item counts that stands before the shared one in the neighbour, 0 to 1
/// - `length`: a neighbour with `n` clicks counts `n^-length`, 0 to 2
/// - `rarity`: an item in `n` of `N` sessions counts `ln(1 + N / n)^rarity`, 0 to 4
/// - `current`, `seen`: factors on the current item and on items clicked earlier in the session; 0 takes them off, 0 to 100
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnnParams {
    pub(super) recent: usize,
    pub(super) neighbours: usize,
    pub(super) position: f32,
    pub(super) recency: f32,
    pub(super) near: f32,
    pub(super) before: f32,
    pub(super) length: f32,
    pub(super) rarity: f32,
    pub(super) current: f32,
    pub(super) seen: f32,
}

impl Default for KnnParams {
    /// A start that is sensible on most shops.
    fn default() -> Self {
        Self {
            recent: 500,
            neighbours: 500,
            position: 2.0,
            recency: 0.5,
            near: 3.0,
            before: 0.7,
            length: 0.3,
            rarity: 1.0,
            current: 1.0,
            seen: 1.0,
        }
    }
}

impl Tunable for KnnParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "recent", range: Range::Choice(&[200.0, 500.0, 1000.0]) },
        Dimension { name: "neighbours", range: Range::Choice(&[100.0, 200.0, 500.0, 1000.0]) },
        Dimension { name: "position", range: Range::Log(0.2, 20.0) },
        Dimension { name: "recency", range: Range::Log(0.02, 10.0) },
        Dimension { name: "near", range: Range::Log(0.3, 30.0) },
        Dimension { name: "before", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "length", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "rarity", range: Range::Linear(0.0, 3.0) },
        Dimension { name: "current", range: Range::Linear(0.0, 4.0) },
        Dimension { name: "seen", range: Range::Linear(0.0, 8.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let default = Self::default();
        let value = |name: &str, default: f32| point.get(name).copied().unwrap_or(f64::from(default));
        let whole = |key: &'static str, name: &str, default: usize| {
            let found = value(name, default as f32);
            check(key, found, (1.0..=10_000.0).contains(&found), "1 to 10000").map(|x| x.round() as usize)
        };
        let places = |key: &'static str, name: &str, default: f32| {
            let found = value(name, default);
            check(key, found, (0.05..=1000.0).contains(&found), "0.05 to 1000").map(|x| x as f32)
        };
        let upto = |key: &'static str, name: &str, default: f32, max: f64, expected: &'static str| {
            let found = value(name, default);
            check(key, found, (0.0..=max).contains(&found), expected).map(|x| x as f32)
        };
        let recency = value("recency", default.recency);
        Ok(Self {
            recent: whole("session_knn.recent", "recent", default.recent)?,
            neighbours: whole("session_knn.neighbours", "neighbours", default.neighbours)?,
            position: places("session_knn.position", "position", default.position)?,
            recency: check(
                "session_knn.recency",
                recency,
                (0.001..=1000.0).contains(&recency),
                "0.001 to 1000",
            )? as f32,
            near: places("session_knn.near", "near", default.near)?,
            before: upto("session_knn.before", "before", default.before, 1.0, "0 to 1")?,
            length: upto("session_knn.length", "length", default.length, 2.0, "0 to 2")?,
            rarity: upto("session_knn.rarity", "rarity", default.rarity, 4.0, "0 to 4")?,
            current: upto("session_knn.current", "current", default.current, 100.0, "0 to 100")?,
            seen: upto("session_knn.seen", "seen", default.seen, 100.0, "0 to 100")?,
        })
    }
}
