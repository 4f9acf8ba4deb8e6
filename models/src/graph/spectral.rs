//! A low-pass filter on the item graph: of what a user did, the part that varies slowly between items that go together.
//!
//! Shen et al., *How powerful is graph convolution for recommendation?* (GF-CF), CIKM 2021, with the plateau and the degree
//! scaling of Kim et al., *ChebyCF*, SIGIR 2025. Works on the eigenvectors themselves instead of polynomials.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::spectrum::Spectrum;
use crate::matrix::Interactions;
use crate::params::{BadParam, check};
use crate::paths::power;
use crate::ranking::{History, ScoreItems, known};
use crate::tune::{Dimension, Point, Range, Tunable};

/// Checked parameters of [`Spectral`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralParams {
    pub(super) rank: usize,
    pub(super) sharpness: f64,
    pub(super) source_exponent: f64,
    pub(super) target_exponent: f64,
    pub(super) user_exponent: f64,
    pub(super) seed: u64,
}

impl SpectralParams {
    /// - `rank`: frequencies that pass, 1 to 4096; never more than a quarter of all there are
    /// - `sharpness`: a frequency with eigenvalue `λ` (of the largest 1) passes with `λ^sharpness`; 0 is the ideal filter, where
    ///   all count the same, 0 to 4
    /// - `source_exponent`: an item of the history counts `(its users)^-exponent`, 0 to 1
    /// - `target_exponent`: a score is multiplied by `(its users)^exponent`, -1 to 1
    /// - `user_exponent`: a user of `n` items counts `n^-exponent` in the graph, 0 to 2
    /// - `seed` of the start of the iteration
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        rank: usize,
        sharpness: f64,
        source_exponent: f64,
        target_exponent: f64,
        user_exponent: f64,
        seed: u64,
    ) -> Result<Self, BadParam> {
        let within = |x: f64, min: f64, max: f64| (min..=max).contains(&x);
        let (sharp_ok, user_ok) = (within(sharpness, 0.0, 4.0), within(user_exponent, 0.0, 2.0));
        let (source_ok, target_ok) = (within(source_exponent, 0.0, 1.0), within(target_exponent, -1.0, 1.0));
        Ok(Self {
            rank: check("spectral.rank", rank, (1..=4096).contains(&rank), "1 to 4096")?,
            sharpness: check("spectral.sharpness", sharpness, sharp_ok, "0 to 4")?,
            source_exponent: check("spectral.source_exponent", source_exponent, source_ok, "0 to 1")?,
            target_exponent: check("spectral.target_exponent", target_exponent, target_ok, "-1 to 1")?,
            user_exponent: check("spectral.user_exponent", user_exponent, user_ok, "0 to 2")?,
            seed,
        })
    }

    /// Frequencies that pass.
    pub fn rank(&self) -> usize {
        self.rank
    }
}

impl Default for SpectralParams {
    fn default() -> Self {
        Self {
            rank: 256,
            sharpness: 0.0,
            source_exponent: 0.4,
            target_exponent: 0.4,
            user_exponent: 1.0,
            seed: 1,
        }
    }
}

impl Tunable for SpectralParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "rank", range: Range::Choice(&[32.0, 64.0, 128.0, 256.0, 512.0]) },
        Dimension { name: "sharpness", range: Range::Linear(0.0, 1.5) },
        Dimension { name: "source_exponent", range: Range::Linear(0.1, 0.7) },
        Dimension { name: "target_exponent", range: Range::Linear(0.0, 0.7) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let d = Self::default();
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        Self::new(
            get("rank", d.rank as f64) as usize,
            get("sharpness", d.sharpness),
            get("source_exponent", d.source_exponent),
            get("target_exponent", d.target_exponent),
            get("user_exponent", d.user_exponent),
            get("seed", d.seed as f64) as u64,
        )
    }
}

/// Why the filter could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpectralError {
    #[error("the item graph has no finite spectrum: strengths are too far apart")]
    NotFinite,
}

/// The filter as two tall matrices: `score = (h F) Gᵀ`. Holds `8 · n_items · rank` bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectral {
    n_items: usize,
    rank: usize,
    /// `(n_items, rank)` row-major: from the history to frequencies, and from those to scores.
    source: Vec<f32>,
    target: Vec<f32>,
}

impl Spectral {
    /// Finds the frequencies and makes the filter.
    ///
    /// Cost `O(nnz·rank + n_items·rank²)` for each of a few passes, on all threads of the current rayon pool; the same bytes
    /// whatever their number.
    ///
    /// # Errors
    /// [`SpectralError`] if strengths are so far apart that numbers overflow.
    pub fn fit(data: &Interactions, params: &SpectralParams) -> Result<Self, SpectralError> {
        let spectrum = Spectrum::of(data, params.user_exponent, params.rank, params.seed);
        let made = spectrum.map(|spectrum| Self::of(&spectrum, params));
        made.filter(Self::is_finite).ok_or(SpectralError::NotFinite)
    }

    /// The filter on frequencies that are known already, the first `rank` of them.
    pub(crate) fn of(spectrum: &Spectrum, params: &SpectralParams) -> Self {
        let (n_items, width) = (spectrum.n_items, spectrum.values.len());
        let rank = params.rank.min(width);
        let largest = spectrum.values.first().copied().unwrap_or(0.0);
        let pass: Vec<f64> = spectrum.values[..rank]
            .iter()
            .map(|&value| if 0.0 < value { (value / largest).powf(params.sharpness / 2.0) } else { 0.0 })
            .collect();
        let scaled = |exponent: f64| {
            let mut out = Vec::with_capacity(n_items * rank);
            for item in 0..n_items {
                let scale = power(spectrum.degrees[item], exponent);
                let row = &spectrum.vectors[item * width..][..rank];
                out.extend(row.iter().zip(&pass).map(|(&x, pass)| (f64::from(x) * scale * pass) as f32));
            }
            out
        };
        Self {
            n_items,
            rank,
            source: scaled(-params.source_exponent),
            target: scaled(params.target_exponent),
        }
    }

    fn is_finite(&self) -> bool {
        self.source.iter().chain(&self.target).all(|x| x.is_finite())
    }
}

impl ScoreItems for Spectral {
    fn n_items(&self) -> usize {
        self.n_items
    }

    /// Cost `O(n_items · rank)` each; the matrix is read once for all histories.
    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        let (n, rank) = (self.n_items, self.rank);
        if n == 0 || rank == 0 || histories.is_empty() {
            return;
        }
        let mut frequencies = vec![0f32; histories.len() * rank];
        for (history, to) in histories.iter().zip(frequencies.chunks_exact_mut(rank)) {
            for (item, strength) in known(history, n) {
                let row = &self.source[item * rank..][..rank];
                to.iter_mut().zip(row).for_each(|(to, x)| *to += strength * x);
            }
        }
        let rows = histories.len().min(out.len() / n);
        let to = MatMut::from_row_major_slice_mut(&mut out[..rows * n], rows, n);
        let left = MatRef::from_row_major_slice(&frequencies[..rows * rank], rows, rank);
        let right = MatRef::from_row_major_slice(&self.target, n, rank);
        matmul(to, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
    }
}
