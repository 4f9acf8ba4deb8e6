//! The fit on a sample, and where everybody else belongs.
//!
//! Tastes are reduced ([`Reduction`]) and brought to length 1, so that only their direction counts; habits stand beside them, each over
//! its spread. K-Means is linfa's, k-means++ with several starts; how many segments there are is what the silhouette says.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::KMeans;
use ndarray_of_linfa::Array2;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

use super::habits::HABITS;
use super::names::Centre;
use super::params::SegmentParams;
use crate::content::Reduction;
use crate::model::Progress;
use crate::silhouette::silhouette;
use crate::sparse::SparseRows;

/// Users of which the silhouette is taken: its cost grows with the square, its error is below 0.01 from here.
const SILHOUETTE_OF_MAX: usize = 2_000;
/// Iterations of one run at most.
const ITERATIONS_MAX: u64 = 100;
/// Starts tried for each number of segments.
const RUNS: usize = 3;
/// Spreads that a habit may lie from the mean: one robot must not be a segment.
const SPREADS_MAX: f32 = 2.0;
/// The number of segments of the run before stays unless another is better by this much: two numbers that are as good as each other
/// must not take turns.
const K_MARGIN: f64 = 0.02;
/// Terms that describe a centre: beyond them each says less than a hundredth of the first.
const CENTRE_TERMS: usize = 64;

/// Users to learn from.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// By user: `(term, weight)`, of [`ItemSpace::taste`](super::ItemSpace::taste).
    pub tastes: Vec<Vec<(u32, f32)>>,
    /// By user, of [`Habits::scaled`](super::Habits::scaled).
    pub habits: Vec<[f32; HABITS]>,
}

/// Where the segments lie.
#[derive(Debug, Clone)]
pub struct Fitted {
    reduction: Reduction,
    mean: [f32; HABITS],
    spread: [f32; HABITS],
    habits_weight: f32,
    /// `(k, dims + HABITS)`.
    centres: Vec<f32>,
}

/// What a fit found.
#[derive(Debug, Clone)]
pub struct Found {
    pub fitted: Fitted,
    /// By user of the sample; nothing for one without a taste where others have one.
    pub of: Vec<Option<u32>>,
    /// Of each segment, the largest first.
    pub centres: Vec<Centre>,
    /// `(k, silhouette)` of every number tried.
    pub tried: Vec<(usize, f64)>,
    /// Of the number chosen.
    pub silhouette: f64,
}

/// Why there are no segments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    #[error("{users} different users cannot make {k} segments")]
    TooFew { users: usize, k: usize },
    #[error("the clustering failed: {reason}")]
    Clustering { reason: String },
}

fn failed(error: impl std::fmt::Display) -> SegmentError {
    SegmentError::Clustering { reason: error.to_string() }
}

