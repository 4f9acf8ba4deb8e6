//! Features cut into bins, so that a cut is found by adding up per bin.

use rayon::prelude::*;

/// Steps of a binned feature.
pub const BINS: usize = 64;
/// Values of a feature that its bins are cut from.
const SAMPLE: usize = 20_000;

/// Binned features, one row a candidate.
pub struct Binned {
    /// Row-major.
    pub bins: Vec<u8>,
    pub width: usize,
    /// Bin `b` of a feature holds values up to `upto[b]`; the last bin holds the rest.
    pub upto: Vec<Vec<f32>>,
}

impl Binned {
    /// Cuts each feature at its quantiles. `features` is row-major and not empty.
    pub fn of(features: &[f32], width: usize) -> Self {
        let rows = features.len() / width;
        let upto: Vec<Vec<f32>> = (0..width)
            .into_par_iter()
            .map(|feature| {
                let value = |row: usize| features[row * width + feature];
                let mut sample: Vec<f32> =
                    (0..rows).step_by(rows.div_ceil(SAMPLE).max(1)).map(value).collect();
                sample.sort_unstable_by(f32::total_cmp);
                let mut upto: Vec<f32> = (1..BINS).map(|b| sample[b * (sample.len() - 1) / BINS]).collect();
                upto.dedup();
                upto
            })
            .collect();
        let mut bins = vec![0u8; features.len()];
        bins.par_chunks_exact_mut(width).zip(features.par_chunks_exact(width)).for_each(|(bins, row)| {
            for ((bin, value), upto) in bins.iter_mut().zip(row).zip(&upto) {
                *bin = upto.partition_point(|x| x < value) as u8;
            }
        });
        Self { bins, width, upto }
    }
}
