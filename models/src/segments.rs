//! Segments of users: what the profiles of many have in common, found by K-Means and named by the words that set a
//! segment apart.
//!
//! Profiles are reduced first ([`Reduction`]) and brought to length 1, so that only the direction of a taste counts. How
//! many segments there are is what the silhouette says of a few tries, on a sample.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::KMeans;
use ndarray_of_linfa::Array2;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::content::{Reduction, unit};
use crate::model::Progress;
use crate::params::{BadParam, check};
use crate::silhouette::{sample, silhouette};
use crate::sparse::SparseRows;

/// Users that the centres are learned from: beyond this they do not move any more, all users are assigned all the same.
pub const LEARNED_FROM_MAX: usize = 20_000;
/// Users of which the silhouette is taken: its cost grows with the square, its error is below 0.01 from here.
pub const SILHOUETTE_OF_MAX: usize = 2_000;
/// Iterations of one run at most.
const ITERATIONS_MAX: u64 = 100;
/// Starts tried for each number of segments.
const RUNS: usize = 3;

/// Checked parameters of [`segment`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentParams {
    k_min: usize,
    k_max: usize,
    dims: usize,
    words: usize,
    seed: u64,
}

impl SegmentParams {
    /// - `k_min` to `k_max`: numbers of segments tried, 2 to 64
    /// - `dims`: numbers that a profile is reduced to, 1 to 256
    /// - `words`: that name a segment, 1 to 50
    /// - `seed` of reduction, starts and samples
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(k_min: usize, k_max: usize, dims: usize, words: usize, seed: u64) -> Result<Self, BadParam> {
        Ok(Self {
            k_min: check("segments.k_min", k_min, (2..=64).contains(&k_min), "2 to 64")?,
            k_max: check("segments.k_max", k_max, (k_min..=64).contains(&k_max), "k_min to 64")?,
            dims: check("segments.dims", dims, (1..=256).contains(&dims), "1 to 256")?,
            words: check("segments.words", words, (1..=50).contains(&words), "1 to 50")?,
            seed,
        })
    }
}

/// One segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub users: usize,
    /// Terms by how much more they weigh here than among all, the most telling first: `(term, difference of means)`.
    pub words: Vec<(u32, f32)>,
}

/// What [`segment`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Segments {
    /// The largest first.
    pub segments: Vec<Segment>,
    /// `(n_users,)`: the segment of each user; nothing for one without a profile.
    pub of: Vec<Option<u32>>,
    /// `(k, silhouette)` of every number tried.
    pub tried: Vec<(usize, f64)>,
}

/// Why there are no segments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    #[error("{users} different profiles cannot make {k} segments")]
    TooFew { users: usize, k: usize },
    #[error("the clustering failed: {reason}")]
    Clustering { reason: String },
}

/// Finds segments of users.
/// - `profiles`: `(n_users, n_terms)`, for example of [`ContentIndex::profile`](crate::content::ContentIndex::profile)
/// - `observe` hears of every number of segments tried
/// - cost: the reduction, then for each k `O(3·100·users·dims·k)` at most, users up to 20,000
///
/// # Errors
/// [`SegmentError`] if there are fewer different profiles than `k_min`.
pub fn segment(
    profiles: &SparseRows,
    params: &SegmentParams,
    observe: &mut dyn FnMut(Progress),
) -> Result<Segments, SegmentError> {
    let failed = |error: &dyn std::fmt::Display| SegmentError::Clustering { reason: error.to_string() };
    let mut lengthless = SparseRows::empty(profiles.n_cols());
    for user in 0..profiles.n_rows() {
        let (terms, weights) = profiles.row(user);
        lengthless.push(unit(terms.iter().copied().zip(weights.iter().copied()).collect()).into_iter());
    }
    let profiles = &lengthless;
    let reduction = Reduction::fit(profiles, params.dims, params.seed).map_err(|e| failed(&e))?;
    let dims = reduction.dims();
    let mut points = Vec::new();
    let mut users = Vec::new();
    let projected = reduction.project_all(profiles);
    for (user, point) in projected.chunks_exact(dims.max(1)).enumerate() {
        let length = crate::vector::dot(point, point).sqrt();
        if 1e-6 < length && length.is_finite() {
            points.extend(point.iter().map(|&x| (f64::from(x) / length) as f32));
            users.push(user);
        }
    }
    let different = different(&points, dims, params.k_max);
    if different < params.k_min {
        return Err(SegmentError::TooFew { users: different, k: params.k_min });
    }
    let learned = sample(users.len(), LEARNED_FROM_MAX, params.seed);
    let all = matrix(&points, dims, 0..users.len()).map_err(|e| failed(&e))?;
    let learned = DatasetBase::from(matrix(&points, dims, learned.into_iter()).map_err(|e| failed(&e))?);

    let mut best: Option<(f64, usize, Vec<u32>)> = None;
    let mut tried = Vec::new();
    let total = params.k_max.min(different) - params.k_min + 1;
    for k in params.k_min..params.k_min + total {
        let rng = Xoshiro256Plus::seed_from_u64(params.seed ^ k as u64);
        let means = KMeans::params_with_rng(k, rng).n_runs(RUNS).max_n_iterations(ITERATIONS_MAX);
        let means = means.tolerance(1e-4).fit(&learned).map_err(|e| failed(&e))?;
        let of: Vec<u32> = means.predict(&all).iter().map(|&c| c as u32).collect();
        let score = silhouette(&points, dims, &of, SILHOUETTE_OF_MAX, params.seed).unwrap_or(-1.0);
        tried.push((k, score));
        observe(Progress { done: tried.len(), total, loss: Some(1.0 - score) });
        if best.as_ref().is_none_or(|(so_far, ..)| *so_far < score) {
            best = Some((score, k, of));
        }
    }
    let Some((_, k, of)) = best else {
        return Err(SegmentError::TooFew { users: different, k: params.k_min });
    };
    Ok(named(profiles, &users, k, &of, tried, params.words))
}

