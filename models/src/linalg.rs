//! Two dense solvers for symmetric positive matrices: Cholesky for one system, and an `f64` eigenvalue
//! decomposition for a family of systems that differ by a multiple of the identity.

use crate::simd::{Real, axpy, dot};

/// The matrix is not positive definite, within rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotPositive;

/// Factors the upper triangle of the `(ld, ld)` matrix `a` in place as `RᵀR`; `ld` is a multiple of 8 (pad with the
/// identity). Entries below the diagonal are neither read nor meaningful afterwards.
///
/// Four pivots at a time, so that the trailing matrix is read and written once per four.
#[inline(always)]
pub(crate) fn cholesky<T: Real, const FUSED: bool>(a: &mut [T], ld: usize) -> Result<(), NotPositive> {
    debug_assert!(ld.is_multiple_of(8) && ld * ld <= a.len());
    for from in (0..ld).step_by(4) {
        let (_, rest) = a.split_at_mut(from * ld);
        let (panel, trailing) = rest.split_at_mut(4 * ld);
        for j in 0..4 {
            let (above, row) = panel.split_at_mut(j * ld);
            let row = &mut row[from + j..ld];
            for above in above.chunks_exact(ld) {
                axpy::<T, FUSED>(-above[from + j], &above[from + j..], row);
            }
            let pivot = row[0];
            if !(T::default() < pivot && pivot.finite()) {
                return Err(NotPositive);
            }
            let scale = T::ONE / pivot.root();
            row.iter_mut().for_each(|x| *x *= scale);
        }
        let (p0, panel) = panel.split_at(ld);
        let (p1, panel) = panel.split_at(ld);
        let (p2, p3) = panel.split_at(ld);
        for (i, row) in (from + 4..ld).zip(trailing.chunks_exact_mut(ld)) {
            // Whole vectors from the start of the tile of four: a few entries left of the diagonal are wasted.
            let start = i / 4 * 4;
            let m = [-p0[i], -p1[i], -p2[i], -p3[i]];
            let (row, p0, p1) = (&mut row[start..], &p0[start..], &p1[start..]);
            let (p2, p3) = (&p2[start..], &p3[start..]);
            for ((((x, p0), p1), p2), p3) in row.iter_mut().zip(p0).zip(p1).zip(p2).zip(p3) {
                *x = if FUSED {
                    m[3].fused(*p3, m[2].fused(*p2, m[1].fused(*p1, m[0].fused(*p0, *x))))
                } else {
                    *x + (m[0] * *p0 + m[1] * *p1 + m[2] * *p2 + m[3] * *p3)
                };
            }
        }
    }
    Ok(())
}

/// Solves `RᵀR x = b` in place, `r` as [`cholesky`] left it.
#[inline(always)]
pub(crate) fn solve<T: Real, const FUSED: bool>(r: &[T], ld: usize, b: &mut [T]) {
    for (j, row) in r[..ld * ld].chunks_exact(ld).enumerate() {
        let (done, below) = b[..ld].split_at_mut(j + 1);
        done[j] /= row[j];
        axpy::<T, FUSED>(-done[j], &row[j + 1..], below);
    }
    for (j, row) in r[..ld * ld].chunks_exact(ld).enumerate().rev() {
        let (rest, done) = b[..ld].split_at_mut(j + 1);
        rest[j] = (rest[j] - dot::<T, FUSED>(&row[j + 1..], done)) / row[j];
    }
}

/// `A = V diag(values) Vᵀ` of a symmetric matrix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Eigen {
    /// Eigenvalues in no particular order, one per row of `vectors`.
    pub values: Vec<f64>,
    /// `(n, n)` row-major; row `k` is the unit eigenvector of `values[k]`.
    pub vectors: Vec<f64>,
}

/// Rotations per eigenvalue after which the QL iteration gives up; it needs two or three.
const QL_STEPS_MAX: usize = 60;

