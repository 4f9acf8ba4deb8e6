//! What was trained, by name: versions that are or were served, candidates that were not. And the two ways to change what is
//! served without training: a candidate is promoted, or an older version comes back.
//!
//! Both publish the content under the next number, as a full version. The pointer never goes down: streams take only newer
//! versions, lists are made anew where they name an older one, copies on other machines go by number. A pointer that went back
//! would be seen by none of them; a number that rises is a publish like any other, and is seen by all.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_live::{LiveError, load_candidate, load_version};
use shoptide_models::snapshot::{Kind, Lineage, Snapshot};
use shoptide_store::{CandidateRow, FoldedTable, ModelRow, StoreError, Truth};

use super::TrainError;
use super::publish::{Shelf, publish, tombstones_of};
use super::report::{Origin, Report, Verdict};

/// Versions of a trainer that runs which may come first, one after the other, before a publish is given up: it makes one in some
/// seconds at most, a publish takes far less.
pub(super) const RENUMBER_MAX: u32 = 8;

/// The name of a version (`12`) or of a candidate (`c3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Version(u64),
    Candidate(u64),
}

/// A text that names neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no model: expected a version such as \"12\", or a candidate such as \"c3\"")]
pub struct NameError(String);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Version(version) => write!(f, "{version}"),
            Name::Candidate(number) => write!(f, "c{number}"),
        }
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|n| plain && *n != 0).ok_or_else(|| NameError(text.to_owned()))
        };
        match text.strip_prefix('c') {
            Some(digits) => number(digits).map(Name::Candidate),
            None => number(text).map(Name::Version),
        }
    }
}

/// What a version or candidate is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Served,
    /// What is served is built on it.
    Base,
    /// Was served.
    Retired,
    /// Waits for somebody to promote it.
    Candidate,
    /// Worse than what was served, by the gate.
    Refused,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Served => "served",
            Status::Base => "base",
            Status::Retired => "retired",
            Status::Candidate => "candidate",
            Status::Refused => "refused",
        }
    }
}

/// All that is known of a version or candidate without its file.
#[derive(Debug, Clone)]
pub struct Standing {
    pub name: Name,
    pub status: Status,
    /// `full` or `delta`.
    pub kind: String,
    pub parent: Option<u64>,
    pub created_ms: i64,
    pub bytes: u64,
    pub lineage: Lineage,
    pub report: Report,
}

/// Why what is served stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error("there is no model {0}; `shoptide models list` names those that there are")]
    Unknown(Name),
    #[error("candidate c{candidate} is not promoted: {}; --force promotes it all the same", why.join("; "))]
    Refused { candidate: u64, why: Vec<String> },
    #[error("model {0} knows users who were erased since, it can never be served again")]
    Erased(Name),
    #[error("model {0} is what is served")]
    Served(Name),
    #[error("there is no older version to roll back to; train.fulls_kept_min says how many are kept")]
    NothingBefore,
    #[error(transparent)]
    Train(#[from] TrainError),
}

impl From<StoreError> for VersionError {
    fn from(error: StoreError) -> Self {
        TrainError::from(error).into()
    }
}

impl From<LiveError> for VersionError {
    fn from(error: LiveError) -> Self {
        TrainError::from(error).into()
    }
}

/// All of them: versions in order, then candidates.
///
/// # Errors
/// [`StoreError`].
pub async fn list(truth: &dyn Truth) -> Result<Vec<Standing>, StoreError> {
    let (rows, served) = (truth.models().await?, truth.model_pointer().await?);
    let (_, candidates) = truth.candidates().await?;
    let root = root_of(&rows, served).map(|row| row.version);
    let lineage = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_default();
    let version = |row: &ModelRow| Standing {
        name: Name::Version(row.version),
        status: match Some(row.version) {
            version if version == served => Status::Served,
            version if root <= version && version < served => Status::Base,
            _ => Status::Retired,
        },
        kind: row.kind.clone(),
        parent: row.parent,
        created_ms: row.created_ms,
        bytes: row.bytes,
        lineage: lineage(&row.lineage),
        report: Report::read(&row.report),
    };
    let candidate = |row: &CandidateRow| {
        let report = Report::read(&row.report);
        Standing {
            name: Name::Candidate(row.number),
            status: if refused(&report) { Status::Refused } else { Status::Candidate },
            kind: "full".to_owned(),
            parent: row.parent,
            created_ms: row.created_ms,
            bytes: row.bytes,
            lineage: lineage(&row.lineage),
            report,
        }
    };
    Ok(rows.iter().map(version).chain(candidates.iter().map(candidate)).collect())
}

fn refused(report: &Report) -> bool {
    report.gate.as_ref().is_some_and(|gate| gate.verdict == Verdict::Refused)
}

/// The full version that a version is built on, itself if it is one.
fn root_of(rows: &[ModelRow], version: Option<u64>) -> Option<&ModelRow> {
    let by_version: BTreeMap<u64, &ModelRow> = rows.iter().map(|row| (row.version, row)).collect();
    let mut row = *by_version.get(&version?)?;
    while row.kind == "delta" {
        row = by_version.get(&row.parent.filter(|parent| *parent < row.version)?)?;
    }
    Some(row)
}

