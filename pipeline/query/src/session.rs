//! A session of DataFusion that takes no more of the machine than it may.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::{SessionConfig, SessionContext};
use shoptide_config::SqlConfig;
use sysinfo::System;

use crate::error::QueryError;
use crate::functions::{self, IdsAsText, SegmentsHandle};

/// Consumers of memory that an error names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);
/// What a sort keeps free to merge what it has spilled: enough for one batch of each of some runs, and a small part of the
/// smallest bound that can be configured.
const SORT_RESERVED_BYTES: usize = 2 * 1024 * 1024;

/// Memory that each of the parts which run at a time must have. The merge of a sort takes what it finds and gives nothing back, so
/// that parts with less starve each other, and a query fails which would have gone through one after the other.
const PART_BYTES_MIN: usize = 64 * 1024 * 1024;

/// What queries take by default is one part of so many of the machine's memory: a stream process, a database and the cache of files
/// may live beside them.
const MEMORY_SHARE: u64 = 4;
/// The least that is taken by default.
const MEMORY_BYTES_MIN: u64 = 256 * 1024 * 1024;

fn memory_by_default() -> usize {
    let mut system = System::new();
    system.refresh_memory();
    let machine = system.total_memory();
    let allowed = system.cgroup_limits().map_or(machine, |group| group.total_memory.min(machine));
    usize::try_from((allowed / MEMORY_SHARE).max(MEMORY_BYTES_MIN)).unwrap_or(usize::MAX)
}

/// What a session may take of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Of all its queries together.
    pub memory_bytes: usize,
    /// On the disk; 0 is none.
    pub spill_bytes: u64,
    /// The system's folder for temporary files if none.
    pub spill_dir: Option<PathBuf>,
    /// As many as there are cores if none; fewer where each would have too little memory.
    pub threads: Option<usize>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { memory_bytes: memory_by_default(), spill_bytes: 20 << 30, spill_dir: None, threads: None }
    }
}

impl From<&SqlConfig> for SessionOptions {
    fn from(config: &SqlConfig) -> Self {
        Self {
            memory_bytes: config.memory_bytes.unwrap_or_else(memory_by_default),
            spill_bytes: config.spill_bytes,
            spill_dir: config.spill_dir.clone(),
            threads: config.threads,
        }
    }
}

/// An empty session with our functions: no tables yet.
///
/// # Errors
/// [`QueryError::Failed`] if the folder for what is spilled cannot be used.
pub fn session(options: &SessionOptions) -> Result<SessionContext, QueryError> {
    session_with(options, SegmentsHandle::default())
}

/// The same, with `segment` looking into a map of the caller's.
pub(crate) fn session_with(
    options: &SessionOptions,
    segments: SegmentsHandle,
) -> Result<SessionContext, QueryError> {
    let mode = match (options.spill_bytes, &options.spill_dir) {
        (0, _) => DiskManagerMode::Disabled,
        (_, Some(dir)) => DiskManagerMode::Directories(vec![dir.clone()]),
        (_, None) => DiskManagerMode::OsTmpDirectory,
    };
    let disk =
        DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(options.spill_bytes);
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), NAMED_CONSUMERS);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config(options))
        .with_runtime_env(runtime)
        .build();
    let context = SessionContext::new_with_state(state);
    let most = options.memory_bytes / context.copied_config().target_partitions();
    let known: Vec<_> = context.state().scalar_functions().values().cloned().collect();
    for function in functions::bounded(known, most) {
        context.register_udf(Arc::unwrap_or_clone(function));
    }
    for function in functions::with_segments(segments) {
        context.register_udf(Arc::unwrap_or_clone(function));
    }
    context.state_ref().write().register_function_rewrite(Arc::new(IdsAsText))?;
    Ok(context)
}

fn config(options: &SessionOptions) -> SessionConfig {
    let config = SessionConfig::new().with_information_schema(true);
    let threads = options.threads.unwrap_or(config.target_partitions());
    let mut config = config.with_target_partitions(threads.min(options.memory_bytes / PART_BYTES_MIN).max(1));
    let inside = config.options_mut();
    inside.execution.sort_spill_reservation_bytes = SORT_RESERVED_BYTES;
    config
}
