//! Generations of topics: a log that grows gets larger topics beside its old ones, which are sealed and read to their end
//! first. Offsets count on from one generation to the next, so that whoever compares two of them need not know.

/// Offsets of one generation: three years of ten thousand records a second in one partition; those of the eight thousandth
/// generation are still exact in JSON.
const OFFSETS: i64 = 1 << 40;

/// The first offset of a generation, counted from 1.
pub fn first_offset(generation: u32) -> i64 {
    i64::from(generation.max(1) - 1).saturating_mul(OFFSETS)
}

/// The generation that an offset lies in.
pub fn generation_of(offset: i64) -> u32 {
    u32::try_from(offset.max(0) / OFFSETS).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_generations_agree() {
        for generation in [1, 2, 3, 8_000] {
            let first = first_offset(generation);
            assert_eq!([first, first + 5, first + OFFSETS - 1].map(generation_of), [generation; 3]);
            assert!(first_offset(generation + 1) == first + OFFSETS && first + OFFSETS < 1 << 53);
        }
        assert_eq!(generation_of(-1), 1);
    }
}
