//! A commit: what one step of a writer changes, and whether it may follow a snapshot. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shoptide_schemas::Topic;

use crate::erased::Erasure;
use crate::file::{LakeFile, topic_name};
use crate::snapshot::Snapshot;

/// The form of commits and checkpoints that this program writes; it refuses others.
pub const FORMAT: u32 = 1;

/// Who made a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Records of the log came in.
    Archive,
    /// Small files became larger ones.
    Compact,
    /// Rows of erased users were taken out.
    Erase,
    /// Days beyond the retention were dropped.
    Retire,
}

/// One partition's move: all records of `from..to` were read, `records` of them. Offsets without a record are those of other
/// producers' transactions, and the leap from one generation of topics to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(with = "topic_name")]
    pub topic: Topic,
    pub partition: u32,
    pub from: i64,
    pub to: i64,
    pub records: u64,
}

/// Records of a partition that are in no file any more, or never came into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    #[serde(with = "topic_name")]
    pub topic: Topic,
    pub partition: u32,
    /// Of erased users.
    pub erased: u64,
    /// Beyond the retention.
    pub retired: u64,
}

/// What a writer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub work: Work,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<LakeFile>,
    /// Paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
    /// Erasures that were met; their users' older rows are pending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<Erasure>,
    /// Erasures whose older rows are gone with this commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Erasure>,
    /// How many erasures the writer knew: rows that it adds hold none of those users.
    pub erasures_known: u64,
}

/// A change as it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub format: u32,
    pub commit: u64,
    /// Random: a writer whose answer was lost knows its own commit again.
    pub id: String,
    /// Clock of the writer, ms since 1970.
    pub at_ms: i64,
    #[serde(flatten)]
    pub change: Change,
}

impl Change {
    pub fn new(work: Work, base: &Snapshot) -> Self {
        Self {
            work,
            steps: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            lost: Vec::new(),
            erased: Vec::new(),
            settled: Vec::new(),
            erasures_known: base.erased.len() as u64,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.added.is_empty() && self.removed.is_empty() && self.settled.is_empty()
    }

    /// Whether the change may follow this snapshot, which may be newer than the one it was made from.
    ///
    /// # Errors
    /// Why not: another writer has archived these offsets, has taken these files out, or has met an erasure.
    pub fn check(&self, base: &Snapshot) -> Result<(), String> {
        for step in &self.steps {
            let Step { topic, partition, from, to, .. } = *step;
            let cut = base.cut_of(topic, partition);
            if cut.is_some_and(|cut| cut != from) || to < from {
                return Err(format!(
                    "{topic} partition {partition} stands at offset {}, the step is {from} to {to}",
                    cut.unwrap_or(from)
                ));
            }
        }
        if !self.steps.is_empty() && self.erasures_known != base.erased.len() as u64 {
            return Err("an erasure was archived since".to_owned());
        }
        let held: std::collections::HashMap<&str, &LakeFile> =
            base.files.iter().map(|f| (f.path.as_str(), f)).collect();
        let mut sums: BTreeMap<(Topic, u32), i128> = BTreeMap::new();
        let mut count = |topic, partition, rows: i128| *sums.entry((topic, partition)).or_default() += rows;
        for path in &self.removed {
            let file = held.get(path.as_str()).ok_or_else(|| format!("{path} was taken out since"))?;
            count(file.topic, file.partition, -i128::from(file.rows));
        }
        for file in &self.added {
            if held.contains_key(file.path.as_str()) {
                return Err(format!("{} is there already", file.path));
            }
            count(file.topic, file.partition, i128::from(file.rows));
        }
        for lost in &self.lost {
            count(lost.topic, lost.partition, i128::from(lost.erased) + i128::from(lost.retired));
        }
        for step in &self.steps {
            count(step.topic, step.partition, -i128::from(step.records));
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some(((topic, partition), sum)) => {
                Err(format!("rows of {topic} partition {partition} do not add up: {sum} too many"))
            }
            None => Ok(()),
        }
    }
}
