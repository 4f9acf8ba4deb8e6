//! Erased users' older rows are taken out of the files that hold them.
//!
//! The lake knows an erased user by a hash only, so files are found by where his rows can be: in the partition that his id hashes
//! to, and, under `known_user_id`, in any partition's identifications. Of these the id columns are read, and only files that
//! hold a row of his are rewritten. One pass serves all erasures that are pending.

use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use futures::TryStreamExt;
use shoptide_log::Log;
use shoptide_schemas::{EventType, Topic};

use crate::LakeError;
use crate::archive::shape;
use crate::commit::{Change, Lost, Work};
use crate::encode::FileMax;
use crate::erased::{ErasedUsers, UserHash, user_hash};
use crate::file::{FileKind, LakeFile};
use crate::lake::Lake;
use crate::pace::Pace;
use crate::portion::{names_erased, redact, unnamed};

/// Bytes rewritten for one commit: what a conflict makes to be done again.
const COMMIT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What taking out came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Copies of `user_erased` whose older rows are gone.
    pub erasures: u64,
    pub files_read: u64,
    pub files_rewritten: u64,
    pub rows: u64,
}

/// The pending erasures of one topic.
struct Wanted {
    users: HashSet<UserHash>,
    partitions: Vec<u32>,
}

impl Lake {
    /// Takes out the rows of all users whose erasure is pending. What was rewritten before a failure stays so.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] if another writer rewrote the same files: call again.
    pub async fn settle(&self, log: &dyn Log, max: FileMax, now_ms: i64) -> Result<Settled, LakeError> {
        let base = self.newest().await?;
        let mut sum = Settled::default();
        if base.pending.is_empty() {
            return Ok(sum);
        }
        let mut wanted: HashMap<Topic, Wanted> = HashMap::new();
        for erasure in &base.pending {
            let of = wanted
                .entry(erasure.topic)
                .or_insert_with(|| Wanted { users: HashSet::new(), partitions: Vec::new() });
            of.users.insert(erasure.user);
            of.partitions.push(erasure.partition);
        }
        let mut change = Change::new(Work::Erase, &base);
        let (mut bytes, mut pace) = (0, Pace::new(now_ms));
        for file in &base.files {
            // Before each file that is only read, too: what was put waits.
            if COMMIT_BYTES_MAX <= bytes || (!change.is_empty() && pace.is_long()) {
                pace.in_time()?;
                self.publish(&change, pace.now_ms()).await?;
                (change, bytes) = (Change::new(Work::Erase, &base), 0);
            }
            let Some(wanted) = wanted.get(&file.topic).filter(|w| w.may_lie_in(file, log)) else { continue };
            sum.files_read += 1;
            if !self.holds(file, wanted).await? {
                continue;
            }
            if change.is_empty() {
                pace.step();
            }
            let made = self.without(file, &base.erased, max).await?;
            let erased = file.rows - made.iter().map(|f| f.rows).sum::<u64>();
            if 0 < erased {
                let (topic, partition) = (file.topic, file.partition);
                change.lost.push(Lost { topic, partition, erased, retired: 0 });
            }
            change.added.extend(made);
            change.removed.push(file.path.clone());
            (sum.files_rewritten, sum.rows) = (sum.files_rewritten + 1, sum.rows + erased);
            bytes += file.bytes;
        }
        if !change.is_empty() {
            pace.in_time()?;
        }
        sum.erasures = base.pending.len() as u64;
        change.settled.clone_from(&base.pending);
        self.publish(&change, pace.now_ms()).await?;
        Ok(sum)
    }

    /// Whether a file holds a row of one of these users.
    async fn holds(&self, file: &LakeFile, wanted: &Wanted) -> Result<bool, LakeError> {
        let columns: &[&str] = match file.kind {
            FileKind::Events => &["user_id", "known_user_id"],
            FileKind::Records => &["key"],
        };
        let mut batches = self.read(file, Some(columns)).await?;
        while let Some(batch) = batches.try_next().await? {
            for column in batch.columns() {
                let Some(ids) = column.as_binary_opt::<i32>() else { continue };
                if ids.iter().flatten().any(|id| wanted.users.contains(&user_hash(id))) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn without(
        &self,
        file: &LakeFile,
        erased: &ErasedUsers,
        max: FileMax,
    ) -> Result<Vec<LakeFile>, LakeError> {
        let keep = |batch: RecordBatch| match file.kind {
            FileKind::Events => {
                let batch = unnamed(&batch, file.topic, erased).map_err(shape)?.unwrap_or(batch);
                let kept: BooleanArray = (0..batch.num_rows())
                    .map(|row| Some(!names_erased(&batch, row, file.topic, erased)))
                    .collect();
                filter_record_batch(&batch, &kept).map_err(shape)
            }
            FileKind::Records => Ok(redact(&batch, file.topic, erased).map_err(shape)?.unwrap_or(batch)),
        };
        self.rewrite(&[file], max, &keep).await
    }
}

impl Wanted {
    /// A file without any chance of a row is not read. Partitions of a generation are a multiple of those before, so a user of
    /// partition `p` lies in `p` modulo their number.
    fn may_lie_in(&self, file: &LakeFile, log: &dyn Log) -> bool {
        let of_others = [EventType::Identify, EventType::PartAbsorbed];
        if file.kind == FileKind::Records || file.event_type.is_some_and(|t| of_others.contains(&t)) {
            return true;
        }
        let count = log.partitions_at(file.topic, file.first).max(1);
        self.partitions.iter().any(|partition| partition % count == file.partition)
    }
}
