//! EASE for large catalogues: a sparse approximate inverse of the Gram matrix on a pattern of bounded density.
//!
//! For every item the equations of EASE are solved exactly among the item and its nearest others, which is the factorised
//! sparse approximate inverse of Kolotilina & Yeremin (SIMAX 1993) on the pattern of the item graph, and what feature
//! selection does for SLIM (Ning & Karypis, ICDM 2011). Unlike an incomplete Cholesky factor (Spišák et al., *SANSA*, RecSys
//! 2023), each small system is positive definite whatever is left out, and all of them can be solved at once.

use rayon::prelude::*;

use super::dense::Gram;
use super::params::SparseEaseParams;
use crate::item_item::Neighbours;
use crate::linalg::{cholesky, solve};
use crate::matrix::Interactions;
use crate::model::{Progress, Scored, best};
use crate::paths::{PathSums, power};
use crate::simd::{Kernel, dispatch, padded};

/// Why the approximation was not trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SparseEaseError {
    #[error("the equations of item {item} have no finite solution: strengths are too far apart")]
    NotFinite { item: usize },
}

/// Items solved between two calls of the progress callback.
const ITEMS_PER_STEP: usize = 4096;

/// Working memory of one thread: 4 bytes per item and the small system.
#[derive(Default)]
struct Local {
    sums: PathSums,
    /// Where an item stands in the small system, from 1; 0 if it does not.
    place: Vec<u32>,
    a: Vec<f64>,
    b: Vec<f64>,
}

/// Finds the weights of [`Ease`](super::Ease) between each item and its nearest others: row `i` of the result is what having
/// item `i` adds to the score of others. Weights may be negative.
///
/// Cost `O(m Σ_u n_u² + n_items m³)` with `m` the neighbours of an item, on all threads of the current rayon pool; the same bytes
/// whatever their number. `observe` hears of every few thousand items.
///
/// # Errors
/// [`SparseEaseError`] if strengths are so far apart that a small system loses its rank.
pub fn fit_sparse_ease(
    data: &Interactions,
    params: &SparseEaseParams,
    observe: &mut dyn FnMut(Progress),
) -> Result<Neighbours, SparseEaseError> {
    let gram = Gram::new(data, &params.ease);
    let n = gram.paths.n_items();
    let diagonal: Vec<f64> = (0..n).map(|item| gram.diagonal(item)).collect();
    // The cosine: what explains an item best is not what is merely frequent.
    let norm: Vec<f32> = diagonal.iter().map(|&square| power(square, -0.5) as f32).collect();
    let pattern = gram.paths.best_rows(params.neighbours, &norm, &norm);
    let items: Vec<usize> = (0..n).collect();
    let total = n.div_ceil(ITEMS_PER_STEP);
    let mut rows = vec![Scored::new(); n];
    for (step, items) in items.chunks(ITEMS_PER_STEP).enumerate() {
        let columns: Vec<Result<Scored, SparseEaseError>> = items
            .par_iter()
            .map_init(Local::default, |memory, &item| column(&gram, item, &pattern[item], memory))
            .collect();
        for (&item, column) in items.iter().zip(columns) {
            for (from, weight) in column? {
                rows[from as usize].push((item as u32, weight));
            }
        }
        observe(Progress { done: step + 1, total, loss: None });
    }
    let rows: Vec<Scored> = rows.into_par_iter().map(|row| best(row, &[], usize::MAX)).collect();
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    Ok(Neighbours::of_rows(longest, &rows))
}

/// The weights that lead to `item`, from the items of `near`.
fn column(
    gram: &Gram<'_>,
    item: usize,
    near: &[(u32, f32)],
    memory: &mut Local,
) -> Result<Scored, SparseEaseError> {
    let Local { sums, place, a, b } = memory;
    place.resize(gram.paths.n_items(), 0);
    // The item comes last, so that only the last pivot of the factor has to do with it.
    let members = || near.iter().map(|x| x.0 as usize).chain([item]);
    let ld = padded(near.len() + 1);
    a.clear();
    a.resize(ld * ld, 0.0);
    a.iter_mut().step_by(ld + 1).for_each(|x| *x = 1.0);
    for (at, member) in (1u32..).zip(members()) {
        place[member] = at;
    }
    for (at, member) in members().enumerate() {
        gram.whole_column(member, sums, |other, value| {
            let to = place[other as usize] as usize;
            if 0 < to && at < to {
                a[at * ld + to - 1] = f64::from(value);
            }
        });
    }
    members().for_each(|member| place[member] = 0);
    b.clear();
    b.resize(ld, 0.0);
    b[near.len()] = 1.0;
    dispatch(Solve { a, b, ld }).ok_or(SparseEaseError::NotFinite { item })?;
    let own = b[near.len()];
    let mut found = Scored::with_capacity(near.len());
    for (&(other, _), x) in near.iter().zip(b.iter()) {
        let weight = (-x / own * gram.scale[other as usize] / gram.scale[item]) as f32;
        if !weight.is_finite() {
            return Err(SparseEaseError::NotFinite { item });
        }
        if weight != 0.0 {
            found.push((other, weight));
        }
    }
    Ok(found)
}

struct Solve<'a> {
    a: &'a mut [f64],
    b: &'a mut [f64],
    ld: usize,
}

impl Kernel for Solve<'_> {
    type Out = Option<()>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Option<()> {
        cholesky::<_, FUSED>(self.a, self.ld).ok()?;
        solve::<_, FUSED>(self.a, self.ld, self.b);
        Some(())
    }
}
