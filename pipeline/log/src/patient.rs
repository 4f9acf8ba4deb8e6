//! A log whose questions are asked again while it cannot be reached.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shoptide_schemas::Topic;
use tokio::time::Instant;

use crate::{Log, LogError, Membership, NewRecord, Position, Queue, ReadMax, Record, Watermarks};

/// Pauses between two tries, doubled from the first to the last.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// Tries until it works, or fails in a way that waiting does not mend, or no further try would begin within `patience`.
///
/// # Errors
/// That of the last try.
pub async fn patiently<T, E: Display, F: Future<Output = Result<T, E>>>(
    patience: Duration,
    passes: impl Fn(&E) -> bool,
    what: impl Fn() -> F,
) -> Result<T, E> {
    let (began, mut pause) = (Instant::now(), RETRY_FIRST);
    loop {
        match what().await {
            Err(error) if passes(&error) && began.elapsed() + pause < patience => {
                tracing::warn!(%error, "not there yet, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_LAST);
            }
            outcome => return outcome,
        }
    }
}

/// A log for work that would be lost if one question of thousands went unanswered: a proof, a replay, a training. While
/// the log is [`LogError::Unavailable`], what only asks is asked again, for `patience` a question. What changes the log is
/// done once: after a lost answer the records may be in it. Who serves requests or folds has his own ways to wait.
pub struct PatientLog {
    log: Arc<dyn Log>,
    patience: Duration,
    closed: AtomicBool,
}

impl PatientLog {
    pub fn new(log: Arc<dyn Log>, patience: Duration) -> Self {
        Self { log, patience, closed: AtomicBool::new(false) }
    }

    async fn asked<T, F: Future<Output = Result<T, LogError>>>(
        &self,
        question: impl Fn() -> F,
    ) -> Result<T, LogError> {
        // What was closed here does not come back.
        let passes = |error: &LogError| {
            matches!(error, LogError::Unavailable { .. }) && !self.closed.load(Ordering::Acquire)
        };
        patiently(self.patience, passes, question).await
    }
}

#[async_trait]
impl Log for PatientLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        self.log.append(records).await
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    fn partitions_at(&self, topic: Topic, offset: i64) -> u32 {
        self.log.partitions_at(topic, offset)
    }

    async fn stand_in(&self, generation: u32) -> Result<(), LogError> {
        self.asked(|| self.log.stand_in(generation)).await
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.asked(|| self.log.watermarks(topic, partition)).await
    }

    async fn watermarks_at(&self, topic: Topic, partition: u32, offset: i64) -> Result<Watermarks, LogError> {
        self.asked(|| self.log.watermarks_at(topic, partition, offset)).await
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        self.asked(|| self.log.read(topic, partition, from, max)).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.log.join().await
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        self.log.wait_beyond(topic, partition, next, within_ms).await
    }

    fn queue(&self) -> Queue {
        self.log.queue()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.log.close().await;
    }
}
