//! Items that the same users prefer: cosine between columns of the strength matrix, kept as a few neighbours each.
//!
//! Sarwar et al., *Item-based collaborative filtering recommendation algorithms*, WWW 2001, with dampers: a user with
//! many items says less about each pair (Breese et al. 1998), a pair seen in few users is shrunk, and a pair that
//! lies far apart in a user's history counts less than one of the same visit.

mod fit;
mod params;

pub use params::ItemItemParams;

use crate::matrix::Interactions;
use crate::ranking::{History, ScoreItems, known};
use fit::{FitScratch, Weighed};
use rayon::prelude::*;

/// Each item's nearest items, nearest first; ties by item index.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    k: usize,
    ptr: Vec<usize>,
    items: Vec<u32>,
    sims: Vec<f32>,
}

/// Why lists of neighbours were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NeighboursError {
    #[error("item {item} has neighbour {neighbour}, expected another item below {n_items}")]
    Range { item: usize, neighbour: u32, n_items: usize },
    #[error("item {item} has similarity {sim} to {neighbour}, expected a finite number")]
    NotFinite { item: usize, neighbour: u32, sim: f32 },
    #[error("item {item} has {found} neighbours, expected at most {k}")]
    TooMany { item: usize, found: usize, k: usize },
}

/// One candidate of [`Neighbours::score`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeighbourScore {
    pub item: u32,
    /// `Σ strength · similarity` over the history.
    pub score: f32,
    /// The history item with the largest share of the score; the first given if several tie.
    pub evidence: u32,
}

/// Working memory of [`Neighbours::score`], 12 bytes per item.
#[derive(Debug, Default, Clone)]
pub struct NeighbourScratch {
    sums: Vec<f32>,
    best: Vec<(f32, u32)>,
    touched: Vec<u32>,
}

impl Neighbours {
    /// Finds every item's neighbours.
    /// - `data`: `(n_users, n_items)`, strengths unitless
    /// - cost `O(Σ_u n_u²)`, on all threads of the current rayon pool; the same bytes whatever their number
    pub fn fit(data: &Interactions, params: &ItemItemParams) -> Self {
        let weighed = Weighed::new(data, params);
        let rows: Vec<Vec<(u32, f32)>> = (0..data.n_cols() as u32)
            .into_par_iter()
            .map_init(FitScratch::default, |scratch, item| weighed.neighbours(item, params, scratch))
            .collect();
        Self::of_rows(params.k, &rows)
    }

    /// Finds the neighbours of some items only, as [`Neighbours::fit`] would; items beyond the data have none.
    pub fn refit_items(
        data: &Interactions,
        params: &ItemItemParams,
        items: &[u32],
    ) -> Vec<(u32, Vec<(u32, f32)>)> {
        let weighed = Weighed::new(data, params);
        items
            .par_iter()
            .map_init(FitScratch::default, |scratch, &item| (item, weighed.neighbours(item, params, scratch)))
            .collect()
    }

    /// Takes ready-made lists, one per item, nearest first.
    ///
    /// # Errors
    /// [`NeighboursError`] for a neighbour that is no item, or the item itself, a similarity that is not finite, a list
    /// longer than `k`.
    pub fn from_rows(k: usize, rows: &[Vec<(u32, f32)>]) -> Result<Self, NeighboursError> {
        let n_items = rows.len();
        for (item, row) in rows.iter().enumerate() {
            if k < row.len() {
                return Err(NeighboursError::TooMany { item, found: row.len(), k });
            }
            for &(neighbour, sim) in row {
                if n_items <= neighbour as usize || neighbour as usize == item {
                    return Err(NeighboursError::Range { item, neighbour, n_items });
                }
                if !sim.is_finite() {
                    return Err(NeighboursError::NotFinite { item, neighbour, sim });
                }
            }
        }
        Ok(Self::of_rows(k, rows))
    }

