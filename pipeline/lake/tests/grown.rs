//! A log that has grown: a sealed generation of topics, and a larger one that goes on.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use common::*;
use shoptide_lake::{Archiver, Lake, LakeError, LakeOptions};
use shoptide_log::{
    Log, LogError, Membership, MemoryLog, NewRecord, Position, ReadMax, Record, Watermarks, first_offset,
    generation_of,
};
use shoptide_schemas::Topic;

/// Two logs as one: offsets of the second begin where its generation does.
struct Grown {
    old: Arc<MemoryLog>,
    new: Arc<MemoryLog>,
    stands: AtomicU32,
}

impl Grown {
    fn of(&self, topic: Topic, generation: u32) -> (&MemoryLog, i64) {
        match generation {
            2 if topic.is_user() => (&self.new, first_offset(2)),
            _ => (&self.old, 0),
        }
    }
}

#[async_trait]
impl Log for Grown {
    async fn append(&self, _: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        Err(LogError::Unusable("nobody appends here".to_owned()))
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.of(topic, self.stands.load(Ordering::SeqCst)).0.partitions(topic)
    }

    fn partitions_at(&self, topic: Topic, offset: i64) -> u32 {
        self.of(topic, generation_of(offset)).0.partitions(topic)
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        let (log, base) = self.of(topic, self.stands.load(Ordering::SeqCst));
        let marks = log.watermarks(topic, partition).await?;
        Ok(Watermarks { first: base + marks.first, next: base + marks.next })
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        let (log, base) = self.of(topic, generation_of(from));
        let moved = |mut record: Record| {
            record.offset += base;
            record
        };
        match log.read(topic, partition, from - base, max).await {
            Ok(records) => Ok(records.into_iter().map(moved).collect()),
            Err(LogError::Truncated { topic, partition, asked, first }) => {
                Err(LogError::Truncated { topic, partition, asked: asked + base, first: first + base })
            }
            Err(other) => Err(other),
        }
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        Err(LogError::Unusable("nobody joins here".to_owned()))
    }

    async fn wait_beyond(&self, _: Topic, _: u32, _: i64, _: u64) -> bool {
        false
    }

    async fn close(&self) {}
}

async fn grown(time: &Time) -> Arc<Grown> {
    let (old, new) = (memory_log(2, time), memory_log(4, time));
    fill(&*old, 0, 400, 30).await;
    fill(&*new, 400, 300, 30).await;
    Arc::new(Grown { old, new, stands: AtomicU32::new(1) })
}

fn over(lake: &Lake, log: &Arc<Grown>, time: &Time) -> Archiver {
    Archiver { lake: lake.clone(), log: log.clone(), clock: time.clock(), limits: small() }
}

#[tokio::test]
async fn a_sealed_generation_is_read_to_its_end_and_the_next_one_follows() {
    let time = Time::new();
    let log = grown(&time).await;
    // As the log grew between two rounds, and as a lake finds it that begins afterwards.
    let mut lakes = Vec::new();
    for begun_before in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
        if begun_before {
            log.stands.store(1, Ordering::SeqCst);
            assert_eq!(over(&lake, &log, &time).run().await.unwrap().records, 400);
        }
        log.stands.store(2, Ordering::SeqCst);
        over(&lake, &log, &time).run().await.unwrap();
        let snapshot = lake.snapshot().await.unwrap();
        for partition in 0..4 {
            let marks = log.watermarks(Topic::Browse, partition).await.unwrap();
            assert_eq!(snapshot.cut_of(Topic::Browse, partition), Some(marks.next));
        }
        // Half of the partitions begin with the generation that brought them.
        let base = |partition| snapshot.tally(Topic::Browse, partition).unwrap().base;
        assert_eq!([0, 1, 2, 3].map(base), [0, 0, first_offset(2), first_offset(2)]);
        let proof = lake.verify().await.unwrap();
        let catalogue = log.old.watermarks(Topic::Catalogue, 0).await.unwrap().next;
        // The second log's catalogue is not read: there is one for all generations.
        let skipped = log.new.watermarks(Topic::Catalogue, 0).await.unwrap().next;
        assert!(proof.ok && proof.rows == 700 - skipped.unsigned_abs() && 0 < catalogue, "{proof:?}");
        lakes.push(rows(&lake, &snapshot).await);
    }
    assert!(lakes[0] == lakes[1]);
}

#[tokio::test]
async fn a_generation_that_is_gone_before_it_was_archived_is_a_gap() {
    let time = Time::new();
    let log = grown(&time).await;
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    let end = log.old.watermarks(Topic::Browse, 0).await.unwrap().next;
    over(&lake, &log, &time).step().await.unwrap();
    log.stands.store(2, Ordering::SeqCst);
    // Emptied after it was read: no gap. Emptied before: one.
    let cut = lake.snapshot().await.unwrap().cut_of(Topic::Browse, 0).unwrap_or(0);
    log.old.truncate_below(Topic::Browse, 0, end).await.unwrap();
    let done = over(&lake, &log, &time).run().await;
    match cut < end {
        true => assert!(matches!(done, Err(LakeError::Gap { .. })), "{done:?}"),
        false => assert!(done.is_ok(), "{done:?}"),
    }
    log.new.truncate_below(Topic::Browse, 3, 1).await.unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let lake = Lake::open(&LakeOptions::local(fresh.path())).await.unwrap();
    over(&lake, &log, &time).run().await.unwrap();
    let base = lake.snapshot().await.unwrap().tally(Topic::Browse, 0).unwrap().base;
    assert_eq!(base, end, "a lake that begins later begins where the log does");
}
