//! The inner loops, compiled twice and chosen at run time: for AVX2 + FMA, and portable.
//!
//! A fused multiply-add rounds once where the portable code rounds twice, so the two disagree in the last bits:
//! results are the same bytes on the same CPU target, not across targets. Within one target the order of every
//! sum is fixed by the lengths alone, never by threads.

mod lanes;

pub(crate) use lanes::F8;

/// Numbers in one padded row are a multiple of this, so that no loop here has a remainder in `f64`.
pub(crate) const LANES: usize = 8;

/// Bytes that travel together.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Smallest multiple of [`LANES`] that is at least `n`.
pub(crate) fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// A piece of work whose body is compiled for each CPU target. `FUSED` tells it which one it is in.
pub(crate) trait Kernel {
    type Out;
    /// Must be `#[inline(always)]`, else it is compiled for the portable target only.
    fn run<const FUSED: bool>(self) -> Self::Out;
}

/// Runs `kernel` with the widest instructions this machine has. The look-up is one cached load.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        #[target_feature(enable = "avx2,fma")]
        fn wide<K: Kernel>(kernel: K) -> K::Out {
            kernel.run::<true>()
        }
        // SAFETY: both features were just found on this machine.
        return unsafe { wide(kernel) };
    }
    kernel.run::<false>()
}

/// `f32` or `f64`.
pub(crate) trait Real:
    Copy
    + PartialOrd
    + Default
    + std::ops::Add<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::MulAssign
    + std::ops::DivAssign
    + std::ops::Sub<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
{
    const ONE: Self;
    fn fused(self, b: Self, c: Self) -> Self;
    fn root(self) -> Self;
    fn finite(self) -> bool;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const ONE: Self = 1.0;
            #[inline(always)]
            fn fused(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
        }
    };
}
real!(f32);
real!(f64);

/// `a b + c`, rounded once if the target can.
#[inline(always)]
pub(crate) fn fma<T: Real, const FUSED: bool>(a: T, b: T, c: T) -> T {
    if FUSED { a.fused(b, c) } else { a * b + c }
}

/// Asks for memory that will soon be read: worth it where rows are read in no order that the machine could guess.
#[inline(always)]
pub(crate) fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks((CACHE_LINE / size_of::<T>().max(1)).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing; SSE is part of every x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}

#[inline(always)]
fn sum8<T: Copy + std::ops::Add<Output = T>>(v: [T; 8]) -> T {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

/// `y += a x` over the common length.
#[inline(always)]
pub(crate) fn axpy<T: Real, const FUSED: bool>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = fma::<T, FUSED>(a, x, *y);
    }
}

/// `x'y` over the common length.
#[inline(always)]
pub(crate) fn dot<T: Real, const FUSED: bool>(x: &[T], y: &[T]) -> T {
    let n = x.len().min(y.len());
    let (x8, x_rest) = x[..n].as_chunks::<LANES>();
    let (y8, y_rest) = y[..n].as_chunks::<LANES>();
    let mut acc = [T::default(); LANES];
    for (x, y) in x8.iter().zip(y8) {
        for l in 0..LANES {
            acc[l] = fma::<T, FUSED>(x[l], y[l], acc[l]);
        }
    }
    x_rest.iter().zip(y_rest).fold(sum8(acc), |sum, (&x, &y)| fma::<T, FUSED>(x, y, sum))
}

/// `x'y` in `f32` over the common length.
#[inline(always)]
pub(crate) fn dot32<const FUSED: bool>(x: &[f32], y: &[f32]) -> f32 {
    let n = x.len().min(y.len());
    let (x8, x_rest) = x[..n].as_chunks::<LANES>();
    let (y8, y_rest) = y[..n].as_chunks::<LANES>();
    let mut acc = F8::default();
    for (x, y) in x8.iter().zip(y8) {
        acc = F8::load::<FUSED>(x).fma::<FUSED>(F8::load::<FUSED>(y), acc);
    }
    let rest = x_rest.iter().zip(y_rest);
    rest.fold(acc.sum::<FUSED>(), |sum, (&x, &y)| fma::<f32, FUSED>(x, y, sum))
}

/// Adds `MᵀM` of the `(n, ld)` matrix `m` to the upper triangle of the `(ld, ld)` matrix `out`.
///
/// `ld` is a multiple of `W`, the numbers of two registers: 8 of `f64`, 16 of `f32`. Works in 4 x `W` tiles held in
/// registers, eight multiply-adds for six loads; tiles on the diagonal also write some entries below it, which nobody
/// reads.
#[inline(always)]
pub(crate) fn add_gram<T: Real, const W: usize, const FUSED: bool>(
    m: &[T],
    n: usize,
    ld: usize,
    out: &mut [T],
) {
    debug_assert!(ld.is_multiple_of(W) && n * ld <= m.len() && ld * ld <= out.len());
    for a in (0..ld).step_by(4) {
        for b in (a / W * W..ld).step_by(W) {
            let mut acc = [[T::default(); W]; 4];
            for row in m[..n * ld].chunks_exact(ld) {
                let (left, right) = (&row[a..a + 4], &row[b..b + W]);
                for i in 0..4 {
                    for l in 0..W {
                        acc[i][l] = fma::<T, FUSED>(left[i], right[l], acc[i][l]);
                    }
                }
            }
            for (i, acc) in acc.iter().enumerate() {
                let at = (a + i) * ld + b;
                for (out, acc) in out[at..at + W].iter_mut().zip(acc) {
                    *out = *out + *acc;
                }
            }
        }
    }
}

