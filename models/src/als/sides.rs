//! The two sides of a trained model: items held fixed while a user is folded in, and users held fixed while items are
//! brought up to date.

use super::half_step::{FoldScratch, Held, upper_gram, whole};
use super::params::AlsParams;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// What training learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    /// `(n_users, rank)`, row `u` is row `u` of the training data.
    pub users: Array2<f32>,
    /// `(n_items, rank)`, row `i` is column `i` of the training data.
    pub items: Array2<f32>,
}

/// Why factors cannot be one side of a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SideError {
    #[error("the factors have {found} columns, expected {rank}")]
    Rank { found: usize, rank: usize },
    #[error("the Gram matrix is {rows} x {cols}, expected {rank} x {rank}")]
    GramShape { rows: usize, cols: usize, rank: usize },
    #[error("row {row} of the factors is not finite")]
    NotFinite { row: usize },
    #[error("the Gram matrix of the factors is not finite")]
    GramNotFinite,
}

/// Why one row could not be solved. All but the last are wrong arguments.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FoldInError {
    #[error("index {index} is unknown, expected below {n_known}")]
    Unknown { index: u32, n_known: usize },
    #[error("index {index} is given twice")]
    Duplicate { index: u32 },
    #[error("index {index} has strength {strength}, expected a finite number, 0 or more")]
    Strength { index: u32, strength: f32 },
    #[error("the normal equations have no finite solution: strengths are too far apart")]
    Singular,
}

/// Item factors with all that a fold-in needs of them, computed once per model version.
///
/// Holds the factors twice, as f32 for scoring and as f64 in the eigenbasis for solving: `12·n_items·rank` bytes.
/// Equal sides have equal factors and parameters; the rest follows from them.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemSide {
    params: AlsParams,
    factors: Array2<f32>,
    held: Held,
}

impl ItemSide {
    /// - `factors` (Y): `(n_items, rank)`, row `i` is item `i` of the model's index; no rows is a model without factors
    /// - cost `O(n_items·rank² + rank³)`
    ///
    /// # Errors
    /// [`SideError`] if the shape is not the parameters' or a number is not finite.
    pub fn new(factors: Array2<f32>, params: AlsParams) -> Result<Self, SideError> {
        let values = checked(factors.view(), &params)?;
        let held = Held::of_all(&values, &params).map_err(|_| SideError::GramNotFinite)?;
        let n_items = values.len() / params.rank();
        let factors = Array2::from_shape_vec((n_items, params.rank()), values).unwrap_or_default();
        Ok(Self { params, factors, held })
    }

    /// Parameters the factors were learned with.
    pub fn params(&self) -> &AlsParams {
        &self.params
    }

    /// `(n_items, rank)`.
    pub fn factors(&self) -> ArrayView2<'_, f32> {
        self.factors.view()
    }

    /// Number of items, which is also the `n_items` of the regulariser.
    pub fn n_items(&self) -> usize {
        self.factors.nrows()
    }

    /// Factors of one item, `(rank,)`; none if the item is unknown.
    pub fn item(&self, item: u32) -> Option<&[f32]> {
        let rank = self.params.rank();
        self.flat().get(item as usize * rank..(item as usize + 1) * rank)
    }

    /// Gives a user the factors that fit what they did, item factors held fixed: the exact user half-step of
    /// [`fit`](super::fit), `x = (w0 YᵀY + Σ (c - w0) y yᵀ + λ (n_u + w0 n_items)^ν I)⁻¹ Σ c y` over items with `s > 0`.
    ///
    /// - `items`: `(item index, strength s)` in any order; a strength of 0 counts as absent
    /// - returns `(rank,)`, zeros for no items; within 1e-5 relative of a dense f64 solution
    /// - cost `O(n·rank·min(n, rank) + rank²)` for `n` items
    ///
    /// # Errors
    /// [`FoldInError`] for an index that is unknown or repeated, a strength that is negative or not finite.
    ///
    /// ```
    /// use ndarray::array;
    /// use shoptide_models::als::{AlsParams, FoldScratch, ItemSide};
    /// let params = AlsParams::new(1, 1, 1.0, 1.0, 1.0, 0.0, 0).unwrap();
    /// let side = ItemSide::new(array![[1.0], [2.0]], params).unwrap();
    /// // YᵀY = 5; c = 1 + 3: (5 + 3·2² + 1) x = 4·2
    /// let x = side.fold_in(&[(1, 3.0)], &mut FoldScratch::default()).unwrap();
    /// assert!((x[0] - 8.0 / 18.0).abs() < 1e-6);
    /// ```
    pub fn fold_in(&self, items: &[(u32, f32)], scratch: &mut FoldScratch) -> Result<Vec<f32>, FoldInError> {
        solve_checked(&self.held, &self.params, items, scratch)
    }

    /// Scores every item for a user: `scores[i] = y_i'x`.
    /// - `user` (x): `(rank,)`; `scores` becomes `(n_items,)`
    pub fn score_all(&self, user: &[f32], scores: &mut Vec<f32>) {
        scores.clear();
        scores.resize(self.n_items(), 0.0);
        crate::simd::scores(self.flat(), self.params.rank(), user, scores);
    }

    fn flat(&self) -> &[f32] {
        self.factors.as_slice().unwrap_or_default()
    }
}

