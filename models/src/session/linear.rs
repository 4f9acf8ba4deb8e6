//! A linear model from the clicks that were to the clicks that come: ridge regression in closed form.
//!
//! SLIST (Choi et al., *Session-aware linear item-item models for session-based recommendation*, WWW 2021), which inverts
//! an item-by-item matrix, is cut down to what large catalogues allow: each item is explained by the few that it was
//! clicked after most (as fsSLIM, Ning & Karypis, ICDM 2011), so the systems are small and their number is linear.

use std::cell::RefCell;

use rayon::prelude::*;

use super::pairs::{Rows, strongest};
use super::tally::Tally;
use crate::model::{NextItem, Scored};
use crate::params::{BadParam, check};
use crate::sessions::Sessions;
use crate::tune::{Dimension, Point, Range, Tunable};

/// Distinct items of the current session that are asked, the latest first.
const SESSION_ITEMS_MAX: usize = 12;
/// Neighbours of an item in the matrix of the left side; weaker ones are taken for none.
const GRAM_KEPT: usize = 500;
/// Items one query can score.
const ITEMS_MAX: usize = 40_000;
/// Effects kept of one item: what bounds a query.
const EFFECTS_KEPT: usize = 2000;

/// Checked parameters of [`Linear::fit`]: the default, or [`Tunable::at`] a point. By name:
///
/// - `causes`: items that explain an item, 1 to 300
/// - `ridge`: added to the diagonal, in clicks, 0.01 to 1e6
/// - `near`, `position`: clicks; what lies `d` clicks ahead or behind counts `exp(-d / near)` or `exp(-d / position)`,
///   0.05 to 1000
/// - `recency`: a session of age `a` (0 to 1, share of the time of all sessions) counts `exp(-a / recency)`, 0.001 to 1000
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearParams {
    causes: usize,
    ridge: f32,
    near: f32,
    position: f32,
    recency: f32,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self { causes: 60, ridge: 20.0, near: 1.0, position: 1.5, recency: 1.0 }
    }
}

impl Tunable for LinearParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "ridge", range: Range::Log(0.3, 100.0) },
        Dimension { name: "near", range: Range::Log(0.3, 10.0) },
        Dimension { name: "position", range: Range::Log(0.3, 10.0) },
        Dimension { name: "recency", range: Range::Log(0.02, 10.0) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let default = Self::default();
        let within = |key, name: &str, default: f32, from: f64, to: f64, expected| {
            let found = point.get(name).copied().unwrap_or(f64::from(default));
            check(key, found, (from..=to).contains(&found), expected).map(|x| x as f32)
        };
        let (causes, places) = (default.causes as f32, "0.05 to 1000");
        Ok(Self {
            causes: within("linear.causes", "causes", causes, 1.0, 300.0, "1 to 300")? as usize,
            ridge: within("linear.ridge", "ridge", default.ridge, 0.01, 1e6, "0.01 to 1e6")?,
            near: within("linear.near", "near", default.near, 0.05, 1000.0, places)?,
            position: within("linear.position", "position", default.position, 0.05, 1000.0, places)?,
            recency: within("linear.recency", "recency", default.recency, 0.001, 1000.0, "0.001 to 1000")?,
        })
    }
}

/// What each item makes likely.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    position: f32,
    effects: Rows,
}

thread_local! {
    static SCRATCH: RefCell<Tally> = RefCell::new(Tally::new(ITEMS_MAX));
}

impl Linear {
    /// Solves `(G_jj + ridge I) b_j = c_j` for each item `j`, where `p_t` are the decayed clicks up to place `t` of a session and
    /// `f_t` those after it, `G = Σ p_t p_tᵀ` and `C = Σ p_t f_tᵀ`, both cut to the causes of `j`.
    /// Cost: `n_items · causes²  · (causes / 3 + log)`.
    pub fn fit(sessions: &Sessions, params: LinearParams) -> Self {
        let decay = |clicks: usize, scale: f32| (-(clicks as f32) / scale).exp();
        let LinearParams { position, near, .. } = params;
        // Σ over the places t between the two clicks
        let ahead = |distance: usize, _: usize| {
            let each = (0..distance).map(|u| decay(u, position) * decay(distance - 1 - u, near));
            (each.sum::<f32>(), 0.0)
        };
        // Σ over the places t from the later click to the last but one
        let together = |distance: usize, left: usize| {
            let q = decay(2, position);
            let both = decay(distance, position) * (1.0 - q.powi(left as i32)) / (1.0 - q).max(1e-6);
            (both, both)
        };
        let causes = Rows::count(sessions, params.recency, usize::MAX, &ahead).transposed();
        let gram = Rows::count(sessions, params.recency, GRAM_KEPT, &together);
        let columns = (0..causes.len() as u32).into_par_iter().map(|item| {
            let (items, weights, _) = causes.row(item);
            let mut right: Scored = items.iter().copied().zip(weights.iter().copied()).collect();
            strongest(&mut right, params.causes);
            (0.0, solve(&gram, &right, params.ridge))
        });
        let mut effects = Rows::of(columns.collect()).transposed();
        effects.cut(EFFECTS_KEPT);
        Self { position, effects }
    }
}

/// Solves one item's system by Cholesky in f64.
fn solve(gram: &Rows, right: &[(u32, f32)], ridge: f32) -> Scored {
    let n = right.len();
    let mut a = vec![0f64; n * n];
    for (row, &(item, _)) in right.iter().enumerate() {
        let (items, weights, _) = gram.row(item);
        for (column, &(other, _)) in right[..=row].iter().enumerate() {
            a[row * n + column] = items.binary_search(&other).map_or(0.0, |place| f64::from(weights[place]));
        }
        a[row * n + row] += f64::from(ridge);
    }
    let mut x: Vec<f64> = right.iter().map(|r| f64::from(r.1)).collect();
    for row in 0..n {
        for column in 0..=row {
            let (upper, lower) = a.split_at_mut(row * n);
            let known = &lower[..column];
            let other = if column < row { &upper[column * n..column * n + column] } else { known };
            let left: f64 = known.iter().zip(other).map(|(a, b)| a * b).sum();
            let value = lower[column] - left;
            // a matrix cut to its strongest need not be positive: the ridge is then the least a pivot can be
            lower[column] = if column == row {
                value.max(f64::from(ridge)).sqrt()
            } else {
                value / upper[column * n + column]
            };
        }
    }
    for row in 0..n {
        let known: f64 = (0..row).map(|c| a[row * n + c] * x[c]).sum();
        x[row] = (x[row] - known) / a[row * n + row];
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|r| a[r * n + row] * x[r]).sum();
        x[row] = (x[row] - known) / a[row * n + row];
    }
    right.iter().zip(x).map(|(r, x)| (r.0, x as f32)).filter(|r| r.1 != 0.0 && r.1.is_finite()).collect()
}

impl NextItem for Linear {
    fn score(&self, session: &[u32], out: &mut Scored) {
        out.clear();
        SCRATCH.with_borrow_mut(|tally| {
            tally.clear();
            let from = session.len().saturating_sub(SESSION_ITEMS_MAX);
            for (distance, &item) in session[from..].iter().rev().enumerate() {
                let weight = (-(distance as f32) / self.position).exp();
                let (items, weights, _) = self.effects.row(item);
                for (&item, w) in items.iter().zip(weights) {
                    tally.add(item, weight * w, 0);
                }
            }
            out.extend(tally.iter().map(|(item, entry)| (item, entry.sum)).filter(|x| 0.0 < x.1));
        });
    }
}
