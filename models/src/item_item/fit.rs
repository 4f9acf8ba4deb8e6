//! Finding the neighbours: one pass over the users of each item, and one over the items of each of those.

use rayon::prelude::*;

use super::params::ItemItemParams;
use crate::collab::{PairSums, Side, Similarity};
use crate::matrix::Interactions;
use crate::model::{BestSoFar, best};
use crate::paths::{PathSums, Paths, power};

/// The training data made ready: damped by user, with every item's norm.
pub(super) struct Weighed<'a> {
    paths: Paths<'a>,
    sides: Vec<Side>,
    /// What the norm divides by, from the item whose neighbours are sought and from the neighbour.
    source: Vec<f32>,
    target: Vec<f32>,
    /// Weight of a pair by its distance in places; beyond the end it is `far_weight`.
    proximity: Vec<f64>,
    /// Neither places nor counts are needed.
    plain: bool,
}

/// Distances of which the weight is looked up: beyond the end, what is left of nearness is below 2^-40.
const PROXIMITY_PLACES: usize = 4096;

impl<'a> Weighed<'a> {
    pub(super) fn new(data: &'a Interactions, params: &ItemItemParams) -> Self {
        let paths = Paths::new(data.strongest(params.user_items_max), params.user_exponent);
        let side = |item: usize| {
            let (mut side, mut damped) = (Side::default(), 0.0);
            let (users, strengths) = paths.by_item.row(item);
            for (&user, &s) in users.iter().zip(strengths) {
                side.add(f64::from(s), 1.0);
                damped += f64::from(paths.through[user as usize]) * f64::from(s) * f64::from(s);
            }
            (side, damped)
        };
        let (sides, norms): (Vec<Side>, Vec<f64>) = (0..paths.n_items()).into_par_iter().map(side).unzip();
        let over = |exponent: f64| norms.iter().map(|&norm| power(norm, -exponent) as f32).collect();
        let near = |places: usize| (-(places as f64) / params.near_places).exp2();
        let proximity = (0..PROXIMITY_PLACES)
            .map(|places| params.far_weight + (1.0 - params.far_weight) * near(places))
            .collect();
        let alike = params.user_exponent == 0.0 && paths.all_ones();
        Self {
            source: over(1.0 - params.target_exponent),
            target: over(params.target_exponent),
            plain: params.far_weight == 1.0 && (params.shrinkage == 0.0 || alike),
            paths,
            sides,
            proximity,
        }
    }

    /// The nearest items of one item, from sums in the fixed order of its users; none for an unknown item.
    pub(super) fn neighbours(
        &self,
        item: u32,
        params: &ItemItemParams,
        scratch: &mut FitScratch,
    ) -> Vec<(u32, f32)> {
        if self.sides.len() <= item as usize {
            return Vec::new();
        }
        let near = match params.similarity {
            Similarity::Cosine if self.plain => return self.plain_cosines(item, params, scratch),
            Similarity::Cosine => self.damped_cosines(item, params, scratch),
            formula => self.of_pairs(item, params, formula, scratch),
        };
        best(near, &[], params.k)
    }

    /// Cosines where nothing needs more than one sum per pair: every count is either unused or the sum itself.
    fn plain_cosines(&self, item: u32, params: &ItemItemParams, scratch: &mut FitScratch) -> Vec<(u32, f32)> {
        let own = self.source[item as usize];
        let shrinkage = params.shrinkage as f32;
        let mut near = BestSoFar::new(params.k);
        if shrinkage == 0.0 {
            self.paths.offer_scaled(item as usize, own, &self.target, &mut scratch.plain, &mut near);
            return near.finish();
        }
        self.paths.sums(item as usize, 0, &mut scratch.plain, |other, sum| {
            let sim = sum * own * self.target[other as usize] * (sum / (sum + shrinkage));
            if other != item && sim.is_finite() && 0.0 < sim {
                near.offer(other, sim);
            }
        });
        near.finish()
    }

    /// Cosines with counts beside the sums, and with nearness in a history.
    fn damped_cosines(
        &self,
        item: u32,
        params: &ItemItemParams,
        scratch: &mut FitScratch,
    ) -> Vec<(u32, f32)> {
        let FitScratch { sums, touched, .. } = scratch;
        let Paths { by_user, by_item, through, .. } = &self.paths;
        sums.resize(self.sides.len(), (0.0, 0));
        let (users, strengths) = by_item.row(item as usize);
        for ((&user, &strength), &place) in users.iter().zip(strengths).zip(by_item.places(item as usize)) {
            let weight = f64::from(through[user as usize]) * f64::from(strength);
            let (others, theirs) = by_user.row(user as usize);
            let places = by_user.places(user as usize);
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
        let own = self.source[item as usize];
        let mut near = Vec::with_capacity(touched.len());
        for other in touched.drain(..) {
            let (sum, count) = std::mem::take(&mut sums[other as usize]);
            let trust = f64::from(count) / (f64::from(count) + params.shrinkage);
            let scale = f64::from(own) * f64::from(self.target[other as usize]);
            let sim = (sum * scale * trust) as f32;
            if other != item && sim.is_finite() && 0.0 < sim {
                near.push((other, sim));
            }
        }
        near
    }

    /// The textbook's formulas, from all six sums of each pair.
    fn of_pairs(
        &self,
        item: u32,
        params: &ItemItemParams,
        formula: Similarity,
        scratch: &mut FitScratch,
    ) -> Vec<(u32, f32)> {
        let FitScratch { pairs, touched, .. } = scratch;
        pairs.resize(self.sides.len(), PairSums::default());
        let (users, strengths) = self.paths.by_item.row(item as usize);
        for (&user, &x) in users.iter().zip(strengths) {
            let (others, theirs) = self.paths.by_user.row(user as usize);
            for (&other, &y) in others.iter().zip(theirs) {
                let pair = &mut pairs[other as usize];
                if pair.n == 0.0 {
                    touched.push(other);
                }
                pair.add(f64::from(x), f64::from(y), 1.0);
            }
        }
        let mut near = Vec::with_capacity(touched.len());
        for other in touched.drain(..) {
            let pair = std::mem::take(&mut pairs[other as usize]);
            let (x, y) = (&self.sides[item as usize], &self.sides[other as usize]);
            let sim = formula.of(&pair, x, y, params.shrinkage) as f32;
            if other != item && 0.0 < sim {
                near.push((other, sim));
            }
        }
        near
    }
}

#[derive(Default)]
pub(super) struct FitScratch {
    sums: Vec<(f64, u32)>,
    pairs: Vec<PairSums>,
    plain: PathSums,
    touched: Vec<u32>,
}
