//! Dot products and cosines of `f32` factor vectors.

use crate::simd::{Kernel, dispatch, dot32};

struct Dot<'a>(&'a [f32], &'a [f32]);

impl Kernel for Dot<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f32 {
        dot32::<FUSED>(self.0, self.1)
    }
}

/// `x'y` over the common length.
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f64 {
    f64::from(dispatch(Dot(x, y)))
}

/// Cosine of the angle between two vectors, -1 to 1; 0 if either is zero.
///
/// ```
/// assert_eq!(shoptide_models::vector::cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
/// assert_eq!(shoptide_models::vector::cosine(&[3.0, 4.0], &[0.0, 0.0]), 0.0);
/// ```
pub fn cosine(x: &[f32], y: &[f32]) -> f32 {
    let norms = (dot(x, x) * dot(y, y)).sqrt();
    if 0.0 < norms && norms.is_finite() { (dot(x, y) / norms).clamp(-1.0, 1.0) as f32 } else { 0.0 }
}
