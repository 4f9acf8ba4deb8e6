//! Small files of one place become larger ones, in one commit; readers of older snapshots keep the old files for the grace period.

use crate::LakeError;
use crate::commit::{Change, Work};
use crate::encode::FileMax;
use crate::file::LakeFile;
use crate::lake::Lake;
use crate::pace::Pace;
use crate::snapshot::Snapshot;

/// Files of one commit: what a conflict makes to be done again.
const COMMIT_FILES_MAX: usize = 1_024;
/// Bytes read for one commit, likewise.
const COMMIT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What is small, and how many of them are worth a merge.
#[derive(Debug, Clone, Copy)]
pub struct CompactLimits {
    /// A file below it is small.
    pub small_bytes: u64,
    /// Small files that lie side by side, before they are merged.
    pub files_min: usize,
    pub file_rows: usize,
    pub file_bytes: usize,
}

/// What a compaction came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    pub files_before: u64,
    pub files_after: u64,
    pub commits: u64,
}

/// The runs of files that become one each. Pure.
///
/// A run lies side by side in one place, so ranges stay apart. None of its files is half of it or more: a row is then rewritten
/// about as often as its file can double. Days before `closed` get no more rows as a rule, so two small files are enough there.
pub(crate) fn runs<'a>(
    snapshot: &'a Snapshot,
    limits: &CompactLimits,
    closed: &str,
) -> Vec<Vec<&'a LakeFile>> {
    let mut runs = Vec::new();
    let mut run: Vec<&LakeFile> = Vec::new();
    let mut done = |run: &mut Vec<&'a LakeFile>| {
        let mut rest = std::mem::take(run);
        let is_closed = rest.first().is_some_and(|f| !f.date.is_empty() && f.date.as_str() < closed);
        let files_min = if is_closed { 2 } else { limits.files_min.max(2) };
        let mut total: u64 = rest.iter().map(|f| f.bytes).sum();
        while let Some(first) = rest.first().filter(|f| !is_closed && total < 2 * f.bytes) {
            total -= first.bytes;
            rest.remove(0);
        }
        if files_min <= rest.len() {
            runs.push(rest);
        }
    };
    for file in &snapshot.files {
        let bytes: u64 = run.iter().map(|f| f.bytes).sum();
        let rows: u64 = run.iter().map(|f| f.rows).sum();
        let fits =
            bytes + file.bytes <= limits.file_bytes as u64 && rows + file.rows <= limits.file_rows as u64;
        let same = run.last().is_none_or(|last| last.place() == file.place());
        if !same || !fits || limits.small_bytes <= file.bytes {
            done(&mut run);
        }
        if file.bytes < limits.small_bytes {
            run.push(file);
        }
    }
    done(&mut run);
    runs
}

impl Lake {
    /// Merges small files until none are left that are worth it. `closed`: the day (`YYYY-MM-DD`) before which days are complete.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] if another writer rewrote the same files: nothing of this commit was published.
    pub async fn compact(
        &self,
        limits: &CompactLimits,
        closed: &str,
        now_ms: i64,
    ) -> Result<Compacted, LakeError> {
        let mut sum = Compacted::default();
        let base = self.newest().await?;
        let mut change = Change::new(Work::Compact, &base);
        let (mut bytes, mut pace) = (0, Pace::new(now_ms));
        let max = FileMax { rows: limits.file_rows.max(1), bytes: limits.file_bytes.saturating_mul(2) };
        let found = runs(&base, limits, closed);
        let last = found.len().saturating_sub(1);
        for (place, run) in found.iter().enumerate() {
            change.added.extend(self.rewrite(run, max, &Ok).await?);
            change.removed.extend(run.iter().map(|f| f.path.clone()));
            bytes += run.iter().map(|f| f.bytes).sum::<u64>();
            let full =
                COMMIT_FILES_MAX <= change.removed.len() || COMMIT_BYTES_MAX <= bytes || pace.is_long();
            if full || place == last {
                pace.in_time()?;
                self.publish(&change, pace.now_ms()).await?;
                sum.files_before += change.removed.len() as u64;
                sum.files_after += change.added.len() as u64;
                sum.commits += 1;
                change = Change::new(Work::Compact, &base);
                pace.step();
                bytes = 0;
            }
        }
        Ok(sum)
    }
}
