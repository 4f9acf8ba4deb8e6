//! A half-step whose rows come in pieces, from many machines: a row's normal equations are a sum over its interactions,
//! so what each machine has summed is added up, and solved once.
//!
//! Sums lie in the eigenbasis of the held side and know nothing of λ, which depends on how many interactions there are in
//! the end. A row with few interactions is smaller as the interactions themselves: see [`RowSums::worth_it`].

use super::half_step::{FoldScratch, Held};
use super::params::AlsParams;
use super::sides::{FoldInError, SideError, solve_checked};
use crate::linalg::{NotPositive, cholesky, solve};
use crate::simd::{Kernel, LANES, add_gram, axpy, dispatch, padded};
use ndarray::ArrayView2;

/// Rows of a piece added to a Gram matrix at a time; 64 dimensions in f64: 32 KiB, which the first cache holds.
const ROWS_AT_ONCE: usize = 64;

/// One side of a factorisation, held fixed while any rows of the other are solved.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldSide {
    params: AlsParams,
    held: Held,
}

/// `Σ e ŷŷᵀ` and `Σ c ŷ` over some of a row's interactions, `ŷ` in the eigenbasis of a [`HeldSide`], `c` the confidence and
/// `e` what it has beyond that of a pair never seen. Only sums against the same side can be added.
#[derive(Debug, Clone, PartialEq)]
pub struct RowSums {
    rank: usize,
    /// Interactions in it.
    n: u64,
    /// Upper triangle of `(ld, ld)`.
    a: Vec<f64>,
    b: Vec<f64>,
}

impl RowSums {
    /// Of nothing yet.
    pub fn new(rank: usize) -> Self {
        let ld = padded(rank);
        Self { rank, n: 0, a: vec![0.0; ld * ld], b: vec![0.0; rank] }
    }

    /// Numbers of `rank` dimensions: of how many interactions the sums are smaller than the interactions (8 bytes each).
    pub fn worth_it(rank: usize) -> usize {
        rank * (rank + 1) / 2 + rank + 1
    }

    /// Interactions summed.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        size_of::<Self>() + (self.a.capacity() + self.b.capacity()) * size_of::<f64>()
    }

    /// Adds what others have summed; false if it is of another rank.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.rank != other.rank {
            return false;
        }
        self.n += other.n;
        self.a.iter_mut().zip(&other.a).for_each(|(sum, x)| *sum += x);
        self.b.iter_mut().zip(&other.b).for_each(|(sum, x)| *sum += x);
        true
    }

    /// As bytes, [`RowSums::worth_it`]` * 8` of them, appended.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let ld = padded(self.rank);
        out.extend(self.n.to_le_bytes());
        for row in 0..self.rank {
            let upper = self.a.get(row * ld + row..row * ld + self.rank).unwrap_or_default();
            upper.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        self.b.iter().for_each(|x| out.extend(x.to_le_bytes()));
    }

    /// None if the bytes are not such of this rank.
    pub fn decode(rank: usize, bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != Self::worth_it(rank) || !rest.is_empty() {
            return None;
        }
        let mut sums = Self::new(rank);
        let ld = padded(rank);
        let (n, numbers) = words.split_first()?;
        sums.n = u64::from_le_bytes(*n);
        let mut numbers = numbers.iter().map(|x| f64::from_le_bytes(*x));
        for row in 0..rank {
            let upper = sums.a.get_mut(row * ld + row..row * ld + rank)?;
            upper.iter_mut().zip(&mut numbers).for_each(|(to, x)| *to = x);
        }
        sums.b.iter_mut().zip(&mut numbers).for_each(|(to, x)| *to = x);
        Some(sums)
    }
}

impl HeldSide {
    /// Holds `factors` `(n, rank)`: `8·n·rank` bytes. Cost `O(n·rank² + rank³)`.
    ///
    /// # Errors
    /// [`SideError`] if the shape is not the parameters' or a number is not finite.
    pub fn new(factors: ArrayView2<'_, f32>, params: AlsParams) -> Result<Self, SideError> {
        let values = super::sides::checked(factors, &params)?;
        let held = Held::of_all(&values, &params).map_err(|_| SideError::GramNotFinite)?;
        Ok(Self { params, held })
    }

    pub fn params(&self) -> &AlsParams {
        &self.params
    }

    /// Rows held.
    pub fn n_rows(&self) -> usize {
        self.held.n_rows()
    }

