//! A log that cannot be reached for a while, behind one that asks again. Time is the test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shoptide_log::{
    Log, LogError, Membership, MemoryLog, MemoryLogOptions, NewRecord, PatientLog, Position, ReadMax, Record,
    Watermarks,
};
use shoptide_schemas::Topic;
use tokio::time::Instant;

const TOPIC: Topic = Topic::Browse;
const PATIENCE: Duration = Duration::from_secs(60);
/// What a question to a broker that is gone takes.
const UNANSWERED: Duration = Duration::from_secs(5);
const ALL: ReadMax = ReadMax { records: 100, bytes: usize::MAX };

/// Answers nothing for the first `away` questions.
struct Away {
    log: Arc<MemoryLog>,
    away: AtomicUsize,
    asked: AtomicUsize,
}

impl Away {
    async fn answers(&self) -> Result<(), LogError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let left = self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            return Ok(());
        }
        tokio::time::sleep(UNANSWERED).await;
        Err(LogError::Unavailable { reason: "nobody answers".to_owned() })
    }

    /// Does not answer for so many questions from now on.
    fn goes(&self, away: usize) {
        self.away.store(away, Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Log for Away {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        self.answers().await?;
        self.log.append(records).await
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    // Not what the trait does by itself, so that it shows whether this one was asked.
    fn partitions_at(&self, _: Topic, offset: i64) -> u32 {
        u32::try_from(offset).unwrap()
    }

    async fn stand_in(&self, generation: u32) -> Result<(), LogError> {
        self.answers().await?;
        Err(LogError::Unusable(format!("no generation {generation} here")))
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.answers().await?;
        self.log.watermarks(topic, partition).await
    }

    async fn watermarks_at(&self, _: Topic, _: u32, offset: i64) -> Result<Watermarks, LogError> {
        self.answers().await?;
        Ok(Watermarks { first: offset, next: offset })
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        self.answers().await?;
        self.log.read(topic, partition, from, max).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.answers().await?;
        self.log.join().await
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        self.log.wait_beyond(topic, partition, next, within_ms).await
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

fn record() -> Vec<NewRecord> {
    vec![NewRecord { topic: TOPIC, key: Bytes::from_static(b"u"), value: Bytes::from_static(b"{}") }]
}

/// A log with two records, and the patient one before it.
async fn two() -> (Arc<Away>, PatientLog) {
    let log =
        MemoryLog::new(MemoryLogOptions { partitions: 1, clock: Arc::new(|| 7), queue_records_max: 10 });
    log.append([record(), record()].concat()).await.unwrap();
    let away = Arc::new(Away { log, away: AtomicUsize::new(0), asked: AtomicUsize::new(0) });
    (Arc::clone(&away), PatientLog::new(away, PATIENCE))
}

#[tokio::test(start_paused = true)]
async fn what_only_asks_is_asked_again() {
    let (away, patient) = two().await;
    away.goes(4);
    assert_eq!(patient.read(TOPIC, 0, 0, ALL).await.unwrap().len(), 2);
    assert_eq!(away.asked(), 5);
    away.goes(4);
    assert_eq!(patient.watermarks(TOPIC, 0).await.unwrap().next, 2);
    assert_eq!(away.asked(), 5);
    away.goes(4);
    assert_eq!(patient.watermarks_at(TOPIC, 0, 40).await.unwrap().next, 40);
    assert_eq!(away.asked(), 5);
    away.goes(4);
    let other = patient.stand_in(3).await.unwrap_err();
    assert_eq!((other.to_string().as_str(), away.asked()), ("no generation 3 here", 5));
    assert_eq!((patient.partitions(TOPIC), patient.partitions_at(TOPIC, 40)), (1, 40));
    assert!(patient.wait_beyond(TOPIC, 0, 1, 0).await);
    assert_eq!(patient.queue().max, away.queue().max);
}

#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let (away, patient) = two().await;
    away.goes(usize::MAX);
    let began = Instant::now();
    let error = patient.read(TOPIC, 0, 0, ALL).await.unwrap_err();
    assert!(matches!(&error, LogError::Unavailable { reason } if reason == "nobody answers"), "{error}");
    // The last question began within the patience, and none more would have.
    let took = began.elapsed();
    assert!(PATIENCE - UNANSWERED <= took && took <= PATIENCE + UNANSWERED, "{took:?}");
    assert!((5..20).contains(&away.asked()), "{} questions", away.asked());
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_mend_is_said_at_once() {
    let (away, patient) = two().await;
    away.log.truncate_below(TOPIC, 0, 1).await.unwrap();
    away.goes(0);
    let error = patient.read(TOPIC, 0, 0, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::Truncated { asked: 0, first: 1, .. }), "{error}");
    assert!(matches!(patient.watermarks(TOPIC, 9).await, Err(LogError::Unusable(_))));
    assert_eq!(away.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_changes_the_log_is_done_once() {
    let (away, patient) = two().await;
    away.goes(1);
    assert!(matches!(patient.append(record()).await, Err(LogError::Unavailable { .. })));
    assert_eq!(away.asked(), 1);
    away.goes(1);
    assert!(matches!(patient.join().await, Err(LogError::Unavailable { .. })));
    assert_eq!(away.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_log_is_not_waited_for() {
    let (away, patient) = two().await;
    away.goes(usize::MAX);
    patient.close().await;
    assert!(matches!(patient.read(TOPIC, 0, 0, ALL).await, Err(LogError::Unavailable { .. })));
    assert_eq!(away.asked(), 1);
}
