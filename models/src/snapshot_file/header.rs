//! What stands above the rows: which version this is, how it was made, what its columns hold.

use super::corrupt;
use crate::als::{AlsParams, Solver};
use crate::segments::{ServedSegment, ServedSegments};
use crate::snapshot::{Kind, Lineage, Snapshot, SnapshotError};
use std::collections::BTreeMap;

/// Which rows a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum File {
    Full,
    Delta,
}

impl File {
    fn name(self) -> &'static str {
        match self {
            Self::Full => "full model",
            Self::Delta => "delta",
        }
    }
}

/// The header as JSON. Real numbers are text, because reading them back from text is exact and from JSON is not.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Header {
    file: File,
    version: u64,
    parent: Option<u64>,
    kind: Kind,
    n_items: u64,
    factors: bool,
    neighbours: bool,
    popularity: bool,
    k: usize,
    rank: usize,
    sweeps: usize,
    alpha: String,
    unobserved_weight: String,
    regularization: String,
    reg_exponent: String,
    seed: u64,
    /// None for the default, so that files without a choice keep their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    solver: Option<Solver>,
    /// Of a full file: none where there are none. Of a delta: none where they are its parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segments: Option<Segments>,
    cut: Vec<(String, u32, i64)>,
    now_ms: i64,
    config_hash: String,
    code_version: String,
    metrics: BTreeMap<String, String>,
}

/// Segments as they rest: whole numbers and text.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Segments {
    run: u64,
    segments: Vec<ServedSegment>,
}

fn number(text: &str) -> Result<f64, SnapshotError> {
    text.parse().map_err(|_| corrupt(format!("{text:?} is not a number")))
}

impl Header {
    pub(super) fn of(model: &Snapshot, file: File) -> Self {
        let (als, meta) = (model.side().params(), model.meta());
        let n_items = model.n_items();
        Self {
            file,
            version: model.version(),
            parent: model.parent(),
            kind: model.kind(),
            n_items: n_items as u64,
            factors: 0 < model.side().n_items(),
            neighbours: 0 < model.neighbours().n_items(),
            popularity: 0 < model.popularity().n_items(),
            k: model.neighbours().k(),
            rank: als.rank(),
            sweeps: als.sweeps(),
            alpha: als.alpha().to_string(),
            unobserved_weight: als.unobserved_weight().to_string(),
            regularization: als.regularization().to_string(),
            reg_exponent: als.reg_exponent().to_string(),
            seed: als.seed(),
            solver: Some(als.solver()).filter(|s| *s != Solver::default()),
            segments: Some(model.segments())
                .filter(|s| s.run != 0 || !s.is_empty())
                .map(|s| Segments { run: s.run, segments: s.segments.clone() }),
            cut: meta.cut.clone(),
            now_ms: meta.now_ms,
            config_hash: meta.config_hash.clone(),
            code_version: meta.code_version.clone(),
            metrics: meta.metrics.iter().map(|(name, x)| (name.clone(), x.to_string())).collect(),
        }
    }

    /// Leaves out what a delta's parent has as well; says that there are none where the parent has some.
    pub(super) fn without_same_segments(mut self, parent: &Snapshot) -> Self {
        let ours = self.segments.take().unwrap_or(Segments { run: 0, segments: Vec::new() });
        let theirs = parent.segments();
        let same = ours.run == theirs.run && ours.segments == theirs.segments;
        self.segments = (!same).then_some(ours);
        self
    }

    pub(super) fn into_segments(self) -> Option<ServedSegments> {
        self.segments.map(|Segments { run, segments }| ServedSegments { run, segments })
    }

    pub(super) fn expect(&self, expected: File) -> Result<(), SnapshotError> {
        if self.file == expected {
            return Ok(());
        }
        Err(SnapshotError::WrongKind { found: self.file.name(), expected: expected.name() })
    }

    pub(super) fn als(&self) -> Result<AlsParams, SnapshotError> {
        AlsParams::new(
            self.rank,
            self.sweeps,
            number(&self.alpha)?,
            number(&self.unobserved_weight)?,
            number(&self.regularization)?,
            number(&self.reg_exponent)?,
            self.seed,
        )
        .and_then(|als| als.with_solver(self.solver.unwrap_or_default()))
        .map_err(corrupt)
    }

    pub(super) fn lineage(&self) -> Result<Lineage, SnapshotError> {
        let metrics = self.metrics.iter().map(|(name, text)| Ok((name.clone(), number(text)?)));
        Ok(Lineage {
            cut: self.cut.clone(),
            now_ms: self.now_ms,
            config_hash: self.config_hash.clone(),
            code_version: self.code_version.clone(),
            metrics: metrics.collect::<Result<_, SnapshotError>>()?,
        })
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
    pub(super) fn parent(&self) -> Option<u64> {
        self.parent
    }
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
    pub(super) fn n_items(&self) -> u64 {
        self.n_items
    }
    pub(super) fn k(&self) -> usize {
        self.k
    }
    pub(super) fn has_factors(&self) -> bool {
        self.factors
    }
    pub(super) fn has_neighbours(&self) -> bool {
        self.neighbours
    }
    pub(super) fn has_popularity(&self) -> bool {
        self.popularity
    }
}
