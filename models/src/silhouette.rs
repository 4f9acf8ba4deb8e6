//! How well points lie in their clusters: the silhouette, over a bounded sample.
//!
//! Rousseeuw, *Silhouettes: a graphical aid to the interpretation and validation of cluster analysis*, 1987.

use rayon::prelude::*;

/// The mean of `(b - a) / max(a, b)` over a sample of at most `sample_max` points, -1 to 1: `a` is the mean distance to the
/// others of the point's own cluster, `b` to those of the nearest other cluster. A point alone in its cluster counts 0.
///
/// - `points`: `(n, dims)` row-major; `of`: `(n,)`, the cluster of each
/// - the sample is every point, or those with the smallest hash of seed and index: the same at every call
/// - cost `O(sample²·dims)`
///
/// Nothing if the sample has fewer than two clusters, or the lengths do not agree.
///
/// ```
/// use shoptide_models::silhouette::silhouette;
/// let points = [0.0, 0.1, 5.0, 5.1];
/// assert!(0.9 < silhouette(&points, 1, &[0, 0, 1, 1], 100, 7).unwrap());
/// assert!(silhouette(&points, 1, &[0, 1, 0, 1], 100, 7).unwrap() < 0.0);
/// assert_eq!(silhouette(&points, 1, &[0; 4], 100, 7), None);
/// ```
pub fn silhouette(points: &[f32], dims: usize, of: &[u32], sample_max: usize, seed: u64) -> Option<f64> {
    if dims == 0 || points.len() != of.len() * dims {
        return None;
    }
    let sample = sample(of.len(), sample_max, seed);
    let mut clusters: Vec<u32> = sample.iter().map(|&i| of[i]).collect();
    clusters.sort_unstable();
    clusters.dedup();
    if clusters.len() < 2 {
        return None;
    }
    let place = |i: usize| clusters.binary_search(&of[i]).unwrap_or(0);
    let mut sizes = vec![0usize; clusters.len()];
    sample.iter().for_each(|&i| sizes[place(i)] += 1);
    let point = |i: usize| &points[i * dims..(i + 1) * dims];
    let values: Vec<f64> = sample
        .par_iter()
        .map(|&i| {
            let mut sums = vec![0f64; clusters.len()];
            for &j in &sample {
                let squares = point(i).iter().zip(point(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
                sums[place(j)] += f64::from(squares).sqrt();
            }
            let own = place(i);
            if sizes[own] < 2 {
                return 0.0;
            }
            let a = sums[own] / (sizes[own] - 1) as f64;
            let others = (0..clusters.len()).filter(|&c| c != own).map(|c| sums[c] / sizes[c] as f64);
            let b = others.fold(f64::INFINITY, f64::min);
            if 0.0 < a.max(b) { (b - a) / a.max(b) } else { 0.0 }
        })
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// At most `max` of `0..n`, ascending, by the hash of seed and index.
pub(crate) fn sample(n: usize, max: usize, seed: u64) -> Vec<usize> {
    if n <= max {
        return (0..n).collect();
    }
    let mut hashed: Vec<(u64, usize)> = (0..n)
        .map(|i| {
            let mut key = [0u8; 16];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            key[8..].copy_from_slice(&(i as u64).to_le_bytes());
            (xxhash_rust::xxh3::xxh3_64(&key), i)
        })
        .collect();
    if max == 0 {
        return Vec::new();
    }
    hashed.select_nth_unstable(max - 1);
    let mut chosen: Vec<usize> = hashed[..max].iter().map(|&(_, i)| i).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_by_hand() {
        // Points 0, 1 | 4: a(0) = 1, b(0) = 4; a(1) = 1, b(1) = 3; the third is alone.
        let s = silhouette(&[0.0, 1.0, 4.0], 1, &[7, 7, 9], 10, 0).unwrap();
        assert!((s - (0.75 + 2.0 / 3.0 + 0.0) / 3.0).abs() < 1e-9);
    }

    #[test]
    fn odd_input_is_no_answer() {
        assert_eq!(silhouette(&[], 1, &[], 10, 0), None);
        assert_eq!(silhouette(&[1.0], 0, &[0], 10, 0), None);
        assert_eq!(silhouette(&[1.0, 2.0], 1, &[0], 10, 0), None);
        assert_eq!(silhouette(&[1.0, f32::NAN], 1, &[0, 1], 10, 0), Some(0.0));
        assert_eq!(silhouette(&[1.0, 2.0], 1, &[0, 1], 0, 0), None);
        assert_eq!(silhouette(&[2.0; 4], 1, &[0, 0, 1, 1], 9, 0), Some(0.0));
    }

    #[test]
    fn a_sample_is_near_the_whole() {
        let points: Vec<f32> =
            (0..4000).map(|i| (i % 2 * 10) as f32 + (i * 7919 % 97) as f32 / 30.0).collect();
        let of: Vec<u32> = (0..4000).map(|i| i % 2).collect();
        let whole = silhouette(&points, 1, &of, usize::MAX, 1).unwrap();
        let sampled = silhouette(&points, 1, &of, 500, 1).unwrap();
        assert!((whole - sampled).abs() < 0.02, "{whole} {sampled}");
        assert_eq!(sample(1000, 10, 3), sample(1000, 10, 3));
        assert_eq!(sample(3, 10, 3), [0, 1, 2]);
    }
}
