//! Eight `f32` in one register. Written with the instructions themselves, because the compiler, left to see through arrays,
//! now and then takes a loop with a sum at its end apart into pairs of lanes, ten times slower.

use super::LANES;

/// Eight numbers. `FUSED` in its methods is the one of [`Kernel::run`](super::Kernel::run): only where it is true may the wide
/// instructions be used.
#[derive(Clone, Copy, Default)]
#[repr(C, align(32))]
pub(crate) struct F8([f32; LANES]);

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::F8;
    use std::arch::x86_64::*;

    // SAFETY of all: callers have been compiled for, and dispatched to, AVX2 + FMA. An F8 has the size and alignment of a
    // register, and any bits are numbers.
    #[inline(always)]
    pub(super) fn reg(x: F8) -> __m256 {
        unsafe { std::mem::transmute::<F8, __m256>(x) }
    }
    #[inline(always)]
    pub(super) fn from(x: __m256) -> F8 {
        unsafe { std::mem::transmute::<__m256, F8>(x) }
    }
    #[inline(always)]
    pub(super) fn fma(a: F8, b: F8, c: F8) -> F8 {
        from(unsafe { _mm256_fmadd_ps(reg(a), reg(b), reg(c)) })
    }
    #[inline(always)]
    pub(super) fn splat(x: f32) -> F8 {
        from(unsafe { _mm256_set1_ps(x) })
    }
    #[inline(always)]
    pub(super) fn load(x: &[f32; 8]) -> F8 {
        from(unsafe { _mm256_loadu_ps(x.as_ptr()) })
    }
    #[inline(always)]
    pub(super) fn store(x: F8, to: &mut [f32; 8]) {
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), reg(x)) }
    }
    #[inline(always)]
    pub(super) fn sum(x: F8) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(reg(x)), _mm256_extractf128_ps::<1>(reg(x)));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    pub(super) fn any_reaches(x: F8, least: F8) -> bool {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(reg(x), reg(least))) != 0 }
    }
    /// Rows become columns: pairs, then fours, then halves change places.
    #[inline(always)]
    pub(super) fn transposed(x: [F8; 8]) -> [F8; 8] {
        unsafe {
            let low = |i: usize| _mm256_unpacklo_ps(reg(x[i]), reg(x[i + 1]));
            let high = |i: usize| _mm256_unpackhi_ps(reg(x[i]), reg(x[i + 1]));
            let fours =
                |a: __m256, b: __m256| (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
            let (a0, a1) = fours(low(0), low(2));
            let (a2, a3) = fours(high(0), high(2));
            let (b0, b1) = fours(low(4), low(6));
            let (b2, b3) = fours(high(4), high(6));
            let lows = |a, b| from(_mm256_permute2f128_ps::<0x20>(a, b));
            let highs = |a, b| from(_mm256_permute2f128_ps::<0x31>(a, b));
            [
                lows(a0, b0),
                lows(a1, b1),
                lows(a2, b2),
                lows(a3, b3),
                highs(a0, b0),
                highs(a1, b1),
                highs(a2, b2),
                highs(a3, b3),
            ]
        }
    }
    /// Adds neighbours, twice; what remains of each is one number in either half.
    #[inline(always)]
    fn halves(x: [F8; 4]) -> __m256 {
        unsafe {
            let low = _mm256_hadd_ps(reg(x[0]), reg(x[1]));
            _mm256_hadd_ps(low, _mm256_hadd_ps(reg(x[2]), reg(x[3])))
        }
    }
    #[inline(always)]
    pub(super) fn sums4(x: [F8; 4]) -> [f32; 4] {
        unsafe {
            let both = halves(x);
            let sums = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps::<1>(both));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
    }
}

impl F8 {
    #[inline(always)]
    pub(crate) fn load<const FUSED: bool>(x: &[f32; LANES]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::load(x);
        }
        Self(*x)
    }

    #[inline(always)]
    pub(crate) fn store<const FUSED: bool>(self, to: &mut [f32; LANES]) {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::store(self, to);
        }
        *to = self.0;
    }

    #[inline(always)]
    pub(crate) fn splat<const FUSED: bool>(x: f32) -> Self {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::splat(x);
        }
        Self([x; LANES])
    }

    /// `self · b + c`.
    #[inline(always)]
    pub(crate) fn fma<const FUSED: bool>(self, b: Self, c: Self) -> Self {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::fma(self, b, c);
        }
        Self(std::array::from_fn(|l| self.0[l] * b.0[l] + c.0[l]))
    }

    /// The sum of all eight, always in the same order.
    #[inline(always)]
    pub(crate) fn sum<const FUSED: bool>(self) -> f32 {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::sum(self);
        }
        super::sum8(self.0)
    }

    /// The sums of four, cheaper together than one by one, in an order of their own.
    #[inline(always)]
    pub(crate) fn sums4<const FUSED: bool>(x: [Self; 4]) -> [f32; 4] {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::sums4(x);
        }
        x.map(|x| {
            let v = x.0;
            ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))
        })
    }

    /// Row `i` of the result has the `i`-th numbers of all rows.
    #[inline(always)]
    pub(crate) fn transposed<const FUSED: bool>(x: [Self; LANES]) -> [Self; LANES] {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::transposed(x);
        }
        std::array::from_fn(|i| Self(std::array::from_fn(|l| x[l].0[i])))
    }

    /// Whether any number is at least its counterpart.
    #[inline(always)]
    pub(crate) fn any_reaches<const FUSED: bool>(self, least: Self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            return wide::any_reaches(self, least);
        }
        self.0.iter().zip(least.0).any(|(x, least)| least <= *x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, dispatch};

    struct All;
    impl Kernel for All {
        type Out = Vec<f32>;
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> Vec<f32> {
            let of = |k: usize| F8::load::<FUSED>(&std::array::from_fn(|i| ((i * k + 1) % 16) as f32));
            let mut out = [0f32; LANES];
            of(3).fma::<FUSED>(of(5), F8::splat::<FUSED>(2.0)).store::<FUSED>(&mut out);
            let mut all = out.to_vec();
            all.push(of(7).sum::<FUSED>());
            all.extend(F8::sums4::<FUSED>([of(1), of(2), of(3), of(4)]));
            for row in F8::transposed::<FUSED>(std::array::from_fn(|i| of(i + 2))) {
                row.store::<FUSED>(&mut out);
                all.extend(out);
            }
            let reaches = |x: f32, y: f32| F8::splat::<FUSED>(x).any_reaches::<FUSED>(F8::splat::<FUSED>(y));
            all.extend([reaches(1.0, 1.0), reaches(1.0, 1.1), reaches(f32::NAN, 0.0)].map(f32::from));
            all
        }
    }

    #[test]
    fn both_targets_agree_where_nothing_rounds() {
        assert_eq!(dispatch(All), All.run::<false>());
        assert_eq!(dispatch(All)[77..], [1.0, 0.0, 0.0]);
    }
}