/// Finds segments.
/// - `n_terms`: of the tastes; `term` gives each its text
/// - `k_before`: how many segments the run before had
/// - `observe` hears of every number of segments tried
/// - cost: the reduction, then for each k `O(3·100·users·dims·k)` at most
///
/// The same sample gives the same bytes at any number of threads.
///
/// # Errors
/// [`SegmentError`] if there are fewer different users than segments.
pub fn fit<'t>(
    sample: &Sample,
    n_terms: usize,
    term: impl Fn(u32) -> &'t str,
    params: &SegmentParams,
    k_before: Option<usize>,
    observe: &mut dyn FnMut(Progress),
) -> Result<Found, SegmentError> {
    let mut tastes = SparseRows::empty(n_terms);
    sample.tastes.iter().for_each(|row| tastes.push(row.iter().copied()));
    let reduction = Reduction::fit(&tastes, params.dims, params.seed).map_err(failed)?;
    drop(tastes);
    let (mean, spread) = spreads(&sample.habits);
    // A shop that says nothing of its items has habits alone.
    let habits_weight = if reduction.dims() == 0 { 1.0 } else { params.habits_weight };
    let mut fitted = Fitted { reduction, mean, spread, habits_weight, centres: Vec::new() };
    let width = fitted.width();
    let (mut points, mut users) = (Vec::new(), Vec::new());
    for (user, (taste, habits)) in sample.tastes.iter().zip(&sample.habits).enumerate() {
        if let Some(point) = fitted.point(taste, habits) {
            points.extend(point);
            users.push(user);
        }
    }
    let (least, most) = params.k.map_or((params.k_min, params.k_max), |k| (k, k));
    let different = different(&points, width, most);
    if different < least {
        return Err(SegmentError::TooFew { users: different, k: least });
    }
    let data =
        DatasetBase::from(Array2::from_shape_vec((users.len(), width), points.clone()).map_err(failed)?);
    let total = most.min(different) - least + 1;
    let mut tried: Vec<(usize, f64)> = Vec::new();
    let mut all: Vec<Vec<f32>> = Vec::new();
    for k in least..least + total {
        let rng = Xoshiro256Plus::seed_from_u64(params.seed ^ k as u64);
        let means = KMeans::params_with_rng(k, rng).n_runs(RUNS).max_n_iterations(ITERATIONS_MAX);
        let means = means.tolerance(1e-4).fit(&data).map_err(failed)?;
        let centres: Vec<f32> = means.centroids().iter().copied().collect();
        let of: Vec<u32> = points.chunks_exact(width).map(|point| nearest(&centres, point)).collect();
        let score = silhouette(&points, width, &of, SILHOUETTE_OF_MAX, params.seed).unwrap_or(-1.0);
        tried.push((k, score));
        all.push(centres);
        observe(Progress { done: tried.len(), total, loss: Some(1.0 - score) });
    }
    let best = tried.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    let kept = tried.iter().position(|(k, score)| Some(*k) == k_before && best - K_MARGIN <= *score);
    let chosen = kept.or_else(|| tried.iter().position(|(_, score)| best <= *score)).unwrap_or(0);
    let silhouette = tried.get(chosen).map_or(-1.0, |(_, score)| *score);
    fitted.centres = all.into_iter().nth(chosen).unwrap_or_default();
    let of = fitted.by_size(&points);
    let centres = centres(sample, &users, &of, &fitted, n_terms, term);
    let mut found = Found { fitted, of: vec![None; sample.tastes.len()], centres, tried, silhouette };
    for (user, segment) in users.into_iter().zip(of) {
        if let Some(slot) = found.of.get_mut(user) {
            *slot = Some(segment);
        }
    }
    Ok(found)
}

impl Fitted {
    fn width(&self) -> usize {
        self.reduction.dims() + HABITS
    }

    /// Segments.
    pub fn k(&self) -> usize {
        self.centres.len() / self.width().max(1)
    }

    /// The segment of a user, by the place of its centre; nothing for one without a taste where others have one.
    pub fn assign(&self, taste: &[(u32, f32)], habits: &[f32; HABITS]) -> Option<u32> {
        self.point(taste, habits).map(|point| nearest(&self.centres, &point))
    }

    /// Habits in spreads from the mean.
    pub fn spreads_of(&self, habits: &[f32; HABITS]) -> [f32; HABITS] {
        let mut made = [0f32; HABITS];
        for (out, ((x, mean), spread)) in made.iter_mut().zip(habits.iter().zip(self.mean).zip(self.spread)) {
            *out = if 0.0 < spread { ((x - mean) / spread).clamp(-SPREADS_MAX, SPREADS_MAX) } else { 0.0 };
        }
        made
    }

