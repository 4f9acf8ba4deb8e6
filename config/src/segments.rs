//! `[segments]`: groups of users, as `shoptide jobs segment` finds them.

use shoptide_models::segments::{POPULAR_MAX, SegmentParams};

use crate::bounds::{count, whole};
use crate::error::Problem;
use crate::raw::RawSegments;

/// `[segments]`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SegmentsConfig {
    pub params: SegmentParams,
    /// Items kept as popular in a segment.
    pub popular_items: usize,
    /// Runs kept to compare with.
    pub runs_kept: u64,
}

impl TryFrom<&RawSegments> for SegmentsConfig {
    type Error = Problem;

    fn try_from(raw: &RawSegments) -> Result<Self, Problem> {
        let k: usize = whole("segments.k", raw.k, 0..=32)?;
        let params = SegmentParams::new(
            (k != 0).then_some(k),
            count("segments.k_min", raw.k_min)?,
            count("segments.k_max", raw.k_max)?,
            count("segments.dims", raw.dims)?,
            raw.habits_weight,
            count("segments.sample_users", raw.sample_users)?,
            count("segments.seed", raw.seed)?,
        )?;
        Ok(Self {
            params,
            popular_items: whole("segments.popular_items", raw.popular_items, 10..=POPULAR_MAX as i64)?,
            runs_kept: whole("segments.runs_kept", raw.runs_kept, 2..=1000)?,
        })
    }
}
