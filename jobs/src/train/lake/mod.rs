//! What the truth would say at a cut, read from the event lake and the end of the log: the same fold over the same records in the
//! same order, topic by topic, so that a model trained from it has the same bytes as one trained from the truth.
//!
//! The lake's files are merged by offset, partition by partition, as many at a time as there are threads. Of a record only the
//! columns are read that its type needs; of a folded part only what training asks for is kept.

mod fold;
mod row;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use shoptide_lake::{FileKind, Lake, LakeError, LakeFile, Snapshot};
use shoptide_log::{Log, first_offset, generation_of};
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{OffsetRow, PartRow};

use self::fold::Group;
use super::tables::Cut;
use super::{TrainContext, TrainError};
use crate::schedule::Progress;

/// The folded parts at a cut.
pub struct FoldedLake {
    /// The commit of the lake that was read.
    pub commit: u64,
    pub(super) cut: Cut,
    /// In order of shard, user, topic, as the truth's walk has them.
    pub(super) rows: Vec<PartRow>,
    /// Records folded, of the lake and of the log.
    pub records: u64,
    /// Of them, those that the lake did not have yet.
    pub tail: u64,
}

/// One partition to read: its files, then the log.
pub(super) struct Span {
    pub topic: Topic,
    pub partition: u32,
    /// In order of their first offset.
    pub files: Vec<LakeFile>,
    /// Raw records of it.
    pub raw: Vec<LakeFile>,
    /// The lake's cut: the log is read from here.
    pub tail: i64,
    /// The recorded end.
    pub end: i64,
}

impl Span {
    /// Of the lake and of the log.
    fn records(&self) -> u64 {
        let of_log =
            if generation_of(self.tail) == generation_of(self.end) { self.end - self.tail } else { 0 };
        self.files.iter().map(|file| file.rows).sum::<u64>() + of_log.unsigned_abs()
    }
}

/// What all groups share.
pub(super) struct Common {
    pub lake: Lake,
    pub log: Arc<dyn Log>,
    pub snapshot: Snapshot,
    pub progress: Progress,
}

/// Folds the lake's newest commit and what the log has beyond it, up to where the log ends now.
///
/// # Errors
/// [`TrainError::Lake`]: a gap names its offsets.
pub async fn fold_lake(context: &TrainContext, lake: &Lake) -> Result<FoldedLake, TrainError> {
    let snapshot = lake.snapshot().await.map_err(TrainError::from)?;
    let offsets = context.truth.offsets().await?;
    let spans = spans(&*context.log, &snapshot, &offsets).await?;
    let mut cut: Cut = Vec::new();
    let mut groups: BTreeMap<(Topic, u32), Vec<Span>> = BTreeMap::new();
    for span in spans {
        let shards = context.log.partitions_at(span.topic, span.end);
        // Partitions of former generations end where the present ones go on.
        if span.partition < shards {
            cut.push((span.partition, span.topic, span.end));
        }
        // A user's partition in a larger generation is that of the smaller one modulo its size: groups share nobody.
        let first = context.log.partitions_at(span.topic, first_offset(1)).max(1);
        groups.entry((span.topic, span.partition % first)).or_default().push(span);
    }
    cut.sort_unstable();
    let (commit, progress) = (snapshot.commit, context.progress.clone());
    progress.begin("reading events", groups.values().flatten().map(Span::records).sum());
    let common = Arc::new(Common { lake: lake.clone(), log: context.log.clone(), snapshot, progress });
    let mut groups: Vec<Group> = groups.into_values().map(|spans| Group { spans }).collect();
    // The largest first, so that no thread begins with it last.
    groups.sort_by_key(|group| std::cmp::Reverse(group.weight()));
    let runtime = tokio::runtime::Handle::current();
    let folded = context
        .workers
        .run(move || {
            let fold = |group: Group| runtime.block_on(group.fold(&common));
            groups.into_par_iter().with_max_len(1).map(fold).collect::<Result<Vec<_>, TrainError>>()
        })
        .await??;
    let (records, tail) = folded.iter().fold((0, 0), |sum, part| (sum.0 + part.records, sum.1 + part.tail));
    let mut rows: Vec<PartRow> = folded.into_iter().flat_map(|part| part.rows).collect();
    rows.par_sort_unstable_by(|a, b| (a.shard, &a.user, a.topic).cmp(&(b.shard, &b.user, b.topic)));
    Ok(FoldedLake { commit, cut, rows, records, tail })
}

impl FoldedLake {
    /// The parts, in order of shard, user, topic. Of each there is what training asks for: neither prices nor queries.
    pub fn parts(&self) -> &[PartRow] {
        &self.rows
    }
}

/// What is to be read of each partition of the user topics.
async fn spans(log: &dyn Log, snapshot: &Snapshot, offsets: &[OffsetRow]) -> Result<Vec<Span>, TrainError> {
    let mut spans = Vec::new();
    for topic in USER_TOPICS {
        let row = |shard: u32| offsets.iter().find(|o| o.topic == topic && o.shard == shard);
        let stands = offsets.iter().filter(|o| o.topic == topic).map(|o| o.next_off).max().unwrap_or(0);
        let partitions = log.partitions_at(topic, stands);
        for partition in 0..partitions {
            let marks = log.watermarks(topic, partition).await?;
            let base = row(partition).map_or(marks.first, |o| o.base_off);
            let tally = snapshot.tally(topic, partition);
            let begins = tally.map_or(base, |tally| tally.base);
            if base < begins {
                return Err(gap(topic, partition, base, begins));
            }
            let tail = tally.map_or(base, |tally| tally.cut);
            if marks.next < tail && generation_of(tail) == generation_of(marks.next) {
                let older = LakeError::Older { topic, partition, cut: tail, next: marks.next };
                return Err(older.into());
            }
            // In a generation that the lake has not seen the log begins later than where the lake stands, with nothing between.
            if tail < marks.first && generation_of(tail) == generation_of(marks.first) && tail < marks.next {
                return Err(gap(topic, partition, tail, marks.first));
            }
            let of = |kind: FileKind| {
                let mine = |f: &&LakeFile| f.kind == kind && f.topic == topic && f.partition == partition;
                let mut files: Vec<LakeFile> = snapshot.files.iter().filter(mine).cloned().collect();
                files.sort_by_key(|file| file.first);
                files
            };
            spans.push(Span {
                topic,
                partition,
                files: of(FileKind::Events),
                raw: of(FileKind::Records),
                tail,
                end: marks.next.max(tail),
            });
        }
    }
    Ok(spans)
}

fn gap(topic: Topic, partition: u32, cut: i64, first: i64) -> TrainError {
    LakeError::Gap { topic, partition, cut, first }.into()
}