/// How many different points there are, counted up to `enough`.
fn different(points: &[f32], dims: usize, enough: usize) -> usize {
    let mut seen: Vec<&[f32]> = Vec::new();
    for point in points.chunks_exact(dims.max(1)) {
        if seen.iter().all(|other| other.iter().zip(point).any(|(a, b)| 1e-6 < (a - b).abs())) {
            seen.push(point);
        }
        if enough <= seen.len() {
            break;
        }
    }
    seen.len()
}

fn matrix(
    points: &[f32],
    dims: usize,
    rows: impl ExactSizeIterator<Item = usize>,
) -> Result<Array2<f32>, ndarray_of_linfa::ShapeError> {
    let n = rows.len();
    let values = rows.flat_map(|row| &points[row * dims..(row + 1) * dims]).copied().collect();
    Array2::from_shape_vec((n, dims), values)
}

/// Orders the segments by size and finds the words that tell each from the whole.
fn named(
    profiles: &SparseRows,
    users: &[usize],
    k: usize,
    of: &[u32],
    tried: Vec<(usize, f64)>,
    words: usize,
) -> Segments {
    let mut sizes = vec![0usize; k];
    of.iter().for_each(|&c| sizes[c as usize] += 1);
    let mut order: Vec<usize> = (0..k).filter(|&c| 0 < sizes[c]).collect();
    order.sort_by(|&a, &b| sizes[b].cmp(&sizes[a]).then(a.cmp(&b)));
    let mut place = vec![0u32; k];
    order.iter().zip(0u32..).for_each(|(&c, at)| place[c] = at);

    let mut all = vec![0f64; profiles.n_cols()];
    let mut here = vec![vec![0f64; profiles.n_cols()]; order.len()];
    for (&user, &c) in users.iter().zip(of) {
        let (terms, weights) = profiles.row(user);
        for (&term, &weight) in terms.iter().zip(weights) {
            all[term as usize] += f64::from(weight);
            here[place[c as usize] as usize][term as usize] += f64::from(weight);
        }
    }
    let segments = order.iter().zip(here).map(|(&c, sums)| {
        let n = sizes[c] as f64;
        let mut telling: Vec<(u32, f32)> = sums
            .iter()
            .zip(&all)
            .zip(0u32..)
            .map(|((sum, all), term)| (term, (sum / n - all / users.len() as f64) as f32))
            .filter(|&(_, more)| 0.0 < more)
            .collect();
        telling.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        telling.truncate(words);
        Segment { users: sizes[c], words: telling }
    });
    let mut made = Segments { segments: segments.collect(), of: vec![None; profiles.n_rows()], tried };
    for (&user, &c) in users.iter().zip(of) {
        made.of[user] = Some(place[c as usize]);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users of `groups` tastes, five words each, one of them weaker.
    fn profiles(groups: u32, users: u32) -> SparseRows {
        let rows = (0..users).map(|u| {
            let weight = |i| if u / groups % 5 == i { 0.7 } else { 1.0 };
            let words = (0..5).map(|i| (u % groups * 5 + i, weight(i)));
            words.chain([(groups * 5 + u % 11, 0.2)]).collect()
        });
        SparseRows::new(groups as usize * 5 + 11, rows).unwrap()
    }

    fn params(k_max: usize) -> SegmentParams {
        SegmentParams::new(2, k_max, 8, 3, 7).unwrap()
    }

    #[test]
    fn tastes_are_found_counted_and_named() {
        let profiles = profiles(4, 400);
        let found = segment(&profiles, &params(8), &mut |_| ()).unwrap();
        assert_eq!(found.segments.iter().map(|s| s.users).collect::<Vec<_>>(), [100; 4], "{:?}", found.tried);
        for user in 0..400 {
            let segment = found.of[user].unwrap() as usize;
            let words = &found.segments[segment].words;
            assert!(words.iter().all(|(term, more)| term / 5 == user as u32 % 4 && 0.0 < *more));
        }
    }

    #[test]
    fn threads_do_not_show() {
        let profiles = profiles(3, 300);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| segment(&profiles, &params(5), &mut |_| ()).unwrap())
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn too_few_profiles_are_an_error_and_empty_ones_have_no_segment() {
        let fit =
            |rows: Vec<Vec<(u32, f32)>>| segment(&SparseRows::new(3, rows).unwrap(), &params(4), &mut |_| ());
        assert_eq!(fit(vec![]), Err(SegmentError::TooFew { users: 0, k: 2 }));
        assert_eq!(fit(vec![vec![(0, 1.0)]]), Err(SegmentError::TooFew { users: 1, k: 2 }));
        assert_eq!(fit(vec![vec![(0, 1.0)]; 50]), Err(SegmentError::TooFew { users: 1, k: 2 }));
        assert_eq!(fit(vec![vec![]; 9]), Err(SegmentError::TooFew { users: 0, k: 2 }));
        let two = fit(vec![vec![(0, 1.0)], vec![], vec![(1, f32::MAX)]]).unwrap();
        assert_eq!((two.segments.len(), two.of[1]), (2, None));
        let message = |r: Result<SegmentParams, BadParam>| r.unwrap_err().to_string();
        assert_eq!(message(SegmentParams::new(1, 4, 8, 3, 0)), "segments.k_min is 1, expected 2 to 64");
        assert_eq!(message(SegmentParams::new(5, 4, 8, 3, 0)), "segments.k_max is 4, expected k_min to 64");
    }
}
