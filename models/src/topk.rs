//! Exact top-k of dot products: a batch of users against all item factors.
//!
//! Scores are made in tiles of a few items by a panel of users, which stay in registers, and are compared at once with
//! what each user's k-th best item has so far: hardly any score is ever stored. Every score is summed over the dimensions
//! in their order, whatever the batch, so a user's list does not depend on who else is asked for.

mod keep;
mod kernel;

use crate::model::Scored;
use crate::panels::Panels;
use crate::simd::dispatch;
use keep::{Bounds, Keep};
use kernel::Scan;
use rayon::prelude::*;

/// Items of one task: at 64 dimensions half a megabyte, which stays in a core's own cache while all panels pass.
const ITEMS_PER_TASK: usize = 2048;
/// Users searched at once: more would only take memory for candidates.
const USERS_AT_ONCE: usize = 256;
/// Users of one task: enough to work long on each item that is read, few enough for batches to be spread over threads by their
/// users, so that a user's candidates are chosen in one place.
const USERS_PER_TASK: usize = 64;
/// Tasks for each thread: more than one, so that a thread that is held up can be helped.
const TASKS_PER_THREAD: usize = 2;

/// Why a search was refused. All are wrong arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopKError {
    #[error("the factors have 0 dimensions, expected at least 1")]
    NoDimensions,
    #[error("{what} has {len} numbers, expected a multiple of {dim}")]
    Shape { what: &'static str, len: usize, dim: usize },
    #[error("{n_items} items, expected at most 4294967295")]
    TooManyItems { n_items: usize },
}

/// The best `k` items for each user by dot product, best first, equal scores by the lower item.
///
/// - `items`: `(n_items, dim)` row-major; `users`: `(batch, dim)` row-major
/// - `skip(u)`: items that user `u` (row of `users`) must not get, ascending
/// - a list is shorter than `k` only if there are no more items; items whose score is not finite are left out
/// - cost `O(batch·n_items·dim)` on all threads of the current rayon pool, memory `O(batch·k)` per thread; the same
///   bytes at any number of threads and in any batch
///
/// # Errors
/// [`TopKError`] if lengths do not fit `dim`.
///
/// ```
/// use shoptide_models::topk::top_k;
/// let items = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
/// let lists = top_k(&items, &[2.0, 1.0, 0.0, 1.0], 2, 2, &|user| if user == 0 { &[2] } else { &[] }).unwrap();
/// assert_eq!(lists, [vec![(0, 2.0), (1, 1.0)], vec![(1, 1.0), (2, 1.0)]]);
/// ```
pub fn top_k<'s>(
    items: &[f32],
    users: &[f32],
    dim: usize,
    k: usize,
    skip: &(dyn Fn(usize) -> &'s [u32] + Sync),
) -> Result<Vec<Scored>, TopKError> {
    if dim == 0 {
        return Err(TopKError::NoDimensions);
    }
    for (what, numbers) in [("items", items), ("users", users)] {
        if !numbers.len().is_multiple_of(dim) {
            return Err(TopKError::Shape { what, len: numbers.len(), dim });
        }
    }
    let n_items = items.len() / dim;
    if u32::try_from(n_items).is_err() {
        return Err(TopKError::TooManyItems { n_items });
    }
    let k = k.min(n_items);
    let mut lists = Vec::with_capacity(users.len() / dim);
    for users in users.chunks(USERS_AT_ONCE * dim) {
        let skip = skips(skip, lists.len(), users.len() / dim);
        lists.extend(search(items, users, dim, k, &skip));
    }
    Ok(lists)
}

fn skips<'s>(skip: &(dyn Fn(usize) -> &'s [u32] + Sync), from: usize, n: usize) -> Vec<&'s [u32]> {
    (from..from + n).map(skip).collect()
}

fn search(items: &[f32], users: &[f32], dim: usize, k: usize, skip: &[&[u32]]) -> Vec<Scored> {
    if k == 0 {
        return vec![Scored::new(); skip.len()];
    }
    let groups = skip.len().div_ceil(USERS_PER_TASK).max(1);
    let blocks = items.len().div_ceil(ITEMS_PER_TASK * dim);
    // Each part of the items begins with nothing known and has to fill every user's candidates: no more parts than it takes to
    // keep the threads busy.
    let parts = (TASKS_PER_THREAD * rayon::current_num_threads()).div_ceil(groups);
    let part = blocks.div_ceil(parts).max(1);
    let lists = users.par_chunks(USERS_PER_TASK * dim).zip(skip.par_chunks(USERS_PER_TASK)).with_max_len(1);
    lists.flat_map_iter(|(users, skip)| of_group(items, users, dim, k, skip, part)).collect()
}

/// The lists of a group of users, `part` blocks of items or more to a task.
fn of_group(items: &[f32], users: &[f32], dim: usize, k: usize, skip: &[&[u32]], part: usize) -> Vec<Scored> {
    let (panels, bounds) = (Panels::of(users, dim), Bounds::new(skip.len()));
    let scanned = items.par_chunks(ITEMS_PER_TASK * dim).enumerate().with_min_len(part).fold(
        || Keep::new(k, &bounds, skip),
        |mut keep, (block, items)| {
            let first = (block * ITEMS_PER_TASK) as u32;
            dispatch(Scan { items, first, users, panels: &panels, keep: &mut keep });
            keep
        },
    );
    scanned.reduce(|| Keep::new(k, &bounds, skip), Keep::with).lists()
}

#[cfg(test)]
mod tests;