    /// A whole row at once: the half-step of [`fit`](super::fit) with [`Solver::Exact`](super::Solver::Exact), to the byte.
    /// `entries` in any order; returns `(rank,)`.
    ///
    /// # Errors
    /// [`FoldInError`] for an index that is unknown or repeated, a strength that is negative or not finite.
    pub fn solve(&self, entries: &[(u32, f32)], scratch: &mut FoldScratch) -> Result<Vec<f32>, FoldInError> {
        solve_checked(&self.held, &self.params, entries, scratch)
    }

    /// Adds a piece of a row: `entries` as of [`HeldSide::solve`], none of which was added before.
    ///
    /// # Errors
    /// [`FoldInError`] for an index that is unknown, a strength that is negative or not finite; nothing is added then.
    pub fn add(&self, entries: &[(u32, f32)], sums: &mut RowSums) -> Result<(), FoldInError> {
        let n_known = self.n_rows();
        for &(index, strength) in entries {
            if n_known <= index as usize {
                return Err(FoldInError::Unknown { index, n_known });
            }
            if !strength.is_finite() || strength < 0.0 {
                return Err(FoldInError::Strength { index, strength });
            }
        }
        dispatch(Add { side: self, entries, sums });
        Ok(())
    }

    /// The row whose interactions `sums` are all of: as [`HeldSide::solve`] up to rounding in f64.
    ///
    /// # Errors
    /// [`FoldInError::Singular`] if the equations have no finite solution, or the sums are of another rank.
    pub fn solve_sums(&self, sums: &RowSums) -> Result<Vec<f32>, FoldInError> {
        if sums.rank != self.params.rank() {
            return Err(FoldInError::Singular);
        }
        if sums.n == 0 {
            return Ok(vec![0.0; sums.rank]);
        }
        dispatch(Solve { side: self, sums }).map_err(|NotPositive| FoldInError::Singular)
    }
}

struct Add<'a> {
    side: &'a HeldSide,
    entries: &'a [(u32, f32)],
    sums: &'a mut RowSums,
}

impl Kernel for Add<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { side, entries, sums } = self;
        let (rank, ld) = (sums.rank, padded(sums.rank));
        let (w0, alpha) = (side.params.unobserved_weight(), side.params.alpha());
        let mut m = Vec::with_capacity(ROWS_AT_ONCE.min(entries.len()) * ld);
        for piece in entries.chunks(ROWS_AT_ONCE) {
            m.clear();
            let mut n = 0;
            for &(index, strength) in piece.iter().filter(|entry| 0.0 < entry.1) {
                let extra = alpha * f64::from(strength);
                let row = side.held.row(index);
                axpy::<f64, FUSED>(w0 + extra, &row[..rank], &mut sums.b);
                let root = extra.sqrt();
                m.extend(row.iter().map(|y| root * y));
                n += 1;
            }
            add_gram::<f64, LANES, FUSED>(&m, n, ld, &mut sums.a);
            sums.n += n as u64;
        }
    }
}

struct Solve<'a> {
    side: &'a HeldSide,
    sums: &'a RowSums,
}

impl Kernel for Solve<'_> {
    type Out = Result<Vec<f32>, NotPositive>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Self::Out {
        let Self { side, sums } = self;
        let (rank, ld) = (sums.rank, padded(sums.rank));
        let scale = side.held.scale(&side.params, usize::try_from(sums.n).unwrap_or(usize::MAX));
        let mut a = vec![0f64; ld * ld];
        for (i, (row, sums)) in a.chunks_exact_mut(ld).zip(sums.a.chunks_exact(ld)).enumerate() {
            for (j, (a, sum)) in row.iter_mut().zip(sums).enumerate().skip(i) {
                *a = scale[i] * scale[j] * sum + f64::from(u8::from(i == j));
            }
        }
        let mut z: Vec<f64> = sums.b.iter().zip(&scale).map(|(b, scale)| b * scale).collect();
        z.resize(ld, 0.0);
        cholesky::<f64, FUSED>(&mut a, ld)?;
        solve::<f64, FUSED>(&a, ld, &mut z);
        let mut x = vec![0f64; rank];
        side.held.back::<FUSED>(&z, &scale, &mut x);
        let x: Vec<f32> = x.into_iter().map(|x| x as f32).collect();
        if x.iter().all(|x| x.is_finite()) { Ok(x) } else { Err(NotPositive) }
    }
}
