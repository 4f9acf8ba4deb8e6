//! The log as one process meets it: in memory, behind a network; and its membership in the group.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use shoptide_log::{
    Batch, Log, LogError, Membership, MemoryLog, NewRecord, Position, ReadMax, Rebalance, Record,
    ShardReader, Watermarks,
};
use shoptide_schemas::Topic;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::group::Group;
use crate::world::{Service, World};

#[derive(Clone)]
pub struct SimLog {
    pub world: Arc<World>,
    pub log: Arc<MemoryLog>,
    pub group: Arc<Mutex<Group>>,
    pub process: u32,
}

fn away() -> LogError {
    LogError::Unavailable { reason: "an outage".to_owned() }
}

impl SimLog {
    async fn reached(&self) -> Result<(), LogError> {
        self.world.way(self.process).await;
        if self.world.is_away(Service::Log) {
            self.world.saw("log away");
            return Err(away());
        }
        Ok(())
    }
}

#[async_trait]
impl Log for SimLog {
    async fn append(&self, mut records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        self.world.way(self.process).await;
        let fails =
            self.world.is_away(Service::Log) || self.world.chaos() && self.world.dice(|d| d.chance(1.5));
        if fails {
            // As when an answer is lost: none of them, some, or all are in the log.
            let some = self.world.dice(|d| d.below(records.len() as u64 * 2 + 1)) as usize;
            records.truncate(some.saturating_sub(records.len()));
            self.world.saw("append failed");
        }
        if records.is_empty() {
            return Err(away());
        }
        let n = records.len();
        let placed = self.log.append(records).await?;
        self.world.note(self.process, || format!("appends {n}: {:?}", placed.last()));
        self.world.news.notify_waiters();
        self.world.alive(self.process).await;
        if fails {
            self.world.saw("append failed, records are there");
            return Err(away());
        }
        self.world.way(self.process).await;
        Ok(placed)
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.reached().await?;
        self.log.watermarks(topic, partition).await
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        self.reached().await?;
        self.log.read(topic, partition, from, max).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.reached().await?;
        let (tell, told) = unbounded_channel();
        self.group.lock().unwrap().join(self.process, tell);
        Ok(Box::new(SimMember { log: self.clone(), told }))
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        self.log.wait_beyond(topic, partition, next, within_ms).await
    }

    /// Belongs to the run, not to a process.
    async fn close(&self) {}
}

struct SimMember {
    log: SimLog,
    told: UnboundedReceiver<Rebalance>,
}

impl Drop for SimMember {
    fn drop(&mut self) {
        // A process that is killed says no goodbye.
        if !self.log.world.is_ending(self.log.process) {
            self.log.group.lock().unwrap().leave(self.log.process);
        }
    }
}

#[async_trait]
impl Membership for SimMember {
    async fn next(&mut self) -> Result<Rebalance, LogError> {
        let change = self.told.recv().await.unwrap_or(Rebalance::Closed);
        self.log.world.note(self.log.process, || format!("hears {change:?}"));
        Ok(change)
    }

    async fn open(&self, shard: u32, from: &[(Topic, i64)]) -> Result<Box<dyn ShardReader>, LogError> {
        self.log.reached().await?;
        let places = from.to_vec();
        Ok(Box::new(SimReader {
            log: self.log.clone(),
            shard,
            places,
            paused: false,
            stumbles: Duration::ZERO,
        }))
    }
}

struct SimReader {
    log: SimLog,
    shard: u32,
    /// Rotates, so that each topic is first in turn.
    places: Vec<(Topic, i64)>,
    paused: bool,
    stumbles: Duration,
}

impl SimReader {
    async fn gather(&self, max: ReadMax) -> Result<(Vec<Record>, Vec<(Topic, i64)>), LogError> {
        let (mut records, mut places) = (Vec::new(), self.places.clone());
        for (topic, next) in &mut places {
            let left = ReadMax { records: max.records.saturating_sub(records.len()), ..max };
            if left.records == 0 {
                break;
            }
            let more = self.log.log.read(*topic, self.shard, *next, left).await?;
            *next = more.last().map_or(*next, |r| r.offset + 1);
            records.extend(more);
        }
        places.rotate_left(1);
        Ok((records, places))
    }
}

#[async_trait]
impl ShardReader for SimReader {
    async fn next(&mut self, max: ReadMax) -> Result<Batch, LogError> {
        if !self.stumbles.is_zero() {
            tokio::time::sleep(self.stumbles).await;
        }
        loop {
            let log = self.log.clone();
            let mut news = std::pin::pin!(log.world.news.notified());
            news.as_mut().enable();
            log.world.alive(log.process).await;
            if log.world.is_away(Service::Log) {
                return Err(away());
            }
            let (records, places) = self.gather(max).await?;
            if records.is_empty() || self.paused {
                news.await;
                continue;
            }
            self.places = places;
            // How long the next read is on its way.
            let ms = log.world.dice(|d| if d.chance(70.0) { 0 } else { d.between(1, 20) });
            self.stumbles = Duration::from_millis(ms);
            let drained = records.len() < max.records;
            return Ok(Batch { records, drained });
        }
    }

    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
    }

    fn lag(&self) -> u64 {
        0
    }
}