/// The full version that what is served is built on, and what is said of it.
pub(super) async fn report_of(truth: &dyn Truth, served: Option<u64>) -> Result<(u64, Report), StoreError> {
    let rows = truth.models().await?;
    let root = root_of(&rows, served);
    Ok(root.map_or((0, Report::default()), |row| (row.version, Report::read(&row.report))))
}

/// What a version that is built on others is said of: the report of the full one.
pub fn told_of<'a>(all: &'a [Standing], one: &'a Standing) -> &'a Report {
    let mut at = one;
    while at.kind == "delta" {
        let parent = all.iter().find(|s| Some(s.name) == at.parent.map(Name::Version));
        match parent.filter(|p| p.name < at.name) {
            Some(parent) => at = parent,
            None => break,
        }
    }
    &at.report
}

/// Erasures in the truth.
async fn tombstones(truth: &dyn Truth) -> Result<u64, StoreError> {
    let mut found = 0;
    truth.dump(FoldedTable::Tombstones, &mut |_| found += 1).await?;
    Ok(found)
}

/// Publishes a candidate as the next version and returns it. `force`: against the gate; never against an erasure.
///
/// # Errors
/// [`VersionError`]; what is served stays then.
pub async fn promote(shelf: &Shelf, candidate: u64, force: bool) -> Result<Arc<Snapshot>, VersionError> {
    let name = Name::Candidate(candidate);
    let (_, rows) = shelf.truth.candidates().await?;
    let row = rows.iter().find(|row| row.number == candidate).ok_or(VersionError::Unknown(name))?;
    if tombstones_of(&row.lineage) != tombstones(&*shelf.truth).await? {
        return Err(VersionError::Erased(name));
    }
    let mut report = Report::read(&row.report);
    if refused(&report) && !force {
        return Err(VersionError::Refused { candidate, why: report.why });
    }
    let content = load_candidate(&*shelf.truth, &shelf.files, row).await?;
    let forced = refused(&report);
    report.origin = Origin::Promoted { candidate, forced };
    report.why.clear();
    let model = again(shelf, &content, row.parent, &report).await?;
    shelf.truth.forget_candidates(&[candidate]).await?;
    shelf.files.remove(&row.file);
    Ok(model)
}

/// Publishes an older version's content as the next version and returns it: version `to`, or the last one before the full
/// training that what is served is built on (where that is itself such a return, before what it returned to).
///
/// # Errors
/// [`VersionError`]; what is served stays then.
pub async fn rollback(shelf: &Shelf, to: Option<u64>) -> Result<Arc<Snapshot>, VersionError> {
    let (rows, served) = (shelf.truth.models().await?, shelf.truth.model_pointer().await?);
    let Some(served) = served else { return Err(VersionError::NothingBefore) };
    let row = match to {
        Some(version) if version == served => return Err(VersionError::Served(Name::Version(version))),
        Some(version) => rows.iter().find(|row| row.version == version && version < served),
        None => before(&rows, served),
    };
    let row = row.ok_or(match to {
        Some(version) => VersionError::Unknown(Name::Version(version)),
        None => VersionError::NothingBefore,
    })?;
    let name = Name::Version(row.version);
    if tombstones_of(&row.lineage) != tombstones(&*shelf.truth).await? {
        return Err(VersionError::Erased(name));
    }
    let content = load_version(&*shelf.truth, &shelf.files, row.version, None).await?;
    let of = root_of(&rows, Some(row.version)).map(|root| Report::read(&root.report)).unwrap_or_default();
    let report = Report { origin: Origin::RolledBack { to: row.version }, why: Vec::new(), ..of };
    again(shelf, &content, Some(row.version), &report).await
}

/// What was served before the chain of `served` began.
fn before(rows: &[ModelRow], served: u64) -> Option<&ModelRow> {
    let mut root = root_of(rows, Some(served))?;
    // A return is no version of its own to come back from: what it returned to is.
    while let Origin::RolledBack { to } = Report::read(&root.report).origin {
        root = root_of(rows, Some(to).filter(|to| *to < root.version))?;
    }
    rows.iter().rev().find(|row| row.version < root.version && root_of(rows, Some(row.version)).is_some())
}

/// Publishes content under the next number.
async fn again(
    shelf: &Shelf,
    content: &Snapshot,
    parent: Option<u64>,
    report: &Report,
) -> Result<Arc<Snapshot>, VersionError> {
    let mut tries = 0;
    loop {
        let version = shelf.truth.model_pointer().await?.unwrap_or(0).saturating_add(1);
        let mut parts = content.parts().clone();
        (parts.version, parts.parent, parts.kind) = (version, parent, Kind::Full);
        let model = Arc::new(Snapshot::new(parts).map_err(TrainError::from)?);
        match publish(shelf, &model, None, Some(report)).await {
            Ok(()) => return Ok(model),
            // A trainer that runs refreshed items meanwhile.
            Err(TrainError::Store(StoreError::Unusable(_))) if tries < RENUMBER_MAX => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [Name::Version(1), Name::Version(u64::MAX), Name::Candidate(7)] {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for text in ["", "c", "0", "c0", "+3", "c+3", " 3", "v3", "-1", "99999999999999999999", "3 "] {
            assert_eq!(text.parse::<Name>(), Err(NameError(text.to_owned())), "{text:?}");
        }
    }
}
