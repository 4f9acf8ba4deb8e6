//! The log in memory, for tests and simulations: same traits, same behaviour, gone with the process.
//! It keeps every record; `stall` holds appends back, so that an overload can be staged without a clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{EventMs, Topic};
use tokio::sync::{Semaphore, watch};

use crate::embedded::{QUEUE_UNIT_BYTES, take_room};
use crate::reader::{Member, Source, read_slot, wait_beyond};
use crate::slots::{Slot, Slots, TailMax, closed};
use crate::{Clock, Log, LogError, Membership, NewRecord, Position, ReadMax, Record, Watermarks};

/// How to make a [`MemoryLog`].
#[derive(Clone)]
pub struct MemoryLogOptions {
    /// Partitions of each user topic, at least 1.
    pub partitions: u32,
    /// Append time. The log never lets it go backwards within a partition.
    pub clock: Clock,
    /// Records that may wait while the log is stalled.
    pub queue_records_max: usize,
}

/// The log in memory.
pub struct MemoryLog {
    core: Arc<Core>,
}

struct Core {
    slots: Slots,
    clock: Clock,
    queue: Arc<Semaphore>,
    queue_max: usize,
    /// Greatest append time of each slot; whoever holds it may append.
    last_ms: Mutex<Vec<i64>>,
    stalled: watch::Sender<bool>,
    owned: Arc<AtomicBool>,
}

impl MemoryLog {
    /// An empty log; at least one partition.
    pub fn new(options: MemoryLogOptions) -> Arc<Self> {
        let partitions = options.partitions.max(1);
        let queue_max = options.queue_records_max.clamp(1, Semaphore::MAX_PERMITS);
        let core = Core {
            slots: Slots::new(partitions, TailMax { records: usize::MAX, bytes: usize::MAX }),
            clock: options.clock,
            queue: Arc::new(Semaphore::new(queue_max)),
            queue_max,
            last_ms: Mutex::new(vec![0; Slots::count(partitions)]),
            stalled: watch::Sender::new(false),
            owned: Arc::default(),
        };
        Arc::new(Self { core: Arc::new(core) })
    }

    /// While stalled, appends wait in the bounded queue, as they do behind a slow disk.
    pub fn stall(&self, stalled: bool) {
        self.core.stalled.send_replace(stalled);
    }

    /// Appends one record as a foreign producer would: to any partition, with or without key and value.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub async fn append_foreign(
        &self,
        topic: Topic,
        partition: u32,
        key: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<Position, LogError> {
        let slot = self.core.slots.index(topic, partition)?;
        let placed = self.core.append(vec![(slot, key, value)]).await?;
        placed.first().copied().ok_or_else(closed)
    }

    /// Deletes the records of one partition below an offset, as retention does.
    ///
    /// # Errors
    /// [`LogError::Unusable`] if the partition ends before `first_off`.
    pub async fn truncate_below(&self, topic: Topic, partition: u32, first_off: i64) -> Result<(), LogError> {
        let slot = self.core.slots.slot(topic, partition)?;
        let next = slot.next();
        if next < first_off {
            let message =
                format!("{topic} partition {partition} ends at offset {next}, asked to begin at {first_off}");
            return Err(LogError::Unusable(message));
        }
        slot.set_first(first_off);
        Ok(())
    }
}

impl Core {
    async fn append(
        &self,
        records: Vec<(usize, Option<Bytes>, Option<Bytes>)>,
    ) -> Result<Vec<Position>, LogError> {
        self.slots.check_open()?;
        let bytes = |r: &(usize, Option<Bytes>, Option<Bytes>)| {
            r.1.as_ref().map_or(0, Bytes::len).saturating_add(r.2.as_ref().map_or(0, Bytes::len))
        };
        let units = records.iter().map(|r| bytes(r).div_ceil(QUEUE_UNIT_BYTES).max(1)).sum();
        let _room = take_room(&self.queue, self.queue_max, units)?;
        let mut stalled = self.stalled.subscribe();
        stalled.wait_for(|stalled| !stalled).await.map_err(|_| closed())?;
        let mut last_ms = self.last_ms.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that nothing comes after the close.
        self.slots.check_open()?;
        let now_ms = (self.clock)();
        let mut positions = Vec::with_capacity(records.len());
        for (index, key, value) in records {
            let (Some(slot), Some(last_ms)) = (self.slots.at(index), last_ms.get_mut(index)) else {
                return Err(LogError::Unusable(format!("the log has no slot {index}")));
            };
            *last_ms = (*last_ms).max(now_ms);
            let (topic, partition, offset) = (slot.topic, slot.partition, slot.next());
            let appended = EventMs(*last_ms);
            self.slots.appended(index, vec![Record { topic, partition, offset, appended, key, value }]);
            positions.push(Position { topic, partition, offset });
        }
        for position in &positions {
            self.slots.wake(position.partition);
        }
        Ok(positions)
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        let mut placed = Vec::with_capacity(records.len());
        for NewRecord { topic, key, value } in records {
            let partition = partition_of(&key, self.core.slots.partitions(topic));
            placed.push((self.core.slots.index(topic, partition)?, Some(key), Some(value)));
        }
        self.core.append(placed).await
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.core.slots.partitions(topic)
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.core.slots.check_open()?;
        let slot = self.core.slots.slot(topic, partition)?;
        Ok(Watermarks { first: slot.first(), next: slot.next() })
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        self.core.slots.check_open()?;
        let slot = self.core.slots.slot(topic, partition)?;
        let max = ReadMax { records: max.records.max(1), ..max };
        read_slot(&*self.core, slot, from, max, true).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.core.slots.check_open()?;
        if self.core.owned.swap(true, Ordering::AcqRel) {
            let message = "the shards have an owner already, who holds the lock of this log in memory";
            return Err(LogError::Unusable(message.to_owned()));
        }
        let owner = Ownership(Arc::clone(&self.core.owned));
        Ok(Box::new(Member::new(Arc::clone(&self.core), Arc::new(owner))))
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        wait_beyond(&*self.core, topic, partition, next, within_ms).await
    }

    async fn close(&self) {
        // What waits is appended first: all of the queue's room is free again once it is.
        self.stall(false);
        let all = u32::try_from(self.core.queue_max).unwrap_or(u32::MAX);
        let _flushed = self.core.queue.acquire_many(all).await.is_ok();
        let _no_append_now = self.core.last_ms.lock().unwrap_or_else(PoisonError::into_inner);
        self.core.slots.close();
    }
}

#[async_trait]
impl Source for Core {
    fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Memory holds everything from the first offset on, so what is missing was deleted in this moment.
    async fn older(
        &self,
        slot: &Slot,
        from: i64,
        _max: ReadMax,
        _must: bool,
    ) -> Result<Vec<Record>, LogError> {
        slot.check_held(from)?;
        let (topic, partition) = (slot.topic, slot.partition);
        Err(LogError::Unusable(format!("{topic} partition {partition} lacks offset {from}")))
    }

    async fn refresh(&self) -> Result<(), LogError> {
        Ok(())
    }
}

/// The in-memory stand-in of the owner's lock file.
struct Ownership(Arc<AtomicBool>);

impl Drop for Ownership {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