/// User factors held fixed while items are solved.
#[derive(Debug, Clone, PartialEq)]
pub struct UserSide {
    params: AlsParams,
    held: Held,
}

impl UserSide {
    /// Holds all users: `users` is `(n_users, rank)`. Cost `O(n_users·rank² + rank³)`.
    ///
    /// # Errors
    /// As [`ItemSide::new`].
    pub fn new(users: ArrayView2<'_, f32>, params: AlsParams) -> Result<Self, SideError> {
        let values = checked(users, &params)?;
        let held = Held::of_all(&values, &params).map_err(|_| SideError::GramNotFinite)?;
        Ok(Self { params, held })
    }

    /// Holds `n_users` users whose Gram matrix is known, of whom only `some` are referred to (row 0, 1, … of `some`).
    ///
    /// # Errors
    /// As [`ItemSide::new`].
    pub fn with_gram(
        some: ArrayView2<'_, f32>,
        gram: ArrayView2<'_, f64>,
        n_users: usize,
        params: AlsParams,
    ) -> Result<Self, SideError> {
        let rank = params.rank();
        let (rows, cols) = gram.dim();
        if (rows, cols) != (rank, rank) {
            return Err(SideError::GramShape { rows, cols, rank });
        }
        if !gram.iter().all(|x| x.is_finite()) {
            return Err(SideError::GramNotFinite);
        }
        let values = checked(some, &params)?;
        let gram: Vec<f64> = gram.iter().copied().collect();
        let held = Held::with_gram(&values, &gram, n_users, &params).map_err(|_| SideError::GramNotFinite)?;
        Ok(Self { params, held })
    }
}

impl UserSide {
    /// Gives an item the factors that fit who turned to it, user factors held fixed: [`ItemSide::fold_in`] with the sides
    /// changed. `users` is `(user row, strength s)`; returns `(rank,)`.
    ///
    /// # Errors
    /// As [`ItemSide::fold_in`].
    pub fn fold_in(&self, users: &[(u32, f32)], scratch: &mut FoldScratch) -> Result<Vec<f32>, FoldInError> {
        solve_checked(&self.held, &self.params, users, scratch)
    }
}

/// Solves some items anew, users held fixed (the item half-step of [`fit`](super::fit)):
/// - `touched`: each item with all of its `(user row, strength)`
/// - returns each item with its new factors `(rank,)`, in the order given
///
/// # Errors
/// The first item's [`FoldInError`].
pub fn refresh_items(
    users: &UserSide,
    touched: &[(u32, Vec<(u32, f32)>)],
) -> Result<Vec<(u32, Vec<f32>)>, FoldInError> {
    touched
        .par_iter()
        .map_init(FoldScratch::default, |scratch, (item, by)| Ok((*item, users.fold_in(by, scratch)?)))
        .collect()
}

/// `FᵀF` `(rank, rank)` of factors `(n, rank)`, in f64; the same bytes at any number of threads.
pub fn gram(factors: ArrayView2<'_, f32>) -> Array2<f64> {
    let rank = factors.ncols();
    if rank == 0 {
        return Array2::default((0, 0));
    }
    let values: Vec<f32> = factors.iter().copied().collect();
    Array2::from_shape_vec((rank, rank), whole(&upper_gram(&values, rank), rank)).unwrap_or_default()
}

/// The factors row by row, if they can be a side of a model.
pub(super) fn checked(factors: ArrayView2<'_, f32>, params: &AlsParams) -> Result<Vec<f32>, SideError> {
    let (n, found) = factors.dim();
    if found != params.rank() && 0 < n {
        return Err(SideError::Rank { found, rank: params.rank() });
    }
    let values: Vec<f32> = factors.iter().copied().collect();
    match values.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(SideError::NotFinite { row: at / found }),
        None => Ok(values),
    }
}

pub(super) fn solve_checked(
    held: &Held,
    params: &AlsParams,
    entries: &[(u32, f32)],
    scratch: &mut FoldScratch,
) -> Result<Vec<f32>, FoldInError> {
    let n_known = held.n_rows();
    for &(index, strength) in entries {
        if n_known <= index as usize {
            return Err(FoldInError::Unknown { index, n_known });
        }
        if !strength.is_finite() || strength < 0.0 {
            return Err(FoldInError::Strength { index, strength });
        }
    }
    if !entries.is_sorted_by(|a, b| a.0 < b.0) {
        scratch.seen.clear();
        scratch.seen.extend(entries.iter().map(|entry| entry.0));
        scratch.seen.sort_unstable();
        if let Some(pair) = scratch.seen.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(FoldInError::Duplicate { index: pair[0] });
        }
    }
    scratch.set(entries.iter().copied().filter(|entry| 0.0 < entry.1));
    let mut out = vec![0f32; params.rank()];
    held.solve(params, scratch, &mut out).map_err(|_| FoldInError::Singular)?;
    Ok(out)
}
