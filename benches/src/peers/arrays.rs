//! Arrays as the Python side writes them: raw little-endian numbers.

use anyhow::{Context, ensure};
use shoptide_models::matrix::Interactions;
use std::path::Path;

fn numbers<const N: usize, T>(path: &Path, from: fn([u8; N]) -> T) -> anyhow::Result<Vec<T>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let (whole, rest) = bytes.as_chunks::<N>();
    ensure!(rest.is_empty(), "{}: {} bytes, expected a multiple of {N}", path.display(), bytes.len());
    Ok(whole.iter().map(|b| from(*b)).collect())
}

/// # Errors
/// If the file cannot be read or ends within a number.
pub fn f32s(path: &Path) -> anyhow::Result<Vec<f32>> {
    numbers(path, f32::from_le_bytes)
}

/// # Errors
/// As [`f32s`].
pub fn u32s(path: &Path) -> anyhow::Result<Vec<u32>> {
    numbers(path, u32::from_le_bytes)
}

/// # Errors
/// As [`f32s`].
pub fn u64s(path: &Path) -> anyhow::Result<Vec<u64>> {
    numbers(path, u64::from_le_bytes)
}

/// The CSR matrix `(ptr, cols, values)` with `n_cols` columns as rows.
///
/// # Errors
/// If the arrays do not fit each other.
pub fn rows(ptr: &[u64], cols: &[u32], values: &[f32]) -> anyhow::Result<Vec<Vec<(u32, f32)>>> {
    ensure!(cols.len() == values.len(), "{} columns, {} values", cols.len(), values.len());
    let entries: Vec<(u32, f32)> = cols.iter().copied().zip(values.iter().copied()).collect();
    let pair = |w: &[u64]| entries.get(w[0] as usize..w[1] as usize).map(<[_]>::to_vec);
    ptr.windows(2).map(|w| pair(w).context("a row ends outside the matrix")).collect()
}

/// The CSR matrix `(ptr, cols)` with `n_cols` columns and ones where there is an entry.
///
/// # Errors
/// If the files cannot be read or do not fit each other.
pub fn ones(ptr: &Path, cols: &Path, n_cols: usize) -> anyhow::Result<Interactions> {
    let cols = u32s(cols)?;
    let rows = rows(&u64s(ptr)?, &cols, &vec![1.0; cols.len()])?;
    Ok(Interactions::from_rows(n_cols, rows)?)
}

/// # Errors
/// As [`f32s`].
pub fn f64s(path: &Path) -> anyhow::Result<Vec<f64>> {
    numbers(path, f64::from_le_bytes)
}
