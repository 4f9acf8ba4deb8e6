//! The lake at one commit: its files, and how far each partition of the log is in them.

use serde::{Deserialize, Serialize};
use shoptide_schemas::Topic;

use crate::commit::{Commit, FORMAT};
use crate::erased::{ErasedUsers, Erasure};
use crate::file::{LakeFile, topic_name};

/// What the lake knows of one partition of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    #[serde(with = "topic_name")]
    pub topic: Topic,
    pub partition: u32,
    /// The first offset archived.
    pub base: i64,
    /// The next offset to archive.
    pub cut: i64,
    /// Records between the two: rows in files, erased ones and retired ones.
    pub records: u64,
    pub erased: u64,
    pub retired: u64,
}

impl Tally {
    /// Rows that the files must hold.
    pub fn rows(&self) -> u64 {
        self.records.saturating_sub(self.erased).saturating_sub(self.retired)
    }
}

/// The lake at one commit. Its files stay readable for the grace period after they were replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// 0: nothing was archived yet.
    pub commit: u64,
    /// When the commit was made, by its writer's clock.
    pub at_ms: i64,
    /// Next offset to archive, by topic and partition.
    pub cut: Vec<(Topic, u32, i64)>,
    /// First offset archived, likewise.
    pub base: Vec<(Topic, u32, i64)>,
    /// In order of kind, topic, partition, date, type and offset.
    pub files: Vec<LakeFile>,
    pub erased: ErasedUsers,
    /// Erasures whose users' older rows are still in files; the next run of the archiver takes them out.
    pub pending: Vec<Erasure>,
    pub tallies: Vec<Tally>,
}

impl Snapshot {
    /// The next offset to archive; `None` if nothing of the partition was archived.
    pub fn cut_of(&self, topic: Topic, partition: u32) -> Option<i64> {
        self.tally(topic, partition).map(|tally| tally.cut)
    }

    pub fn tally(&self, topic: Topic, partition: u32) -> Option<&Tally> {
        let place = self.tallies.binary_search_by_key(&(topic, partition), |t| (t.topic, t.partition));
        place.ok().and_then(|place| self.tallies.get(place))
    }

    fn tally_mut(&mut self, topic: Topic, partition: u32, base: i64) -> Option<&mut Tally> {
        let place = self.tallies.binary_search_by_key(&(topic, partition), |t| (t.topic, t.partition));
        let place = place.unwrap_or_else(|place| {
            let new = Tally { topic, partition, base, cut: base, records: 0, erased: 0, retired: 0 };
            self.tallies.insert(place, new);
            place
        });
        self.tallies.get_mut(place)
    }

    /// The lake after a commit.
    ///
    /// # Errors
    /// Why the commit cannot follow.
    pub(crate) fn apply(mut self, commit: &Commit) -> Result<Snapshot, String> {
        if commit.format != FORMAT {
            return Err(format!("it has format {}, expected {FORMAT}", commit.format));
        }
        if commit.commit != self.commit + 1 {
            return Err(format!("it says that it is commit {}, expected {}", commit.commit, self.commit + 1));
        }
        let change = &commit.change;
        change.check(&self)?;
        for step in &change.steps {
            if let Some(tally) = self.tally_mut(step.topic, step.partition, step.from) {
                tally.cut = step.to;
                tally.records += step.records;
            }
        }
        for lost in &change.lost {
            if let Some(tally) = self.tally_mut(lost.topic, lost.partition, 0) {
                tally.erased += lost.erased;
                tally.retired += lost.retired;
            }
        }
        if !change.removed.is_empty() {
            let removed: std::collections::HashSet<&str> =
                change.removed.iter().map(String::as_str).collect();
            self.files.retain(|file| !removed.contains(file.path.as_str()));
        }
        self.files.extend(change.added.iter().cloned());
        self.files.sort_by(|a, b| place_of(a).cmp(&place_of(b)));
        for erasure in &change.erased {
            if self.erased.insert(*erasure) {
                self.pending.push(*erasure);
            }
        }
        self.pending.retain(|erasure| !change.settled.contains(erasure));
        (self.commit, self.at_ms) = (commit.commit, commit.at_ms);
        self.listed();
        Ok(self)
    }

    /// Cut and base as readers want them.
    fn listed(&mut self) {
        self.cut = self.tallies.iter().map(|t| (t.topic, t.partition, t.cut)).collect();
        self.base = self.tallies.iter().map(|t| (t.topic, t.partition, t.base)).collect();
    }
}

fn place_of(file: &LakeFile) -> impl Ord + '_ {
    (file.kind, file.topic, file.partition, file.date.as_str(), file.event_type, file.first)
}

/// A snapshot at rest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    format: u32,
    commit: u64,
    at_ms: i64,
    tallies: Vec<Tally>,
    files: Vec<LakeFile>,
    erased: ErasedUsers,
    pending: Vec<Erasure>,
}

impl From<&Snapshot> for Checkpoint {
    fn from(s: &Snapshot) -> Self {
        Checkpoint {
            format: FORMAT,
            commit: s.commit,
            at_ms: s.at_ms,
            tallies: s.tallies.clone(),
            files: s.files.clone(),
            erased: s.erased.clone(),
            pending: s.pending.clone(),
        }
    }
}

impl Checkpoint {
    /// # Errors
    /// If it is of another format or another commit than its name says.
    pub fn open(self, commit: u64) -> Result<Snapshot, String> {
        if self.format != FORMAT {
            return Err(format!("it has format {}, expected {FORMAT}", self.format));
        }
        if self.commit != commit {
            return Err(format!("it says that it is commit {}, expected {commit}", self.commit));
        }
        let Checkpoint { format: _, commit, at_ms, tallies, files, erased, pending } = self;
        let mut snapshot = Snapshot { commit, at_ms, tallies, files, erased, pending, ..Snapshot::default() };
        snapshot.listed();
        Ok(snapshot)
    }
}
