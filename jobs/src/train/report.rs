//! What is said of a version beside its lineage: how it came to be served, what it was measured by, its configuration.
//! Stored as JSON with the version's row; small versions between two trainings have none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a version came to be served, or a candidate to wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Origin {
    /// From before there were reports.
    #[default]
    Unknown,
    Trained,
    /// A candidate that somebody published; `forced`: against the gate.
    Promoted {
        candidate: u64,
        forced: bool,
    },
    /// The content of an older version again.
    RolledBack {
        to: u64,
    },
}

/// What was read to train it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// The folded truth.
    #[default]
    Truth,
    /// The event lake up to a commit, then the log.
    Lake { commit: u64 },
}

/// How the gate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passed,
    Refused,
    /// Nothing to compare with, or too few users.
    NotJudged,
}

/// One metric of both, on the same users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    pub metric: String,
    pub candidate: f64,
    pub served: f64,
    /// Standard error of the difference, user by user.
    pub error: f64,
}

/// What the gate saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// The version compared with, if one was served.
    pub served: Option<u64>,
    /// Users with something hidden.
    pub users: usize,
    pub metrics: Vec<Compared>,
    pub verdict: Verdict,
    /// Sentences: why it was refused, or not judged.
    pub why: Vec<String>,
}

/// The report of one version or candidate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub origin: Origin,
    pub source: Source,
    /// `full` (from nothing) or `warm` (from the factors of the parent).
    pub mode: String,
    pub gate: Option<GateReport>,
    /// Why a candidate is not served; empty for versions.
    pub why: Vec<String>,
    /// The keys that shaped it, as variables of the environment would say them.
    pub config: BTreeMap<String, String>,
}

impl Report {
    /// What a row says; nothing known for rows without one, or of another program.
    pub fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        // Strings and finite numbers only: there is nothing that JSON could not say.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