    fn point(&self, taste: &[(u32, f32)], habits: &[f32; HABITS]) -> Option<Vec<f32>> {
        let dims = self.reduction.dims();
        if 0 < dims && taste.is_empty() {
            return None;
        }
        let mut point = vec![0f32; dims];
        self.reduction.project(taste.iter().copied(), &mut point);
        let length = crate::vector::dot(&point, &point).sqrt();
        if 1e-6 < length && length.is_finite() {
            point.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
        // So that two users lie at most `habits_weight` apart by their habits.
        let scale = self.habits_weight / (2.0 * SPREADS_MAX * (HABITS as f32).sqrt());
        point.extend(self.spreads_of(habits).map(|x| x * scale));
        Some(point)
    }

    /// Puts the centres in order of size, drops those without users, and says where each point belongs.
    fn by_size(&mut self, points: &[f32]) -> Vec<u32> {
        let (width, k) = (self.width(), self.k());
        let of: Vec<u32> = points.chunks_exact(width).map(|point| nearest(&self.centres, point)).collect();
        let mut sizes = vec![0usize; k];
        of.iter().for_each(|c| sizes[*c as usize] += 1);
        let mut order: Vec<usize> = (0..k).filter(|c| 0 < sizes[*c]).collect();
        order.sort_by_key(|c| (std::cmp::Reverse(sizes[*c]), *c));
        let mut place = vec![0u32; k];
        order.iter().zip(0u32..).for_each(|(c, at)| place[*c] = at);
        self.centres =
            order.iter().flat_map(|c| self.centres[c * width..(c + 1) * width].iter().copied()).collect();
        of.into_iter().map(|c| place[c as usize]).collect()
    }
}

/// The nearest centre, the first of several. Sums run in the order of the numbers.
fn nearest(centres: &[f32], point: &[f32]) -> u32 {
    let mut best = (f32::INFINITY, 0);
    for (centre, at) in centres.chunks_exact(point.len().max(1)).zip(0u32..) {
        let apart = centre.iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        if apart < best.0 {
            best = (apart, at);
        }
    }
    best.1
}

/// Mean and standard deviation of each habit.
fn spreads(habits: &[[f32; HABITS]]) -> ([f32; HABITS], [f32; HABITS]) {
    let (mut sum, mut squares) = ([0f64; HABITS], [0f64; HABITS]);
    let n = habits.len().max(1) as f64;
    for row in habits {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let mean = sum.map(|sum| sum / n);
    for row in habits {
        for ((square, x), mean) in squares.iter_mut().zip(row).zip(mean) {
            *square += (f64::from(*x) - mean).powi(2);
        }
    }
    // What is the same of all, but for rounding, says nothing.
    let spread = squares.map(|square| (square / n).sqrt() as f32).map(|s| if 1e-4 < s { s } else { 0.0 });
    (mean.map(|m| m as f32), spread)
}

/// How many different points there are, counted up to `enough`.
fn different(points: &[f32], width: usize, enough: usize) -> usize {
    let mut seen: Vec<&[f32]> = Vec::new();
    for point in points.chunks_exact(width.max(1)) {
        if seen.iter().all(|other| other.iter().zip(point).any(|(a, b)| 1e-6 < (a - b).abs())) {
            seen.push(point);
        }
        if enough <= seen.len() {
            break;
        }
    }
    seen.len()
}

/// What each segment's users have more of than all have.
fn centres<'t>(
    sample: &Sample,
    users: &[usize],
    of: &[u32],
    fitted: &Fitted,
    n_terms: usize,
    term: impl Fn(u32) -> &'t str,
) -> Vec<Centre> {
    let k = fitted.k();
    let mut sizes = vec![0usize; k];
    let mut all = vec![0f64; n_terms];
    let mut here = vec![vec![0f64; n_terms]; k];
    let mut habits = vec![[0f64; HABITS]; k];
    for (user, segment) in users.iter().zip(of) {
        let segment = *segment as usize;
        sizes[segment] += 1;
        for (term, weight) in &sample.tastes[*user] {
            all[*term as usize] += f64::from(*weight);
            here[segment][*term as usize] += f64::from(*weight);
        }
        let spreads = fitted.spreads_of(&sample.habits[*user]);
        habits[segment].iter_mut().zip(spreads).for_each(|(sum, x)| *sum += f64::from(x));
    }
    let describe = |segment: usize| {
        let n = sizes[segment].max(1) as f64;
        let lift = |t: usize| (here[segment][t] / n - all[t] / users.len().max(1) as f64) as f32;
        let mut telling: Vec<(u32, f32)> =
            (0..n_terms).map(|t| (t as u32, lift(t))).filter(|(_, lift)| 0.0 < *lift).collect();
        telling.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        telling.truncate(CENTRE_TERMS);
        Centre {
            terms: telling.into_iter().map(|(t, lift)| (term(t).to_owned(), lift)).collect(),
            habits: habits[segment].map(|sum| (sum / n) as f32),
        }
    };
    (0..k).map(describe).collect()
}

#[cfg(test)]
mod tests;
