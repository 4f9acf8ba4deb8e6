//! Reads one shard: fair over its topics, bounded, cancel safe.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use shoptide_schemas::{Topic, USER_TOPICS};

use super::fetcher::{Fetcher, Place, State};
use super::group::Progress;
use super::{Core, blocking};
use crate::generation::generation_of;
use crate::{Batch, LogError, ReadMax, ShardReader, Watermarks};

pub(super) struct Reader {
    fetcher: Fetcher,
    shard: u32,
    paused: bool,
    progress: Arc<Progress>,
}

impl Reader {
    /// # Errors
    /// As [`Membership::open`](crate::Membership::open).
    pub(super) async fn open(
        core: &Arc<Core>,
        shard: u32,
        from: &[(Topic, i64)],
        progress: Arc<Progress>,
    ) -> Result<Self, LogError> {
        core.check_open()?;
        if from.is_empty() {
            core.check_partition(USER_TOPICS[0], shard, core.folded(USER_TOPICS[0]))?;
        }
        let mut places: Vec<(Topic, i64)> = Vec::with_capacity(from.len());
        for &(topic, position) in from {
            core.check_partition(topic, shard, generation_of(position))?;
            if places.iter().any(|(known, _)| *known == topic) {
                return Err(LogError::Unusable(format!(
                    "{topic} is named twice in the offsets of shard {shard}"
                )));
            }
            places.push((topic, position));
        }
        let core = Arc::clone(core);
        let fetcher = blocking(move || {
            let placed = places.into_iter().map(|(topic, from)| {
                let marks = core.watermarks(topic, shard, generation_of(from))?;
                held(topic, shard, from, marks)?;
                Ok((topic, shard, from, marks))
            });
            let placed = placed.collect::<Result<Vec<_>, LogError>>()?;
            Fetcher::start(core, placed)
        })
        .await?;
        Ok(Self { fetcher, shard, paused: false, progress })
    }
}

/// # Errors
/// [`LogError`] if the partition does not hold what a reader would ask for next.
pub(super) fn held(topic: Topic, partition: u32, from: i64, marks: Watermarks) -> Result<(), LogError> {
    if from < marks.first {
        return Err(LogError::Truncated { topic, partition, asked: from, first: marks.first });
    }
    if marks.next < from {
        // A store ahead of its log would skip records for ever without a word.
        let end = marks.next;
        return Err(LogError::Unusable(format!(
            "{topic} partition {partition} ends at offset {end}, asked for {from}: this log is older than the store"
        )));
    }
    Ok(())
}

/// One read: first an equal share for each topic that has something, then what is left to whoever has more.
fn gather(state: &mut State, max: ReadMax) -> Option<Batch> {
    let mut sharers = state.places.iter().filter(|place| !place.is_empty()).count();
    if sharers == 0 {
        return None;
    }
    let mut batch = Batch::default();
    let mut left = ReadMax { records: max.records.max(1), bytes: max.bytes };
    for shared in [true, false] {
        for place in &mut state.places {
            if place.is_empty() || left.records == 0 {
                continue;
            }
            let share = if shared { sharers.max(1) } else { 1 };
            sharers = sharers.saturating_sub(1);
            let part = ReadMax { records: left.records.div_ceil(share), bytes: left.bytes / share };
            let rest = place.take(part, batch.records.is_empty(), &mut batch.records);
            left.records = left.records.saturating_sub(part.records.saturating_sub(rest.records));
            left.bytes = left.bytes.saturating_sub(part.bytes.saturating_sub(rest.bytes));
        }
    }
    batch.drained = state.places.iter().all(|place| place.behind() == 0);
    if let Some(first_served) = state.places.len().checked_sub(1) {
        state.places.rotate_left(1.min(first_served));
    }
    Some(batch)
}

#[async_trait]
impl ShardReader for Reader {
    async fn next(&mut self, max: ReadMax) -> Result<Batch, LogError> {
        loop {
            let mut news = pin!(self.fetcher.news().notified());
            // From here on no news is missed, also that which comes while we look.
            news.as_mut().enable();
            let seen = self.fetcher.look(|state| if self.paused { None } else { gather(state, max) })?;
            if let Some(batch) = seen {
                return Ok(batch);
            }
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
        self.fetcher.lag()
    }

    fn stored(&mut self, next: &[(Topic, i64)]) {
        self.progress.note(self.shard, next);
    }
}

/// Records of one partition for a bounded read.
pub(super) fn take_one(state: &mut State, max: ReadMax, into: &mut Vec<crate::Record>) -> ReadMax {
    let must = into.is_empty();
    state.places.first_mut().map_or(max, |place: &mut Place| place.take(max, must, into))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(batch: &Batch, topic: Topic) -> usize {
        batch.records.iter().filter(|record| record.topic == topic).count()
    }

    #[test]
    fn no_topic_starves() {
        let mut state = State::of(&[(Topic::Browse, 500), (Topic::Order, 3), (Topic::Cart, 0)]);
        let first = gather(&mut state, ReadMax { records: 20, bytes: 100_000 }).unwrap();
        assert_eq!((of(&first, Topic::Order), first.records.len(), first.drained), (3, 20, false));
        // Also when a single record is all that fits.
        let mut state = State::of(&[(Topic::Browse, 500), (Topic::Order, 1)]);
        let ones = (0..2).map(|_| gather(&mut state, ReadMax { records: 1, bytes: 0 }).unwrap());
        let ones: Vec<Batch> = ones.collect();
        assert!(ones.iter().all(|batch| batch.records.len() == 1));
        assert_eq!(ones.iter().map(|batch| of(batch, Topic::Order)).sum::<usize>(), 1);
    }

    #[test]
    fn order_and_end_are_kept() {
        let mut state = State::of(&[(Topic::Browse, 30)]);
        let mut offsets = Vec::new();
        while let Some(batch) = gather(&mut state, ReadMax { records: 7, bytes: 100_000 }) {
            offsets.extend(batch.records.iter().map(|record| record.offset));
            assert_eq!(batch.drained, offsets.len() == 30);
        }
        assert_eq!(offsets, (0..30).collect::<Vec<i64>>());
    }

    #[test]
    fn what_the_log_does_not_hold_is_named() {
        let marks = Watermarks { first: 5, next: 9 };
        let held = |from| held(Topic::Cart, 1, from, marks);
        assert!(matches!(held(4), Err(LogError::Truncated { asked: 4, first: 5, .. })));
        assert!(held(5).is_ok() && held(9).is_ok());
        assert!(held(10).unwrap_err().to_string().contains("ends at offset 9, asked for 10"));
    }
}