    /// The same lists with some replaced, for a catalogue of `n_items` (at least as many as now; new ones have none).
    ///
    /// # Errors
    /// As [`Neighbours::from_rows`]; changed items beyond `n_items` are [`NeighboursError::Range`].
    pub fn with_rows(
        &self,
        n_items: usize,
        changed: &[(u32, Vec<(u32, f32)>)],
    ) -> Result<Self, NeighboursError> {
        let mut rows: Vec<Vec<(u32, f32)>> = (0..n_items.max(self.n_items()))
            .map(|item| {
                let (items, sims) = self.row(item as u32);
                items.iter().copied().zip(sims.iter().copied()).collect()
            })
            .collect();
        let n_items = rows.len();
        for (item, row) in changed {
            let slot = rows.get_mut(*item as usize);
            *slot.ok_or(NeighboursError::Range { item: *item as usize, neighbour: *item, n_items })? =
                row.clone();
        }
        Self::from_rows(self.k, &rows)
    }

    /// No items.
    pub fn empty() -> Self {
        Self { k: 1, ptr: vec![0], items: Vec::new(), sims: Vec::new() }
    }

    /// Takes rows that were made here and need no check.
    pub(crate) fn of_rows(k: usize, rows: &[Vec<(u32, f32)>]) -> Self {
        let mut made = Self { k, ..Self::empty() };
        let entries = rows.iter().map(Vec::len).sum();
        made.items.reserve_exact(entries);
        made.sims.reserve_exact(entries);
        for row in rows {
            made.items.extend(row.iter().map(|x| x.0));
            made.sims.extend(row.iter().map(|x| x.1));
            made.ptr.push(made.items.len());
        }
        made
    }

    /// Neighbours kept per item, at most.
    pub fn k(&self) -> usize {
        self.k
    }

    pub fn n_items(&self) -> usize {
        self.ptr.len() - 1
    }

    /// An item's neighbours and similarities, nearest first; both empty for an unknown item.
    pub fn row(&self, item: u32) -> (&[u32], &[f32]) {
        match self.ptr.get(item as usize..).unwrap_or_default() {
            [from, to, ..] => (&self.items[*from..*to], &self.sims[*from..*to]),
            _ => (&[], &[]),
        }
    }

    /// Scores what is near to a history, in no particular order; items of the history are not left out.
    /// - `history`: `(item index, strength)`; unknown items and strengths that are not above 0 are passed over
    /// - cost `O(history · k)`
    pub fn score(&self, history: &[(u32, f32)], scratch: &mut NeighbourScratch) -> Vec<NeighbourScore> {
        let NeighbourScratch { sums, best, touched } = scratch;
        sums.resize(self.n_items(), 0.0);
        best.resize(self.n_items(), (0.0, 0));
        for &(from, strength) in history {
            if !(strength.is_finite() && 0.0 < strength) {
                continue;
            }
            let (items, sims) = self.row(from);
            for (&item, &sim) in items.iter().zip(sims) {
                let (share, at) = (strength * sim, item as usize);
                if best[at].0 == 0.0 {
                    touched.push(item);
                }
                sums[at] += share;
                if best[at].0 < share {
                    best[at] = (share, from);
                }
            }
        }
        let mut scored = Vec::with_capacity(touched.len());
        for item in touched.drain(..) {
            let at = item as usize;
            let (score, (share, evidence)) = (std::mem::take(&mut sums[at]), std::mem::take(&mut best[at]));
            if 0.0 < share {
                scored.push(NeighbourScore { item, score, evidence });
            }
        }
        scored
    }
}

impl ScoreItems for Neighbours {
    fn n_items(&self) -> usize {
        self.n_items()
    }

    /// `Σ strength · similarity` over the history; cost `O(history · k)`.
    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        for (history, out) in histories.iter().zip(out.chunks_exact_mut(self.n_items().max(1))) {
            for (from, strength) in known(history, self.n_items()) {
                let (items, sims) = self.row(from as u32);
                for (&item, &sim) in items.iter().zip(sims) {
                    out[item as usize] += strength * sim;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
