//! Whoever was erased stays erased in every moment that is rebuilt: what he did before is in the log still, but nobody may look at it again.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use shoptide_live::fold::{Decoded, Fed, Feed, REPLAY_READ, ReplayError, decode};
use shoptide_log::{ReadMax, Record, first_offset, generation_of};
use shoptide_schemas::event::EventKind;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};
use shoptide_store::{FoldedTable, Truth, user_hash};

use super::{Cut, History, ReplayToError};

/// Who was erased after a moment, by the hash that tombstones keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten(HashSet<[u8; 16]>);

impl Forgotten {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn holds(&self, user: &UserId) -> bool {
        !self.0.is_empty() && self.0.contains(&user_hash(user))
    }
}

/// Who was erased from a cut on, in its generation of topics or a later one: the truth's tombstones say it, and the log beyond them.
///
/// # Errors
/// [`ReplayToError`] if either cannot be read.
pub async fn forgotten_since(
    history: &History<'_>,
    truth: &dyn Truth,
    cut: &Cut,
) -> Result<Forgotten, ReplayToError> {
    let mut found: HashSet<[u8; 16]> = history.erased_in_archive().into_iter().collect();
    let mut folded = Cut::default();
    for row in truth.offsets().await? {
        folded.set(row.topic, row.shard, row.next_off);
    }
    let generation = cut.generation();
    let since = |shard: u32, topic: Topic, off: i64| match generation_of(off).cmp(&generation) {
        Ordering::Less => false,
        Ordering::Greater => true,
        // Users took copies of it to larger topics; it was made where they came from.
        Ordering::Equal => {
            let made = shard % history.partitions_in(generation).max(1);
            cut.get(topic, made).is_none_or(|next| next <= off)
        }
    };
    let mut take = |row: &[u8]| {
        if let Some((shard, hash, topic, off)) = tombstone(row)
            && since(shard, topic, off)
        {
            found.insert(hash);
        }
    };
    truth.dump(FoldedTable::Tombstones, &mut take).await?;
    // Also what waits in larger topics while the log is growing to them.
    for generation in generation..=history.generations().saturating_add(1) {
        for (topic, partition) in
            USER_TOPICS.into_iter().flat_map(|t| (0..history.partitions_in(generation)).map(move |p| (t, p)))
        {
            let known = [&folded, cut].map(|cut| cut.get(topic, partition).unwrap_or(0));
            let bounds = history.bounds(generation, topic, partition);
            let (first, end) = bounds.unwrap_or((first_offset(generation), i64::MAX));
            let from = known.into_iter().fold(first, i64::max);
            erased_within(history, (topic, partition), from..end, &mut found).await?;
        }
    }
    Ok(Forgotten(found))
}

async fn erased_within(
    history: &History<'_>,
    (topic, partition): (Topic, u32),
    range: Range<i64>,
    found: &mut HashSet<[u8; 16]>,
) -> Result<(), ReplayToError> {
    let mut at = range.start;
    while at < range.end {
        let fed = history.read(topic, partition, at..range.end, REPLAY_READ).await?;
        let Some(last) = fed.records.last() else { break };
        at = last.offset + 1;
        let erased = fed.decoded.iter().filter_map(Decoded::user_event);
        let erased = erased.filter(|event| matches!(event.kind, EventKind::Erased));
        found.extend(erased.map(|event| user_hash(&event.user)));
    }
    Ok(())
}

/// A row of the dump: shard, hash, topic and offset, each behind its tag.
fn tombstone(row: &[u8]) -> Option<(u32, [u8; 16], Topic, i64)> {
    let int = |at: usize| Some(i64::from_le_bytes(row.get(at..at + 8)?.try_into().ok()?));
    let hash = row.get(18..34)?.try_into().ok()?;
    let topic = usize::try_from(int(35)?).ok().filter(|topic| *topic < PARTS)?;
    Some((u32::try_from(int(1)?).ok()?, hash, *USER_TOPICS.get(topic)?, int(44)?))
}

/// A feed in which those who were erased later were erased from the first: each of their records is an erasure.
pub(super) struct Without<'a> {
    pub history: &'a History<'a>,
    pub forgotten: &'a Forgotten,
}

impl Without<'_> {
    fn whose(&self, record: &Record, decoded: &Decoded) -> Option<UserId> {
        let named = decoded.user_event().map(|event| &event.user).filter(|user| self.forgotten.holds(user));
        let keyed = || {
            let user = UserId::from_trusted(record.key.as_deref().filter(|_| record.topic.is_user())?);
            self.forgotten.holds(&user).then_some(user)
        };
        named.cloned().or_else(keyed)
    }
}

#[async_trait]
impl Feed for Without<'_> {
    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        range: Range<i64>,
        max: ReadMax,
    ) -> Result<Fed, ReplayError> {
        let fed_from = range.start;
        let mut fed = self.history.read(topic, partition, range, max).await?;
        if self.forgotten.is_empty() {
            return Ok(fed);
        }
        let partitions = self.history.partitions_in(generation_of(fed_from));
        for (record, decoded) in fed.records.iter_mut().zip(&mut fed.decoded) {
            if let Some(user) = self.whose(record, decoded) {
                let event = json!({ "event_id": "erased-since", "type": "user_erased", "user_id": user.to_string(),
                    "occurred_at": record.appended.0 });
                record.key = Some(Bytes::copy_from_slice(user.as_bytes()));
                record.value = Some(Bytes::from(event.to_string()));
                *decoded = decode(record, partitions);
            }
        }
        Ok(fed)
    }
}