/// Decomposes the symmetric `(n, n)` matrix `a` (row-major, whole) in `O(n³)`: Householder reduction to tridiagonal
/// form, then implicit QL (Martin, Reinsch & Wilkinson 1968; Bowdler et al. 1968: `tred2` and `tql2`).
///
/// # Errors
/// [`NotPositive`] if the iteration does not converge, which finite input does not cause.
pub(crate) fn eigen(a: &[f64], n: usize) -> Result<Eigen, NotPositive> {
    // Row k of `z` is column k of the textbook's matrix, so that the inner loops run along rows.
    let mut z = a[..n * n].to_vec();
    let (mut d, mut e) = (vec![0f64; n], vec![0f64; n]);
    tridiagonal(&mut z, n, &mut d, &mut e);
    diagonal(&mut z, n, &mut d, &mut e)?;
    Ok(Eigen { values: d, vectors: z })
}

/// Reduces `z` to tridiagonal form: `d` diagonal, `e[1..]` off-diagonal; row `k` of `z` becomes column `k` of the
/// orthogonal transformation.
fn tridiagonal(z: &mut [f64], n: usize, d: &mut [f64], e: &mut [f64]) {
    let at = |row: usize, col: usize| col * n + row; // stored by columns
    for j in 0..n {
        d[j] = z[at(n - 1, j)];
    }
    for i in (1..n).rev() {
        let scale: f64 = d[..i].iter().map(|x| x.abs()).sum();
        let mut h = 0.0;
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = z[at(i - 1, j)];
                z[at(i, j)] = 0.0;
                z[at(j, i)] = 0.0;
            }
        } else {
            for x in &mut d[..i] {
                *x /= scale;
                h += *x * *x;
            }
            let f = d[i - 1];
            let g = if 0.0 < f { -h.sqrt() } else { h.sqrt() };
            e[i] = scale * g;
            h -= f * g;
            d[i - 1] = f - g;
            e[..i].fill(0.0);
            for j in 0..i {
                let f = d[j];
                z[at(j, i)] = f;
                let mut g = e[j] + z[at(j, j)] * f;
                for k in j + 1..i {
                    g += z[at(k, j)] * d[k];
                    e[k] += z[at(k, j)] * f;
                }
                e[j] = g;
            }
            let mut f = 0.0;
            for j in 0..i {
                e[j] /= h;
                f += e[j] * d[j];
            }
            let hh = f / (h + h);
            for j in 0..i {
                e[j] -= hh * d[j];
            }
            for j in 0..i {
                let (f, g) = (d[j], e[j]);
                for k in j..i {
                    z[at(k, j)] -= f * e[k] + g * d[k];
                }
                d[j] = z[at(i - 1, j)];
                z[at(i, j)] = 0.0;
            }
        }
        d[i] = h;
    }
    for i in 0..n.saturating_sub(1) {
        z[at(n - 1, i)] = z[at(i, i)];
        z[at(i, i)] = 1.0;
        let h = d[i + 1];
        if h != 0.0 {
            for k in 0..=i {
                d[k] = z[at(k, i + 1)] / h;
            }
            for j in 0..=i {
                let g: f64 = (0..=i).map(|k| z[at(k, i + 1)] * z[at(k, j)]).sum();
                for k in 0..=i {
                    z[at(k, j)] -= g * d[k];
                }
            }
        }
        for k in 0..=i {
            z[at(k, i + 1)] = 0.0;
        }
    }
    for j in 0..n {
        d[j] = z[at(n - 1, j)];
        z[at(n - 1, j)] = 0.0;
    }
    if 0 < n {
        z[at(n - 1, n - 1)] = 1.0;
        e[0] = 0.0;
    }
}

