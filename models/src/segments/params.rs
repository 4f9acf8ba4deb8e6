//! What shapes a run.

use crate::params::{BadParam, check};

/// Users that a fit holds in memory at most, about 2 KiB each: beyond some ten thousand the centres do not move any more.
pub const SAMPLE_USERS_MAX: usize = 200_000;

/// Checked parameters of [`fit`](super::fit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentParams {
    pub(super) k: Option<usize>,
    pub(super) k_min: usize,
    pub(super) k_max: usize,
    pub(super) dims: usize,
    pub(super) habits_weight: f32,
    pub(super) sample_users: usize,
    pub(super) seed: u64,
}

impl SegmentParams {
    /// - `k`: segments, 2 to 32; without one it is chosen from `k_min` to `k_max` by the silhouette
    /// - `dims`: numbers that a taste is reduced to, 1 to 256
    /// - `habits_weight`: how far apart two users can lie by their habits, where by their tastes it is up to 2; 0 to 10
    /// - `sample_users`: learned from, 100 to 200000
    /// - `seed` of reduction, starts and samples
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    ///
    /// ```
    /// use shoptide_models::segments::SegmentParams;
    /// let error = SegmentParams::new(Some(1), 2, 12, 16, 0.3, 20_000, 1).unwrap_err();
    /// assert_eq!(error.to_string(), "segments.k is 1, expected 2 to 32, or 0 to choose it");
    /// ```
    pub fn new(
        k: Option<usize>,
        k_min: usize,
        k_max: usize,
        dims: usize,
        habits_weight: f64,
        sample_users: usize,
        seed: u64,
    ) -> Result<Self, BadParam> {
        if let Some(k) = k {
            check("segments.k", k, (2..=32).contains(&k), "2 to 32, or 0 to choose it")?;
        }
        let weighs = (0.0..=10.0).contains(&habits_weight);
        let sampled = (100..=SAMPLE_USERS_MAX).contains(&sample_users);
        Ok(Self {
            k,
            k_min: check("segments.k_min", k_min, (2..=32).contains(&k_min), "2 to 32")?,
            k_max: check("segments.k_max", k_max, (k_min..=32).contains(&k_max), "k_min to 32")?,
            dims: check("segments.dims", dims, (1..=256).contains(&dims), "1 to 256")?,
            habits_weight: check("segments.habits_weight", habits_weight, weighs, "0 to 10")? as f32,
            sample_users: check("segments.sample_users", sample_users, sampled, "100 to 200000")?,
            seed,
        })
    }

    /// The same with a number of segments given.
    ///
    /// # Errors
    /// [`BadParam`] as of [`Self::new`].
    pub fn with_k(mut self, k: usize) -> Result<Self, BadParam> {
        self.k = Some(check("segments.k", k, (2..=32).contains(&k), "2 to 32, or 0 to choose it")?);
        Ok(self)
    }

    pub fn sample_users(&self) -> usize {
        self.sample_users
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }
}
