//! Items that the same users prefer: cosine between columns of the strength matrix, kept as a few neighbours each.
//!
//! Sarwar et al., *Item-based collaborative filtering recommendation algorithms*, WWW 2001, with dampers: a user with
//! many items says less about each pair (Breese et al. 1998), a pair seen in few users is shrunk, and a pair that
//! lies far apart in a user's history counts less than one of the same visit.

use crate::matrix::Interactions;
use crate::params::{BadParam, check};
use rayon::prelude::*;

/// Checked parameters of [`Neighbours::fit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemItemParams {
    k: usize,
    shrinkage: f64,
    user_exponent: f64,
    target_exponent: f64,
    user_items_max: usize,
    near_places: f64,
    far_weight: f64,
}

impl ItemItemParams {
    /// - `k`: neighbours kept per item, 1 to 1000
    /// - `shrinkage`: users; a similarity seen in `n` users counts `n / (n + shrinkage)`, 0 to 1e6
    /// - `user_exponent`: a user with `n` items counts `n^-exponent`, 0 (all alike) to 2
    /// - `target_exponent`: share of the normalisation borne by the recommended item; 0.5 is the cosine, less favours
    ///   popular neighbours, 0 to 1
    /// - `user_items_max`: only that many of a user's strongest items are paired, 2 to 100000: bounds the cost, which
    ///   grows with the square of it
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        k: usize,
        shrinkage: f64,
        user_exponent: f64,
        target_exponent: f64,
        user_items_max: usize,
    ) -> Result<Self, BadParam> {
        let within = |x: f64, max: f64| (0.0..=max).contains(&x);
        Ok(Self {
            k: check("item_item.k", k, (1..=1000).contains(&k), "1 to 1000")?,
            shrinkage: check("item_item.shrinkage", shrinkage, within(shrinkage, 1e6), "0 to 1e6")?,
            user_exponent: check(
                "item_item.user_exponent",
                user_exponent,
                within(user_exponent, 2.0),
                "0 to 2",
            )?,
            target_exponent: check(
                "item_item.target_exponent",
                target_exponent,
                within(target_exponent, 1.0),
                "0 to 1",
            )?,
            user_items_max: check(
                "item_item.user_items_max",
                user_items_max,
                (2..=100_000).contains(&user_items_max),
                "2 to 100000",
            )?,
            near_places: 1.0,
            far_weight: 1.0,
        })
    }

    /// Lets what a user turned to at about the same time count more: a pair that lies `d` places apart in the user's
    /// history counts `far_weight + (1 - far_weight) 2^(-d / near_places)`. The rows of the training data must be in
    /// the order of time. Without this call, places do not count.
    /// - `near_places`: 0.1 to 100; `far_weight`: 0 to 1, 1 is as without
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn with_proximity(self, near_places: f64, far_weight: f64) -> Result<Self, BadParam> {
        let (near, far) = ((0.1..=100.0).contains(&near_places), (0.0..=1.0).contains(&far_weight));
        Ok(Self {
            near_places: check("item_item.near_places", near_places, near, "0.1 to 100")?,
            far_weight: check("item_item.far_weight", far_weight, far, "0 to 1")?,
            ..self
        })
    }

    /// Neighbours kept per item.
    pub fn k(&self) -> usize {
        self.k
    }
}

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

/// The training data made ready: damped by user, with every item's norm.
struct Weighed {
    by_user: Interactions,
    by_item: Interactions,
    user_weight: Vec<f64>,
    norm: Vec<f64>,
    /// Weight of a pair by its distance in places; beyond the end it is `far_weight`.
    proximity: Vec<f64>,
}

/// Distances of which the weight is looked up: beyond the end, what is left of nearness is below 2^-40.
const PROXIMITY_PLACES: usize = 4096;

impl Weighed {
    fn new(data: &Interactions, params: &ItemItemParams) -> Self {
        let by_user = data.strongest(params.user_items_max);
        let by_item = by_user.transpose();
        let user_weight: Vec<f64> = (0..by_user.n_rows())
            .map(|u| (by_user.row(u).0.len().max(1) as f64).powf(-params.user_exponent))
            .collect();
        let norm = (0..by_item.n_rows())
            .map(|i| {
                let (users, strengths) = by_item.row(i);
                let weighed = users.iter().zip(strengths);
                weighed.map(|(&u, &s)| user_weight[u as usize] * f64::from(s) * f64::from(s)).sum()
            })
            .collect();
        let near = |places: usize| (-(places as f64) / params.near_places).exp2();
        let proximity = (0..PROXIMITY_PLACES)
            .map(|places| params.far_weight + (1.0 - params.far_weight) * near(places))
            .collect();
        Self { by_user, by_item, user_weight, norm, proximity }
    }

    /// The nearest items of one item, from sums in the fixed order of its users.
    fn neighbours(&self, item: u32, params: &ItemItemParams, scratch: &mut FitScratch) -> Vec<(u32, f32)> {
        let FitScratch { sums, touched } = scratch;
        sums.resize(self.norm.len(), (0.0, 0));
        let (users, strengths) = self.by_item.row(item as usize);
        for ((&user, &strength), &place) in
            users.iter().zip(strengths).zip(self.by_item.places(item as usize))
        {
            let weight = self.user_weight[user as usize] * f64::from(strength);
            let (others, theirs) = self.by_user.row(user as usize);
            let places = self.by_user.places(user as usize);
            for ((&other, &their), &theirs_place) in others.iter().zip(theirs).zip(places) {
                let (sum, count) = &mut sums[other as usize];
                if *count == 0 {
                    touched.push(other);
                }
                let apart = place.abs_diff(theirs_place) as usize;
                let near = self.proximity.get(apart).copied().unwrap_or(params.far_weight);
                *sum += weight * f64::from(their) * near;
                *count += 1;
            }
        }
        let own = self.norm.get(item as usize).map_or(0.0, |norm| norm.powf(1.0 - params.target_exponent));
        let mut near = Vec::with_capacity(touched.len());
        for other in touched.drain(..) {
            let (sum, count) = std::mem::take(&mut sums[other as usize]);
            let norm = own * self.norm[other as usize].powf(params.target_exponent);
            let trust = f64::from(count) / (f64::from(count) + params.shrinkage);
            let sim = (sum / norm * trust) as f32;
            if other != item && sim.is_finite() && 0.0 < sim {
                near.push((other, sim));
            }
        }
        let nearer = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if params.k < near.len() {
            near.select_nth_unstable_by(params.k - 1, nearer);
            near.truncate(params.k);
        }
        near.sort_unstable_by(nearer);
        near
    }
}

#[derive(Default)]
struct FitScratch {
    sums: Vec<(f64, u32)>,
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
        Self::of_checked_rows(params.k, rows.iter().map(Vec::as_slice))
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
        Ok(Self::of_checked_rows(k, rows.iter().map(Vec::as_slice)))
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

    fn of_checked_rows<'a>(k: usize, rows: impl Iterator<Item = &'a [(u32, f32)]>) -> Self {
        let mut made = Self { k, ..Self::empty() };
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

#[cfg(test)]
mod tests;
