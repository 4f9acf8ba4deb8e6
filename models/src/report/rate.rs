//! Shares with what chance leaves open of them.

use serde::Serialize;

/// 95 of 100.
const Z: f64 = 1.959_963_984_540_054;

/// `n` of `of`, and the Wilson interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    pub n: u64,
    pub of: u64,
    /// None of nothing.
    pub rate: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Rate {
    pub fn of(n: u64, of: u64) -> Self {
        let interval = wilson(n, of);
        let rate = interval.map(|_| n as f64 / of as f64);
        Self { n, of, rate, low: interval.map(|i| i.0), high: interval.map(|i| i.1) }
    }
}

/// The score interval of a share, E. B. Wilson, JASA 22 (1927): it stays within 0 and 1, and says something of few.
///
/// ```
/// use shoptide_models::report::wilson;
/// let (low, high) = wilson(0, 10).unwrap();
/// assert!(low == 0.0 && (high - 0.2775).abs() < 1e-4);
/// assert_eq!(wilson(0, 0), None);
/// ```
pub fn wilson(n: u64, of: u64) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    let (n, of) = (n.min(of) as f64, of as f64);
    let (p, z2) = (n / of, Z * Z);
    let middle = (p + z2 / (2.0 * of)) / (1.0 + z2 / of);
    let half = Z / (1.0 + z2 / of) * (p * (1.0 - p) / of + z2 / (4.0 * of * of)).sqrt();
    let low = if n == 0.0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if n == of { 1.0 } else { (middle + half).min(1.0) };
    Some((low, high))
}
