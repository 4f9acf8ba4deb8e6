//! Membership and shard readers over any log that keeps [`Slots`]: fair over topics, bounded, cancel safe.
//! A position moves only in the last step of a read, after which nothing awaits.

use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shoptide_schemas::Topic;

use crate::slots::{Slot, Slots};
use crate::{Batch, LogError, Membership, ReadMax, Rebalance, Record, ShardReader};

/// What a log must offer so that this module can read it.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    fn slots(&self) -> &Slots;

    /// Records that the slot's memory no longer holds, from `from` and without a gap, below the known end.
    /// `must` returns one record however large.
    async fn older(&self, slot: &Slot, from: i64, max: ReadMax, must: bool) -> Result<Vec<Record>, LogError>;

    /// Tells the slots what the log itself says now.
    async fn refresh(&self) -> Result<(), LogError>;
}

/// Keeps an owner's lock for as long as it or one of its readers lives.
pub(crate) type Owner = Arc<dyn Any + Send + Sync>;

pub(crate) struct Member<S> {
    source: Arc<S>,
    owner: Owner,
    told: bool,
}

impl<S> Member<S> {
    pub fn new(source: Arc<S>, owner: Owner) -> Self {
        Self { source, owner, told: false }
    }
}

#[async_trait]
impl<S: Source> Membership for Member<S> {
    async fn next(&mut self) -> Result<Rebalance, LogError> {
        let slots = self.source.slots();
        if !self.told && !slots.is_closed() {
            self.told = true;
            return Ok(Rebalance::Assigned((0..slots.partitions(Topic::Browse)).collect()));
        }
        loop {
            let mut news = pin!(slots.news(0)?.notified());
            news.as_mut().enable();
            if slots.is_closed() {
                return Ok(Rebalance::Closed);
            }
            news.await;
        }
    }

    async fn open(&self, shard: u32, from: &[(Topic, i64)]) -> Result<Box<dyn ShardReader>, LogError> {
        let slots = self.source.slots();
        slots.check_open()?;
        slots.news(shard)?;
        self.source.refresh().await?;
        let mut places: Vec<Place> = Vec::with_capacity(from.len());
        for &(topic, position) in from {
            let slot = slots.slot(topic, shard)?;
            slot.check_held(position)?;
            if slot.next() < position {
                // A store ahead of its log would skip records for ever without a word.
                let end = slot.next();
                return Err(LogError::Unusable(format!(
                    "{topic} partition {shard} ends at offset {end}, asked for {position}: this log is older than the store"
                )));
            }
            if places.iter().any(|p| p.topic == topic) {
                return Err(LogError::Unusable(format!(
                    "{topic} is named twice in the offsets of shard {shard}"
                )));
            }
            places.push(Place { topic, position });
        }
        let (source, owner) = (Arc::clone(&self.source), Arc::clone(&self.owner));
        Ok(Box::new(Reader { source, shard, places, paused: false, _owner: owner }))
    }
}

struct Reader<S> {
    source: Arc<S>,
    shard: u32,
    /// Rotates by one with each read, so that each topic is first in turn.
    places: Vec<Place>,
    paused: bool,
    _owner: Owner,
}

#[derive(Clone, Copy)]
struct Place {
    topic: Topic,
    position: i64,
}

impl<S: Source> Reader<S> {
    fn waiting_records(&self) -> u64 {
        let slots = self.source.slots();
        let behind =
            |p: &Place| slots.slot(p.topic, self.shard).map_or(0, |s| s.next().saturating_sub(p.position));
        self.places.iter().map(|p| u64::try_from(behind(p)).unwrap_or(0)).sum()
    }

