//! What shapes a clustering.

use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`fit`](super::fit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KMeansParams {
    k: usize,
    iterations: usize,
    tolerance: f64,
    seed: u64,
}

impl KMeansParams {
    /// Clusters at most: beyond this nobody reads their names, and the centres grow with it.
    pub const K_MAX: usize = 4096;

    /// - `k`: clusters, 1 to 4096
    /// - `iterations`: at most so many, 1 to 10000
    /// - `tolerance`: stops when an iteration lowers the inertia by less than this share of it, 0 (only at rest) to 1
    /// - `seed` of the starts
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(k: usize, iterations: usize, tolerance: f64, seed: u64) -> Result<Self, BadParam> {
        Ok(Self {
            k: check("kmeans.k", k, (1..=Self::K_MAX).contains(&k), "1 to 4096")?,
            iterations: check(
                "kmeans.iterations",
                iterations,
                (1..=10_000).contains(&iterations),
                "1 to 10000",
            )?,
            tolerance: check("kmeans.tolerance", tolerance, (0.0..=1.0).contains(&tolerance), "0 to 1")?,
            seed,
        })
    }

    pub fn k(&self) -> usize {
        self.k
    }
    pub fn iterations(&self) -> usize {
        self.iterations
    }
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl Tunable for KMeansParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "k", range: Range::Whole(2, 64) },
        Dimension { name: "iterations", range: Range::Whole(5, 300) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let whole = |name: &str, default: usize| point.get(name).map_or(default, |x| *x as usize);
        Self::new(whole("k", 8), whole("iterations", 100), 1e-4, whole("seed", 0) as u64)
    }
}