/// Turns the tridiagonal matrix `(d, e)` into eigenvalues `d`, rotating the rows of `z` along.
fn diagonal(z: &mut [f64], n: usize, d: &mut [f64], e: &mut [f64]) -> Result<(), NotPositive> {
    e.rotate_left(usize::from(0 < n));
    let (mut shift, mut largest) = (0f64, 0f64);
    for l in 0..n {
        largest = largest.max(d[l].abs() + e[l].abs());
        let mut m = l;
        while m + 1 < n && f64::EPSILON * largest < e[m].abs() {
            m += 1;
        }
        let mut steps = 0;
        while l < m && f64::EPSILON * largest < e[l].abs() {
            steps += 1;
            if QL_STEPS_MAX < steps {
                return Err(NotPositive);
            }
            let g = d[l];
            let mut p = (d[l + 1] - g) / (2.0 * e[l]);
            let mut r = if p < 0.0 { -p.hypot(1.0) } else { p.hypot(1.0) };
            d[l] = e[l] / (p + r);
            d[l + 1] = e[l] * (p + r);
            let (next, h) = (d[l + 1], g - d[l]);
            d[l + 2..].iter_mut().for_each(|x| *x -= h);
            shift += h;
            p = d[m];
            let (mut c, mut c2, mut c3, mut s, mut s2) = (1.0, 1.0, 1.0, 0.0, 0.0);
            let after = e[l + 1];
            for i in (l..m).rev() {
                (c3, c2, s2) = (c2, c, s);
                let (g, h) = (c * e[i], c * p);
                r = p.hypot(e[i]);
                e[i + 1] = s * r;
                s = e[i] / r;
                c = p / r;
                p = c * d[i] - s * g;
                d[i + 1] = h + s * (c * g + s * d[i]);
                let (low, high) = z[i * n..(i + 2) * n].split_at_mut(n);
                for (low, high) in low.iter_mut().zip(high) {
                    let h = *high;
                    *high = s * *low + c * h;
                    *low = c * *low - s * h;
                }
            }
            p = -s * s2 * c3 * after * e[l] / next;
            e[l] = s * p;
            d[l] = c * p;
        }
        d[l] += shift;
        e[l] = 0.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A positive matrix with a wide spread of eigenvalues.
    fn positive(n: usize) -> Vec<f64> {
        let m: Vec<f64> = (0..n * n).map(|i| ((i * i + 1) as f64 * 0.37).sin() * (i % 7) as f64).collect();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = (0..n).map(|k| m[k * n + i] * m[k * n + j]).sum::<f64>();
            }
            a[i * n + i] += 0.1;
        }
        a
    }

    #[test]
    fn cholesky_solves() {
        for n in [8, 16, 64, 72] {
            let a = positive(n);
            let x: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
            let b: Vec<f64> = a.chunks(n).map(|row| row.iter().zip(&x).map(|(a, x)| a * x).sum()).collect();
            for fused in [false, true] {
                let (mut r, mut got) = (a.clone(), b.clone());
                if fused {
                    cholesky::<f64, true>(&mut r, n).unwrap();
                    solve::<f64, true>(&r, n, &mut got);
                } else {
                    cholesky::<f64, false>(&mut r, n).unwrap();
                    solve::<f64, false>(&r, n, &mut got);
                }
                for (got, x) in got.iter().zip(&x) {
                    assert!((got - x).abs() < 1e-8, "{n}: {got} is not {x}");
                }
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_is_an_error() {
        let mut a = vec![0.0; 64];
        assert_eq!(cholesky::<f64, false>(&mut a, 8), Err(NotPositive));
        a.fill(f64::NAN);
        assert_eq!(cholesky::<f64, false>(&mut a, 8), Err(NotPositive));
    }

    #[test]
    fn eigenvectors_are_orthonormal_and_rebuild_the_matrix() {
        for (n, a) in [
            (0, vec![]),
            (1, vec![4.0]),
            (2, vec![1.0, 0.0, 0.0, 1.0]),
            (3, vec![0.0; 9]),
            (13, positive(13)),
            (64, positive(64)),
        ] {
            let Eigen { values, vectors } = eigen(&a, n).unwrap();
            let size = a.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            for i in 0..n {
                for j in 0..n {
                    let unit: f64 = (0..n).map(|k| vectors[i * n + k] * vectors[j * n + k]).sum();
                    assert!((unit - f64::from(u8::from(i == j))).abs() < 1e-12, "{n}: {i} {j} {unit}");
                    let sum = (0..n).map(|k| values[k] * vectors[k * n + i] * vectors[k * n + j]);
                    let rebuilt: f64 = sum.sum();
                    assert!((rebuilt - a[i * n + j]).abs() < 1e-12 * size, "{n}: {i} {j}");
                }
            }
        }
    }
}
