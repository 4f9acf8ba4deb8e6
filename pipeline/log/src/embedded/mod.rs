//! The embedded log: one SQLite file in WAL mode that several processes may append to and one may own.
//! One task writes in group commits, a few connections read, and the newest records stay in memory.

mod copy;
mod failure;
mod heads;
mod owner;
mod poller;
mod readers;
mod reads;
mod schema;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use shoptide_schemas::Topic;
use shoptide_schemas::partition::partition_of;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::reader::{Member, Source, read_slot, wait_beyond};
use crate::slots::{Slots, TailMax, closed};
use crate::{Clock, Log, LogError, Membership, NewRecord, Position, Queue, ReadMax, Record, Watermarks};
pub use copy::LogCopy;
use reads::Reads;
use writer::{Command, Job, Unplaced, Writer};

/// Beyond this a SQLite file is the wrong log: each partition costs memory here and a task in the stream.
const PARTITIONS_MAX: u32 = 1_024;
/// Beyond this a queue is a memory leak with a name: at 4 KiB a place, 4 GiB.
const QUEUE_RECORDS_MAX: usize = 1_000_000;
/// Beyond this a commit blocks every other process for seconds.
const GROUP_COMMIT_MAX: usize = 100_000;
/// A queued record counts once for each started unit of this size, so that the queue is bounded in bytes too.
pub(crate) const QUEUE_UNIT_BYTES: usize = 4 * 1024;
/// Newest records of all slots in memory, shared evenly: far more than a reader of 10,000 events/s lags behind.
const TAIL_BYTES_TOTAL_MAX: usize = 32 * 1024 * 1024;
/// Newest records of one slot in memory.
const TAIL_RECORDS_MAX: usize = 4_096;

/// How to open a [`SqliteLog`].
#[derive(Clone)]
pub struct SqliteLogOptions {
    /// The file; its directory must exist. Beside it lie `-wal`, `-shm` and `.owner`.
    pub path: PathBuf,
    /// Partitions of each user topic; fixed when the file is made.
    pub partitions: u32,
    /// Append time. The log never lets it go backwards within a partition.
    pub clock: Clock,
    /// Records that may wait for their commit, a large one counting once for each 4 KiB; beyond it appends are refused
    /// at once.
    pub queue_records_max: usize,
    /// Records of one transaction: more amortises the fsync, fewer answers sooner. An append is never split.
    /// Counted as in the queue.
    pub group_commit_max: usize,
    /// Off only where losing the last moments at a power cut is fine; a killed process loses nothing either way.
    pub fsync: bool,
}

impl SqliteLogOptions {
    /// The usual bounds: a queue of 20,000 records (at most 80 MiB), transactions of 2,000, durable.
    pub fn new(path: impl Into<PathBuf>, partitions: u32, clock: Clock) -> Self {
        Self {
            path: path.into(),
            partitions,
            clock,
            queue_records_max: 20_000,
            group_commit_max: 2_000,
            fsync: true,
        }
    }
}

/// The embedded, durable log.
pub struct SqliteLog {
    core: Arc<Core>,
}

