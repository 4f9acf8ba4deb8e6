//! Days beyond the retention are dropped, and files that nothing names are swept.

use std::collections::HashSet;
use std::path::Path as FsPath;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{EventMs, Topic};

use crate::LakeError;
use crate::archive::lost_task;
use crate::commit::{Change, Lost, Work};
use crate::file::{FileKind, LakeFile, date_name};
use crate::lake::{CHECKPOINT_EVERY, Lake, checkpoint_path, numbers};
use crate::pace::STEP_MAX;
use crate::snapshot::Snapshot;

/// The newest checkpoints, of which one must be readable; older ones stay only each [`CHECKPOINT_SPARSE`] commits.
const CHECKPOINTS_KEPT: usize = 8;
/// So many commits are read at most to see the lake as it was long ago.
const CHECKPOINT_SPARSE: u64 = 64 * CHECKPOINT_EVERY;
/// A writer that was slow may still publish what it put this long ago; a grace period is at least twice that.
pub const GRACE_MIN: Duration = Duration::from_secs(2 * STEP_MAX.as_secs());

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Replaced longer ago than the grace period, or left by a writer that was killed.
    pub files: u64,
    pub bytes: u64,
}

/// Files whose day is over: events by the day of `occurred_at`, records by their append. The catalogue's records are kept for
/// ever, as its topic is. Pure.
fn expired(file: &LakeFile, now_ms: i64, days: u32) -> bool {
    let since = now_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS));
    match file.kind {
        FileKind::Events => file.date < date_name(EventMs(since).day()),
        FileKind::Records => file.topic != Topic::Catalogue && file.appended_max < since,
    }
}

impl Lake {
    /// Drops what happened more than `days` days before now or, if that is earlier, the newest append in the lake, in one commit;
    /// how many files that were.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] if another writer rewrote the same files: call again.
    pub async fn retire(&self, days: u32, now_ms: i64) -> Result<u64, LakeError> {
        let base = self.newest().await?;
        let mut change = Change::new(Work::Retire, &base);
        // A clock that has jumped ahead would take everything away, and the right time would bring nothing back.
        let newest_ms = base.files.iter().map(|file| file.appended_max).max().unwrap_or(now_ms);
        let now_ms = now_ms.min(newest_ms);
        for file in base.files.iter().filter(|file| expired(file, now_ms, days)) {
            let (topic, partition) = (file.topic, file.partition);
            change.removed.push(file.path.clone());
            change.lost.push(Lost { topic, partition, erased: 0, retired: file.rows });
        }
        if !change.is_empty() {
            self.publish(&change, now_ms).await?;
        }
        Ok(change.removed.len() as u64)
    }

    /// Deletes files that no commit of the grace period names and that are older than it.
    ///
    /// # Errors
    /// [`LakeError::Unusable`] for a grace below [`GRACE_MIN`]; what the store says. Nothing that is named is deleted.
    pub async fn sweep(&self, grace: Duration, now_ms: i64) -> Result<Swept, LakeError> {
        if grace < GRACE_MIN {
            let (found, least) = (grace.as_secs(), GRACE_MIN.as_secs());
            return Err(LakeError::Unusable(format!("a grace of {found} s, expected at least {least} s")));
        }
        let since = now_ms.saturating_sub(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX));
        // The list is older than the snapshot: what is put and published in between is in it and named, or not in it.
        let mut old = Vec::new();
        for folder in ["events", "records"] {
            let mut found = self.store().list(Some(&Path::from(folder)));
            while let Some(object) = found.try_next().await? {
                if object.last_modified.timestamp_millis() < since {
                    old.push((object.location, object.size));
                }
            }
        }
        let snapshot = self.newest().await?;
        let named = self.named_since(&snapshot, since).await?;
        let mut swept = Swept::default();
        for (path, bytes) in old.into_iter().filter(|(path, _)| !named.contains(path.as_ref())) {
            match self.store().delete(&path).await.map_err(LakeError::from) {
                Ok(()) | Err(LakeError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
            (swept.files, swept.bytes) = (swept.files + 1, swept.bytes + bytes);
        }
        self.thin_checkpoints().await?;
        if let Some(folder) = self.folder().map(FsPath::to_owned) {
            let until = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since).unwrap_or(0));
            let staged = tokio::task::spawn_blocking(move || sweep_staged(&folder, until));
            staged.await.map_err(lost_task)?;
        }
        Ok(swept)
    }

    /// The paths that the lake names now, or has named within the grace period.
    async fn named_since(&self, snapshot: &Snapshot, since_ms: i64) -> Result<HashSet<String>, LakeError> {
        let mut named: HashSet<String> = snapshot.files.iter().map(|f| f.path.clone()).collect();
        for number in (1..=snapshot.commit).rev() {
            let commit = self.commit(number).await?;
            if commit.at_ms < since_ms {
                break;
            }
            named.extend(commit.change.removed);
        }
        Ok(named)
    }

    async fn thin_checkpoints(&self) -> Result<(), LakeError> {
        let checkpoints = numbers(&self.store(), "checkpoints", 0).await?;
        let old = checkpoints.len().saturating_sub(CHECKPOINTS_KEPT);
        for number in checkpoints.into_iter().take(old).filter(|n| !n.is_multiple_of(CHECKPOINT_SPARSE)) {
            self.store().delete(&Path::from(checkpoint_path(number))).await?;
        }
        Ok(())
    }
}

/// What a killed process had not finished writing: it lies beside the file, under its name and `#` and a number, and is not
/// listed.
fn sweep_staged(folder: &FsPath, until: SystemTime) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        let is_staged = entry
            .file_name()
            .to_string_lossy()
            .rsplit_once('#')
            .is_some_and(|(_, n)| n.parse::<u32>().is_ok());
        if about.is_dir() {
            sweep_staged(&path, until);
        } else if is_staged
            && about.modified().is_ok_and(|at| at < until)
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, "a half written file of the lake could not be removed");
        }
    }
}
