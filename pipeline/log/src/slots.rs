//! What a process knows of every topic-partition: where it begins and ends, and its newest records in memory.
//! Whoever appends or looks at the file tells the slots; whoever reads waits on them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{Topic, USER_TOPICS};
use tokio::sync::Notify;

use crate::{LogError, ReadMax, Record};

/// A record's share of memory beside its key and value: two `Bytes`, four numbers, two allocations.
const RECORD_OVERHEAD_BYTES: usize = 160;

/// Bounds of the newest records that one slot keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailMax {
    pub records: usize,
    pub bytes: usize,
}

/// All topic-partitions of one log, in order of topic code and partition.
pub(crate) struct Slots {
    partitions: u32,
    slots: Vec<Slot>,
    /// One a partition number; the catalogue's only partition shares that of partition 0.
    wake: Vec<Notify>,
    closed: AtomicBool,
    waiting: AtomicUsize,
    /// Told when somebody begins to wait, so that an idle log needs no polling.
    pub poll_wanted: Notify,
}

pub(crate) struct Slot {
    pub topic: Topic,
    pub partition: u32,
    first: AtomicI64,
    next: AtomicI64,
    tail: Mutex<Tail>,
    tail_max: TailMax,
}

#[derive(Default)]
struct Tail {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Slots {
    pub fn new(partitions: u32, tail_max: TailMax) -> Self {
        let slot = |topic, partition| Slot {
            topic,
            partition,
            first: AtomicI64::new(0),
            next: AtomicI64::new(0),
            tail: Mutex::default(),
            tail_max,
        };
        let slots =
            ALL_TOPICS.into_iter().flat_map(|t| (0..partitions_of(t, partitions)).map(move |p| slot(t, p)));
        Self {
            partitions,
            slots: slots.collect(),
            wake: (0..partitions.max(1)).map(|_| Notify::new()).collect(),
            closed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            poll_wanted: Notify::new(),
        }
    }

    pub fn count(partitions: u32) -> usize {
        USER_TOPICS.len() * partitions as usize + 1
    }

    pub fn partitions(&self, topic: Topic) -> u32 {
        partitions_of(topic, self.partitions)
    }

    pub fn index(&self, topic: Topic, partition: u32) -> Result<usize, LogError> {
        let count = self.partitions(topic);
        if partition < count {
            return Ok(usize::from(topic.code()) * self.partitions as usize + partition as usize);
        }
        Err(LogError::Unusable(format!("partition is {partition}, but {topic} has {count}, counted from 0")))
    }

    pub fn slot(&self, topic: Topic, partition: u32) -> Result<&Slot, LogError> {
        let index = self.index(topic, partition)?;
        self.slots
            .get(index)
            .ok_or_else(|| LogError::Unusable(format!("{topic} has no partition {partition}")))
    }

    pub fn at(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// Takes over what the log says of one slot, and wakes its readers if it grew.
    pub fn learn(&self, index: usize, first: i64, next: i64) {
        let Some(slot) = self.slots.get(index) else { return };
        slot.set_first(first);
        if slot.next.fetch_max(next, Ordering::AcqRel) < next {
            self.wake(slot.partition);
        }
    }

    /// Takes over durable records of one slot, in order; their reader is woken by the caller, once for all.
    pub fn appended(&self, index: usize, records: Vec<Record>) {
        let Some(slot) = self.slots.get(index) else { return };
        let Some(next) = records.last().map(|r| r.offset.saturating_add(1)) else { return };
        slot.push(records);
        slot.next.fetch_max(next, Ordering::AcqRel);
    }

    pub fn wake(&self, partition: u32) {
        if let Some(wake) = self.wake.get(partition as usize) {
            wake.notify_waiters();
        }
    }

    /// What to wait on for news of a partition number.
    pub fn news(&self, partition: u32) -> Result<&Notify, LogError> {
        self.wake.get(partition as usize).ok_or_else(|| {
            LogError::Unusable(format!(
                "shard is {partition}, but the log has {}, counted from 0",
                self.partitions
            ))
        })
    }

    /// Counts a waiter while the guard lives.
    pub fn wait(&self) -> Waiting<'_> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            self.poll_wanted.notify_one();
        }
        Waiting(self)
    }