/// What the log, its members and its readers share. When the last of them goes, the writer flushes and ends.
struct Core {
    slots: Arc<Slots>,
    reads: Reads,
    path: PathBuf,
    queue: Arc<Semaphore>,
    queue_max: usize,
    inbox: mpsc::Sender<Command>,
    /// Until closed.
    poller: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteLog {
    /// Opens the log, or makes it.
    ///
    /// # Errors
    /// [`LogError::Unusable`] for a file that is not ours, of a newer version, or with another partition count: nothing
    /// was changed. [`LogError::Unavailable`] if the file cannot be opened or stays locked.
    pub async fn open(options: SqliteLogOptions) -> Result<Arc<Self>, LogError> {
        for (name, value, max) in [
            ("partitions", options.partitions as usize, PARTITIONS_MAX as usize),
            ("queue_records_max", options.queue_records_max, QUEUE_RECORDS_MAX),
            ("group_commit_max", options.group_commit_max, GROUP_COMMIT_MAX),
        ] {
            if !(1..=max).contains(&value) {
                return Err(LogError::Unusable(format!("{name} is {value}, expected 1 to {max}")));
            }
        }
        // In a task of its own, as all work with the database: a cancelled caller must not cut a transaction.
        let opened = tokio::spawn(Self::open_here(options));
        opened.await.unwrap_or_else(|e| Err(failure::lost_task(&e)))
    }

    async fn open_here(options: SqliteLogOptions) -> Result<Arc<Self>, LogError> {
        schema::prepare(&options.path, options.partitions).await?;
        let tail_bytes = TAIL_BYTES_TOTAL_MAX / Slots::count(options.partitions);
        let tail_max = TailMax { records: TAIL_RECORDS_MAX, bytes: tail_bytes };
        let slots = Arc::new(Slots::new(options.partitions, tail_max));
        let (inbox, commands) = mpsc::channel(options.queue_records_max);
        let core = Core {
            slots: Arc::clone(&slots),
            reads: Reads::new(&options.path, Arc::clone(&slots)),
            path: options.path.clone(),
            queue: Arc::new(Semaphore::new(options.queue_records_max)),
            queue_max: options.queue_records_max,
            inbox,
            poller: Mutex::default(),
        };
        core.refresh().await?;
        let poller = poller::run(schema::reading(&options.path), Arc::clone(&slots));
        *core.poller.lock().await = Some(tokio::spawn(poller));
        tokio::spawn(Writer::new(&options, slots, commands).run());
        Ok(Arc::new(Self { core: Arc::new(core) }))
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
        let placed = self.core.append(vec![Unplaced { slot, key, value }]).await?;
        placed.first().copied().ok_or_else(closed)
    }

    /// Deletes the records of one partition below an offset, as retention does.
    ///
    /// # Errors
    /// [`LogError::Unusable`] if the partition ends before `first_off`.
    pub async fn truncate_below(&self, topic: Topic, partition: u32, first_off: i64) -> Result<(), LogError> {
        let slot = self.core.slots.index(topic, partition)?;
        self.core.ask(|answer| Command::Truncate { slot, first_off, answer }).await?
    }
}

impl Core {
    async fn append(&self, records: Vec<Unplaced>) -> Result<Vec<Position>, LogError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let room = take_room(&self.queue, self.queue_max, records.iter().map(Unplaced::units).sum())?;
        self.ask(|answer| Command::Append(Job { records, answer, room })).await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, LogError> {
        let (answer, answered) = oneshot::channel();
        self.inbox.try_send(command(answer)).map_err(|e| match e {
            // Each command in the channel holds at least one unit of the queue, or is a rare one of the house.
            mpsc::error::TrySendError::Full(_) => {
                LogError::Overloaded { waiting: self.queue_max, max: self.queue_max }
            }
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answered.await.map_err(|_| closed())
    }
}

/// Takes `units` of a queue's room, or says at once that there is none.
pub(crate) fn take_room(
    queue: &Arc<Semaphore>,
    max: usize,
    units: usize,
) -> Result<tokio::sync::OwnedSemaphorePermit, LogError> {
    if max < units {
        return Err(LogError::Unusable(format!(
            "one append needs {units} places of the log's queue, it has {max}"
        )));
    }
    let many = u32::try_from(units).unwrap_or(u32::MAX);
    Arc::clone(queue)
        .try_acquire_many_owned(many)
        .map_err(|_| LogError::Overloaded { waiting: max.saturating_sub(queue.available_permits()), max })
}

impl Drop for Core {
    fn drop(&mut self) {
        self.slots.close();
    }
}

#[async_trait]
impl Log for SqliteLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        let mut unplaced = Vec::with_capacity(records.len());
        for NewRecord { topic, key, value } in records {
            let partition = partition_of(&key, self.core.slots.partitions(topic));
            let slot = self.core.slots.index(topic, partition)?;
            unplaced.push(Unplaced { slot, key: Some(key), value: Some(value) });
        }
        self.core.append(unplaced).await
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.core.slots.partitions(topic)
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.core.slots.check_open()?;
        let slot = self.core.slots.slot(topic, partition)?;
        self.core.refresh().await?;
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
        if slot.next() <= from {
            self.core.refresh().await?;
        }
        let max = ReadMax { records: max.records.max(1), ..max };
        read_slot(&*self.core, slot, from, max, true).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.core.slots.check_open()?;
        let owner = owner::lock(&self.core.path)?;
        Ok(Box::new(Member::new(Arc::clone(&self.core), Arc::new(owner))))
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        wait_beyond(&*self.core, topic, partition, next, within_ms).await
    }

    fn queue(&self) -> Queue {
        let waiting = self.core.queue_max.saturating_sub(self.core.queue.available_permits());
        Queue { waiting, max: self.core.queue_max }
    }

    async fn close(&self) {
        // A second close finds the writer gone, which is what it wants.
        let _flushed = match self.core.inbox.reserve().await {
            Ok(room) => {
                let (answer, answered) = oneshot::channel();
                room.send(Command::Close { answer });
                answered.await.is_ok()
            }
            Err(_) => true,
        };
        self.core.slots.close();
        if let Some(poller) = self.core.poller.lock().await.take() {
            // So that nobody has the file open once this returns.
            let _panicked = poller.await.is_err();
        }
        self.core.reads.close().await;
    }
}

#[async_trait]
impl Source for Core {
    fn slots(&self) -> &Slots {
        &self.slots
    }

    async fn older(
        &self,
        slot: &crate::slots::Slot,
        from: i64,
        max: ReadMax,
        must: bool,
    ) -> Result<Vec<Record>, LogError> {
        self.reads.records(slot, from, max, must).await
    }

    async fn refresh(&self) -> Result<(), LogError> {
        self.reads.refresh().await
    }
}
