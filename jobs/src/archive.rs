//! The archive job: one round brings the lake up to the log and keeps it tidy. It may be killed at any moment and begun again;
//! several may run.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shoptide_config::LakeConfig;
use shoptide_lake::{ArchiveLimits, Archiver, CompactLimits, FileMax, Lake, LakeError, date_name};
use shoptide_live::LiveError;
use shoptide_log::{Clock, Log};
use shoptide_schemas::EventMs;
use shoptide_schemas::time::DAY_MS;
use shoptide_store::Truth;

use crate::schedule::Progress;

/// Rows of one partition that are sorted at a time: beyond this only memory grows.
const PORTION_ROWS: usize = 262_144;
/// Days are over for merges once nothing more is expected of them: events come late by a day now and then.
const CLOSED_AFTER_MS: i64 = 2 * DAY_MS;

/// What a round works on.
#[derive(Clone)]
pub struct ArchiveContext {
    pub lake: Lake,
    pub log: Arc<dyn Log>,
    /// Where the generation of topics is known, if the log has several.
    pub truth: Option<Arc<dyn Truth>>,
    pub clock: Clock,
    pub config: LakeConfig,
    /// Whether files that nothing names are looked for too: that lists the whole lake.
    pub sweep: bool,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ArchiveOutcome {
    /// Of the log.
    pub records: u64,
    /// In files; fewer by those of erased users.
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub commits: u64,
    /// Steps that another archiver won.
    pub conflicts: u64,
    /// Small files that became `merged_into`.
    pub merged: u64,
    pub merged_into: u64,
    /// Copies of `user_erased` whose users' older rows are gone, and these rows.
    pub erasures: u64,
    pub erased_rows: u64,
    /// Files of days beyond the retention.
    pub retired_files: u64,
    /// Files that nothing named.
    pub swept_files: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Live(#[from] LiveError),
}

impl ArchiveError {
    /// Whether the same round may succeed later.
    pub fn passes(&self) -> bool {
        match self {
            ArchiveError::Lake(error) => error.passes(),
            ArchiveError::Live(_) => true,
        }
    }
}

/// One round: everything that is new in the log, then what the lake itself needs.
///
/// # Errors
/// [`ArchiveError`]; what was published before it stays, nothing is half published.
pub async fn archive_once(
    context: &ArchiveContext,
    progress: &Progress,
) -> Result<ArchiveOutcome, ArchiveError> {
    let ArchiveContext { lake, log, truth, clock, config, sweep } = context;
    if let Some(truth) = truth {
        shoptide_live::stand(&**truth, &**log).await?;
    }
    let limits = ArchiveLimits {
        portion_rows: PORTION_ROWS.min(usize::try_from(config.step_records_max).unwrap_or(PORTION_ROWS)),
        portion_bytes: config.sorted_bytes_max,
        step_records: config.step_records_max,
        file_rows: config.file_rows_max,
        file_bytes: config.file_bytes_max,
    };
    let archiver = Archiver { lake: lake.clone(), log: Arc::clone(log), clock: Arc::clone(clock), limits };
    progress.begin("archiving", 0);
    let done = archiver.run_with(&|read, all| progress.set(read, all)).await?;
    let mut outcome = ArchiveOutcome {
        records: done.records,
        rows: done.rows,
        files: done.files,
        bytes: done.bytes,
        commits: done.commits,
        conflicts: done.conflicts,
        ..ArchiveOutcome::default()
    };
    progress.begin("keeping the lake tidy", 0);
    let max = FileMax { rows: config.file_rows_max, bytes: config.file_bytes_max };
    let now_ms = clock();
    if let Some(settled) = unless_beaten(lake.settle(&**log, max, now_ms).await)? {
        (outcome.erasures, outcome.erased_rows) = (settled.erasures, settled.rows);
    }
    if 0 < config.retention_days {
        let retired = unless_beaten(lake.retire(config.retention_days, now_ms).await)?;
        outcome.retired_files = retired.unwrap_or_default();
    }
    let compact = CompactLimits {
        small_bytes: config.compact_below_bytes,
        files_min: config.compact_files_min,
        file_rows: config.file_rows_max,
        file_bytes: config.file_bytes_max,
    };
    let closed = date_name(EventMs(now_ms.saturating_sub(CLOSED_AFTER_MS)).day());
    if let Some(compacted) = unless_beaten(lake.compact(&compact, &closed, now_ms).await)? {
        (outcome.merged, outcome.merged_into) = (compacted.files_before, compacted.files_after);
    }
    if *sweep {
        outcome.swept_files = lake.sweep(config.grace, now_ms).await?.files;
    }
    Ok(outcome)
}

/// Another process was at the same work; it is looked at again in the next round.
fn unless_beaten<T>(done: Result<T, LakeError>) -> Result<Option<T>, LakeError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(LakeError::Conflict { commit, reason }) => {
            tracing::info!(commit, reason, "another archiver was first; left to the next round");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// How long a follower waits after the `failures`th failure in a row: as between rounds, or less while that is long.
pub fn pause_after(failures: u32, every: Duration) -> Duration {
    every.min(Duration::from_secs(1 << failures.min(6)))
}

impl ArchiveOutcome {
    /// Whether anything was done.
    pub fn is_nothing(&self) -> bool {
        *self == ArchiveOutcome::default()
    }
}