struct Scores<'a> {
    rows: &'a [f32],
    rank: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Scores<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        // Four rows at a time: four independent chains of additions hide each other's latency.
        let rank = self.rank;
        let (out4, out_rest) = self.out.as_chunks_mut::<4>();
        let (rows4, rows_rest) = self.rows.split_at(out4.len() * 4 * rank);
        let (x8, x_rest) = self.x[..rank].as_chunks::<LANES>();
        for (out, rows) in out4.iter_mut().zip(rows4.chunks_exact(4 * rank)) {
            let (r0, rows) = rows.split_at(rank);
            let (r1, rows) = rows.split_at(rank);
            let (r2, r3) = rows.split_at(rank);
            let rows = [r0.as_chunks(), r1.as_chunks(), r2.as_chunks(), r3.as_chunks::<LANES>()];
            let mut acc = [F8::default(); 4];
            for (k, x) in x8.iter().enumerate() {
                let x = F8::load::<FUSED>(x);
                for i in 0..4 {
                    acc[i] = F8::load::<FUSED>(&rows[i].0[k]).fma::<FUSED>(x, acc[i]);
                }
            }
            for i in 0..4 {
                let rest = rows[i].1.iter().zip(x_rest);
                out[i] = rest.fold(acc[i].sum::<FUSED>(), |sum, (&r, &x)| fma::<f32, FUSED>(r, x, sum));
            }
        }
        for (out, row) in out_rest.iter_mut().zip(rows_rest.chunks_exact(rank)) {
            *out = dot32::<FUSED>(row, self.x);
        }
    }
}

/// `out[i] = rows[i]'x`: one user's score of every item.
/// - `rows`: `(n, rank)` row-major, `x`: `(rank,)`, `out`: `(n,)`; does what their lengths allow
pub(crate) fn scores(rows: &[f32], rank: usize, x: &[f32], out: &mut [f32]) {
    if rank == 0 || x.len() < rank {
        out.fill(0.0);
        return;
    }
    let n = (rows.len() / rank).min(out.len());
    let (out, rest) = out.split_at_mut(n);
    rest.fill(0.0);
    dispatch(Scores { rows, rank, x, out });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct All<'a>(&'a [f64], &'a [f64], usize);
    impl Kernel for All<'_> {
        type Out = (f64, Vec<f64>, Vec<f64>);
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> Self::Out {
            let mut y = self.1.to_vec();
            axpy::<f64, FUSED>(0.5, self.0, &mut y);
            let ld = self.2;
            let mut gram = vec![0.0; ld * ld];
            add_gram::<f64, 8, FUSED>(self.0, self.0.len() / ld, ld, &mut gram);
            (dot::<f64, FUSED>(self.0, self.1), y, gram)
        }
    }

    #[test]
    fn both_targets_agree_with_plain_loops() {
        for (n, ld) in [(1, 8), (3, 16), (5, 24), (17, 8)] {
            let x: Vec<f64> = (0..n * ld).map(|i| (i as f64 * 0.7).sin()).collect();
            let y: Vec<f64> = (0..n * ld).map(|i| (i as f64 * 0.3).cos()).collect();
            for (sum, moved, gram) in [dispatch(All(&x, &y, ld)), All(&x, &y, ld).run::<false>()] {
                let plain: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
                assert!((sum - plain).abs() < 1e-12);
                assert!(moved.iter().zip(&y).zip(&x).all(|((m, y), x)| (m - (y + 0.5 * x)).abs() < 1e-12));
                for a in 0..ld {
                    for b in a..ld {
                        let plain: f64 = (0..n).map(|i| x[i * ld + a] * x[i * ld + b]).sum();
                        assert!((gram[a * ld + b] - plain).abs() < 1e-12, "{a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn scores_are_dot_products_at_any_shape() {
        for (n, rank) in [(0, 3), (1, 1), (4, 8), (7, 13), (10, 64)] {
            let rows: Vec<f32> = (0..n * rank).map(|i| (i as f32 * 0.7).sin()).collect();
            let x: Vec<f32> = (0..rank).map(|i| (i as f32 * 0.3).cos()).collect();
            let mut out = vec![9.0; n];
            scores(&rows, rank, &x, &mut out);
            for (row, out) in rows.chunks(rank).zip(&out) {
                let plain: f32 = row.iter().zip(&x).map(|(r, x)| r * x).sum();
                assert!((out - plain).abs() < 1e-4);
            }
        }
    }
}
