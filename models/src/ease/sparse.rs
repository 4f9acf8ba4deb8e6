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
use crate::paths::power;
use crate::simd::{Kernel, dispatch, padded};

/// Why the approximation was not trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SparseEaseError {
    #[error("the equations of item {item} have no finite solution: strengths are too far apart")]
    NotFinite { item: usize },
}

/// Items solved between two calls of the progress callback.
const ITEMS_PER_STEP: usize = 4096;

/// A user of a member of the small system.
struct Visit {
    /// Place of the member.
    at: usize,
    strength: f32,
    user: u32,
    /// His visit before this one, from 1; 0 if there is none.
    before: u32,
}

/// Working memory of one thread: 4 bytes per user and the small system.
#[derive(Default)]
struct Local {
    /// Each user's latest visit, from 1; 0 if there is none.
    latest: Vec<u32>,
    visits: Vec<Visit>,
    a: Vec<f64>,
    b: Vec<f64>,
}

/// Finds the weights of [`Ease`](super::Ease) between each item and its nearest others: row `i` of the result is what having
/// item `i` adds to the score of others. Weights may be negative.
///
/// Cost `O(Σ_u n_u² + n_items m³)` with `m` the neighbours of an item, and for each item the users of its `m` neighbours, on all
/// threads of the current rayon pool; the same bytes whatever their number. `observe` hears of every few thousand items.
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
    let Local { latest, visits, a, b } = memory;
    latest.resize(gram.paths.by_user.n_rows(), 0);
    // The item comes last, so that only the last pivot of the factor has to do with it.
    let members = || near.iter().map(|x| x.0 as usize).chain([item]);
    let ld = padded(near.len() + 1);
    a.clear();
    a.resize(ld * ld, 0.0);
    a.iter_mut().step_by(ld + 1).skip(near.len() + 1).for_each(|x| *x = 1.0);
    // Through each user, the members he has: every pair of them is a path. Whole columns of the Gram matrix would be looked
    // through for a hundredth of their entries.
    for (at, member) in members().enumerate() {
        let (users, strengths) = gram.paths.by_item.row(member);
        for (&user, &strength) in users.iter().zip(strengths) {
            let weighed = f64::from(gram.paths.through[user as usize]) * f64::from(strength);
            let link = visits.len() as u32 + 1;
            visits.push(Visit { at, strength, before: latest[user as usize], user });
            latest[user as usize] = link;
            let mut next = link;
            while let Some(visit) = (next as usize).checked_sub(1).and_then(|next| visits.get(next)) {
                a[visit.at * ld + at] += weighed * f64::from(visit.strength);
                next = visit.before;
            }
        }
    }
    visits.drain(..).for_each(|visit| latest[visit.user as usize] = 0);
    for (at, member) in members().enumerate() {
        let scale = gram.scale[member];
        let rows = a[at * ld..][..=near.len()].iter_mut().zip(members());
        rows.skip(at).for_each(|(x, other)| *x *= scale * gram.scale[other]);
        a[at * ld + at] += gram.params.ridge(a[at * ld + at]);
    }
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
