//! The log becomes the truth: each shard is one owner, one thread, one loop of read, fold, rank, commit, publish.

mod batch;
mod late;
mod lists;
mod options;
mod outbox;
mod publish;
mod rested;
mod shard;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_live::Live;
use shoptide_live::fold::Inspect;
use shoptide_log::{Log, LogError, Rebalance};
use shoptide_models::list::ListParams;
use shoptide_store::{Cache, StoreError, Truth};
use tokio::sync::{mpsc, watch};

use self::shard::Started;

pub use options::StreamOptions;

/// Milliseconds since 1970, for freshness only: nothing that is stored depends on it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// All that a stream process works with.
#[derive(Clone)]
pub struct StreamContext {
    pub log: Arc<dyn Log>,
    pub truth: Arc<dyn Truth>,
    pub cache: Arc<dyn Cache>,
    pub live: Arc<Live>,
    pub lists: Arc<ListParams>,
    /// Names the configuration in every list.
    pub rules_version: u64,
    pub options: StreamOptions,
    pub clock: Clock,
    /// Sees each event before it is folded; `None` outside tests.
    pub inspect: Option<Inspect>,
}

/// Why the stream, or one shard of it, stopped.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("shard {shard}: a stored user cannot be read: {reason}")]
    Damaged { shard: u32, reason: String },
    #[error("shard {shard}: its thread ended: {reason}")]
    Thread { shard: u32, reason: String },
    #[error(
        "shard {shard}: the store no longer stands where this owner left it, somebody else folded or its tail is lost"
    )]
    Moved { shard: u32 },
}

impl StreamError {
    /// Whether another owner had the shard meanwhile.
    fn was_taken(&self) -> bool {
        matches!(self, StreamError::Store(StoreError::Fenced { .. }) | StreamError::Moved { .. })
    }

    /// Whether the same step may succeed later. Taking a shard over again after an unknown outcome only raises its epoch
    /// once more.
    fn passes(&self) -> bool {
        matches!(
            self,
            StreamError::Store(StoreError::Unavailable { .. } | StoreError::Unknown { .. })
                | StreamError::Log(LogError::Unavailable { .. } | LogError::Overloaded { .. })
        )
    }
}

/// Shards that wait to be taken over again after a panic or a fence: as many as a topic may have partitions.
const SHARDS_FALLEN_MAX: usize = 256;

/// Joins the log and runs the shards it is given until `stop` turns true.
///
/// # Errors
/// [`StreamError`] if the log cannot be joined or its membership ends; a shard that panics, or that
/// another owner had meanwhile, is taken over again while it stays ours; one that fails is logged and stays down until the next assignment; the others run on, and readiness names it.
pub async fn run(context: StreamContext, mut stop: watch::Receiver<bool>) -> Result<(), StreamError> {
    let mut membership = context.log.join().await?;
    let mut shards: BTreeMap<u32, shard::Handle> = BTreeMap::new();
    let (fallen, mut fell) = mpsc::channel(SHARDS_FALLEN_MAX);
    let outcome = 'run: loop {
        let change = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break Ok(()),
            // One that panicked or was fenced is taken over again, if it is still ours.
            Some(number) = fell.recv() => Ok(Rebalance::Assigned(Vec::from_iter(shards.remove(&number).map(|_| number)))),
            change = membership.next() => change,
        };
        match change {
            Ok(Rebalance::Assigned(numbers)) => {
                let mut stands = None;
                for number in numbers {
                    match shard::start(
                        context.clone(),
                        &mut *membership,
                        number,
                        stop.clone(),
                        fallen.clone(),
                    )
                    .await
                    {
                        Ok(Started::Runs(handle)) => drop(shards.insert(number, handle)),
                        Ok(Started::Stands(error)) => stands = Some(error),
                        Ok(Started::Stopping) => break 'run Ok(()),
                        Err(error) => break 'run Err(error),
                    }
                }
                // A log that is older than the store in all our shards is the wrong one: refused like any other mistake. One that
                // was truncated keeps its shard waiting for a person, who is told by metrics and readiness.
                if let Some(error @ StreamError::Log(LogError::Unusable(_))) = stands
                    && shards.is_empty()
                {
                    break 'run Err(error);
                }
            }
            // Not drained: what is not committed is the next owner's, and the epoch fences the rest.
            Ok(Rebalance::Revoked(numbers)) => {
                for number in numbers {
                    if let Some(handle) = shards.remove(&number) {
                        handle.stop().await;
                    }
                    context.live.forget_shard(number);
                }
            }
            Ok(Rebalance::Closed) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    // All are told before any is waited for.
    shards.values().for_each(shard::Handle::tell);
    for (_, handle) in shards {
        handle.stop().await;
    }
    outcome
}
