//! Fold-in against an independent solve: dense f64 normal equations, Gaussian elimination with partial pivoting.

use ndarray::{Array1, Array2};
use serde_json::json;
use shoptide_models::als::{AlsParams, FoldScratch, ItemSide};

use crate::dice::Dice;
use crate::figure::{Figure, Row};

const N_ITEMS: usize = 2_000;
const SEED: u64 = 42;
const COUNTS: [usize; 3] = [1, 10, 500];
const CASES: u64 = 20;
const BAR: f64 = 1e-5;

/// # Errors
/// If a fold-in fails.
pub fn row(set: &[String]) -> anyhow::Result<Row> {
    let params = crate::shop::config(set)?.als;
    let mut worst = Vec::new();
    for n in COUNTS {
        let mut largest = 0_f64;
        for case in 0..CASES {
            largest = largest.max(error(&params, n, SEED + case)?);
        }
        worst.push((n, largest));
    }
    let each: Vec<String> = worst.iter().map(|(n, e)| format!("{n}: {e:.1e}")).collect();
    let largest = worst.iter().map(|(_, e)| *e).fold(0.0, f64::max);
    Ok(Row::Measured(Figure {
        what: "fold-in against an independent dense f64 solve, largest relative error".to_owned(),
        measured: format!("**{largest:.1e}** ({} interactions)", each.join(", ")),
        bar: "1e-5".to_owned(),
        met: Some(largest <= BAR),
        reference: String::new(),
        how: format!(
            "dim {}, {N_ITEMS} random items, strengths 0.1 to 20, {CASES} cases each, seeds from {SEED}; error: |x - x'| / |x'|, 2-norm",
            params.rank()
        ),
        values: json!({ "relative_error": worst.iter().map(|(n, e)| (n.to_string(), json!(e))).collect::<serde_json::Map<_, _>>() }),
    }))
}

fn error(params: &AlsParams, n: usize, seed: u64) -> anyhow::Result<f64> {
    let mut dice = Dice(seed);
    let rank = params.rank();
    let scale = 1.0 / (rank as f64).sqrt();
    let factors = Array2::from_shape_fn((N_ITEMS, rank), |_| ((dice.unit() * 2.0 - 1.0) * scale) as f32);
    let entries: Vec<(u32, f32)> =
        (0..n).map(|i| ((i * (N_ITEMS / n)) as u32, (0.1 + 19.9 * dice.unit()) as f32)).collect();
    let side = ItemSide::new(factors.clone(), *params)?;
    let ours = side.fold_in(&entries, &mut FoldScratch::default())?;
    let theirs = dense(&factors, &entries, params);
    let mut apart = 0.0;
    for (a, b) in ours.iter().zip(&theirs) {
        apart += (f64::from(*a) - b).powi(2);
    }
    Ok((apart / theirs.dot(&theirs)).sqrt())
}

/// `(w0 Y'Y + sum (c - w0) y y' + lambda (n + w0 n_items)^nu I) x = sum c y`, as the design writes it.
fn dense(factors: &Array2<f32>, entries: &[(u32, f32)], params: &AlsParams) -> Array1<f64> {
    let y = factors.mapv(f64::from);
    let (n_items, rank) = y.dim();
    let w0 = params.unobserved_weight();
    let mut a = y.t().dot(&y) * w0;
    let mut b = Array1::<f64>::zeros(rank);
    for (item, strength) in entries {
        let row = y.row(*item as usize);
        let gain = params.alpha() * f64::from(*strength);
        for i in 0..rank {
            b[i] += (w0 + gain) * row[i];
            for j in 0..rank {
                a[(i, j)] += gain * row[i] * row[j];
            }
        }
    }
    let lambda =
        params.regularization() * (entries.len() as f64 + w0 * n_items as f64).powf(params.reg_exponent());
    for i in 0..rank {
        a[(i, i)] += lambda;
    }
    solve(a, b)
}

/// Gaussian elimination with partial pivoting.
fn solve(mut a: Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    let n = b.len();
    for col in 0..n {
        let pivot = (col..n).max_by(|x, y| a[(*x, col)].abs().total_cmp(&a[(*y, col)].abs())).unwrap_or(col);
        for k in 0..n {
            a.swap((col, k), (pivot, k));
        }
        b.swap(col, pivot);
        for row in col + 1..n {
            let factor = a[(row, col)] / a[(col, col)];
            for k in col..n {
                a[(row, k)] -= factor * a[(col, k)];
            }
            b[row] -= factor * b[col];
        }
    }
    for row in (0..n).rev() {
        for k in row + 1..n {
            b[row] -= a[(row, k)] * b[k];
        }
        b[row] /= a[(row, row)];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elimination_solves_what_it_is_given() {
        let a = ndarray::array![[0.0, 2.0, 1.0], [1.0, 0.0, 3.0], [4.0, 1.0, 0.0]];
        let x = ndarray::array![1.0, -2.0, 3.0];
        let found = solve(a.clone(), a.dot(&x));
        assert!(found.iter().zip(&x).all(|(f, x)| (f - x).abs() < 1e-12), "{found}");
    }
}