    /// One read: first an equal share for each topic that has something, then what is left to whoever has more.
    async fn gather(&self, max: ReadMax) -> Result<(Batch, Vec<Place>), LogError> {
        let slots = self.source.slots();
        let mut places = self.places.clone();
        let mut batch = Batch::default();
        let mut left = ReadMax { records: max.records.max(1), bytes: max.bytes };
        let mut sharers = 0;
        for place in &places {
            sharers += usize::from(place.position < slots.slot(place.topic, self.shard)?.next());
        }
        for shared in [true, false] {
            for place in &mut places {
                let slot = slots.slot(place.topic, self.shard)?;
                if slot.next() <= place.position || left.records == 0 {
                    continue;
                }
                let share = if shared { sharers.max(1) } else { 1 };
                let part = ReadMax { records: left.records.div_ceil(share), bytes: left.bytes / share };
                sharers = sharers.saturating_sub(1);
                let records =
                    read_slot(&*self.source, slot, place.position, part, batch.records.is_empty()).await?;
                if let Some(last) = records.last() {
                    place.position = last.offset.saturating_add(1);
                }
                left.records = left.records.saturating_sub(records.len());
                left.bytes = left.bytes.saturating_sub(records.iter().map(Record::bytes).sum());
                batch.records.extend(records);
            }
        }
        batch.drained = true;
        for place in &places {
            batch.drained &= slots.slot(place.topic, self.shard)?.next() <= place.position;
        }
        if let Some(first_served) = places.len().checked_sub(1) {
            places.rotate_left(1.min(first_served));
        }
        Ok((batch, places))
    }
}

#[async_trait]
impl<S: Source> ShardReader for Reader<S> {
    async fn next(&mut self, max: ReadMax) -> Result<Batch, LogError> {
        let source = Arc::clone(&self.source);
        let slots = source.slots();
        loop {
            let mut news = pin!(slots.news(self.shard)?.notified());
            // From here on no news is missed, also that which comes while we look.
            news.as_mut().enable();
            slots.check_open()?;
            if !self.paused && 0 < self.waiting_records() {
                let (batch, places) = self.gather(max).await?;
                self.places = places;
                return Ok(batch);
            }
            let _waiting = slots.wait();
            news.await;
        }
    }

    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
    }

    fn lag(&self) -> u64 {
        self.waiting_records()
    }
}

/// Reads one slot from memory where possible, else from the log, up to the known end.
pub(crate) async fn read_slot<S: Source>(
    source: &S,
    slot: &Slot,
    from: i64,
    max: ReadMax,
    must: bool,
) -> Result<Vec<Record>, LogError> {
    slot.check_held(from)?;
    let mut records: Vec<Record> = Vec::new();
    let mut left = max;
    let mut position = from;
    while position < slot.next() && (0 < left.records || must && records.is_empty()) {
        let must = must && records.is_empty();
        let more = match slot.tail_from(position, left, must) {
            Some(more) => more,
            None => source.older(slot, position, left, must).await?,
        };
        let Some(last) = more.last() else { break };
        position = last.offset.saturating_add(1);
        left.records = left.records.saturating_sub(more.len());
        left.bytes = left.bytes.saturating_sub(more.iter().map(Record::bytes).sum());
        if records.is_empty() {
            records = more;
        } else {
            records.extend(more);
        }
    }
    Ok(records)
}

/// Waits until the slot holds offset `next` or a later one.
pub(crate) async fn wait_beyond<S: Source>(
    source: &S,
    topic: Topic,
    partition: u32,
    next: i64,
    within_ms: u64,
) -> bool {
    let slots = source.slots();
    let (Ok(slot), Ok(wake)) = (slots.slot(topic, partition), slots.news(partition)) else { return false };
    if next < slot.next() {
        return true;
    }
    // Another process may have written since anybody here looked.
    if source.refresh().await.is_ok() && next < slot.next() {
        return true;
    }
    let _waiting = slots.wait();
    let grown = async {
        loop {
            let mut news = pin!(wake.notified());
            news.as_mut().enable();
            if next < slot.next() {
                return true;
            }
            if slots.is_closed() {
                return false;
            }
            news.await;
        }
    };
    tokio::time::timeout(Duration::from_millis(within_ms), grown).await.unwrap_or(false)
}