    pub fn has_waiters(&self) -> bool {
        0 < self.waiting.load(Ordering::Acquire)
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for wake in &self.wake {
            wake.notify_waiters();
        }
        self.poll_wanted.notify_one();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn check_open(&self) -> Result<(), LogError> {
        if self.is_closed() { Err(closed()) } else { Ok(()) }
    }
}

impl Slot {
    pub fn first(&self) -> i64 {
        self.first.load(Ordering::Acquire)
    }

    pub fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }

    /// Moves the beginning forward and forgets what lies before it.
    pub fn set_first(&self, first: i64) {
        if self.first.fetch_max(first, Ordering::AcqRel) < first {
            let mut tail = self.tail();
            while tail.records.front().is_some_and(|r| r.offset < first) {
                tail.pop();
            }
        }
    }

    pub fn check_held(&self, from: i64) -> Result<(), LogError> {
        let first = self.first();
        if first <= from {
            return Ok(());
        }
        Err(LogError::Truncated { topic: self.topic, partition: self.partition, asked: from, first })
    }

    /// Records from memory; `None` if `from` lies outside it. `must` returns one record however large.
    pub fn tail_from(&self, from: i64, max: ReadMax, must: bool) -> Option<Vec<Record>> {
        let tail = self.tail();
        let front = tail.records.front()?.offset;
        let skip =
            usize::try_from(from.checked_sub(front)?).ok().filter(|skip| *skip < tail.records.len())?;
        let mut taken = Taken::new(max, must);
        for record in tail.records.range(skip..) {
            if !taken.has_room_for(record) {
                break;
            }
            taken.take(record.clone());
        }
        Some(taken.records)
    }

    fn push(&self, records: Vec<Record>) {
        let mut tail = self.tail();
        for record in records {
            // Another process wrote in between: memory must not look as if it had no gap.
            if tail.records.back().is_some_and(|last| last.offset.saturating_add(1) != record.offset) {
                *tail = Tail::default();
            }
            tail.bytes = tail.bytes.saturating_add(held_bytes(&record));
            tail.records.push_back(record);
            while self.tail_max.records < tail.records.len() || self.tail_max.bytes < tail.bytes {
                tail.pop();
            }
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    fn pop(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes = self.bytes.saturating_sub(held_bytes(&record));
        }
    }
}

/// Records taken so far, and what may still be.
pub(crate) struct Taken {
    pub records: Vec<Record>,
    left: ReadMax,
    must: bool,
}

impl Taken {
    pub fn new(left: ReadMax, must: bool) -> Self {
        Self { records: Vec::new(), left, must }
    }

    /// False once a bound is reached.
    pub fn has_room_for(&self, record: &Record) -> bool {
        let fits = 0 < self.left.records && record.bytes() <= self.left.bytes;
        let first_of_all = self.must && self.records.is_empty();
        fits || first_of_all
    }

    pub fn take(&mut self, record: Record) {
        self.left.records = self.left.records.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(record.bytes());
        self.records.push(record);
    }
}

/// Somebody waits for news.
pub(crate) struct Waiting<'a>(&'a Slots);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) fn closed() -> LogError {
    LogError::Unavailable { reason: "the log is closed".to_owned() }
}

/// An own copy: a slice of a request's body would keep the whole body in memory.
pub(crate) fn own_copy(bytes: &Option<Bytes>) -> Option<Bytes> {
    bytes.as_deref().map(Bytes::copy_from_slice)
}

fn partitions_of(topic: Topic, partitions: u32) -> u32 {
    if topic.is_user() { partitions } else { 1 }
}

fn held_bytes(record: &Record) -> usize {
    record.bytes().saturating_add(RECORD_OVERHEAD_BYTES)
}
