//! Rows of segments: groups of users that a job finds, run by run.

/// A run that found segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRunRow {
    pub run: u64,
    /// The run that counted before it.
    pub parent: Option<u64>,
    pub created_ms: i64,
    /// JSON: how it was made, and what it measured.
    pub data: Vec<u8>,
}

/// A segment of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// Stays when a later run finds the segment again.
    pub segment: u32,
    pub name: String,
    /// Users in it when the run ended.
    pub users: u64,
    /// JSON: what sets it apart, and what is popular in it.
    pub data: Vec<u8>,
}

/// A run that is whole.
#[derive(Debug, Clone)]
pub struct PublishSegments {
    pub run: SegmentRunRow,
    pub segments: Vec<SegmentRow>,
    /// That of [`Truth::claim_segments`](crate::Truth::claim_segments).
    pub token: i64,
    /// Runs before this one are forgotten.
    pub kept_from: u64,
}
