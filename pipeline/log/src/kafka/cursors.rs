//! Reads of one partition without owning it: a few consumers are kept where the last read ended, because whoever reads a
//! partition mostly reads on.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoptide_schemas::Topic;

use super::fetcher::Fetcher;
use super::reader::{held, take_one};
use super::{Core, blocking};
use crate::generation::generation_of;
use crate::{LogError, ReadMax, Record};

/// Consumers kept between reads: the catalogue's follower and a few tails or a verification. Each has a few threads.
const KEPT_MAX: usize = 8;
/// How long one read may wait for records that the broker says it has.
const READ: Duration = Duration::from_secs(10);
/// Pause between questions for the end of a partition that has not reached the wanted offset.
const ASK_AGAIN: Duration = Duration::from_millis(200);

pub(super) struct Cursors {
    core: Arc<Core>,
    /// Oldest use first.
    kept: Mutex<Vec<Cursor>>,
}

struct Cursor {
    topic: Topic,
    partition: u32,
    position: i64,
    fetcher: Fetcher,
}

/// Goes back among the kept ones when dropped.
struct Kept<'a> {
    cursors: &'a Cursors,
    cursor: Option<Cursor>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            self.cursors.keep(cursor);
        }
    }
}

impl Cursors {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, kept: Mutex::default() }
    }

    pub(super) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        let (core, generation) = (Arc::clone(&self.core), generation_of(from));
        let marks = blocking(move || core.watermarks(topic, partition, generation)).await?;
        if from < marks.first {
            return Err(LogError::Truncated { topic, partition, asked: from, first: marks.first });
        }
        let mut records = Vec::new();
        if marks.next <= from {
            return Ok(records);
        }
        let mut cursor = self.at(topic, partition, from).await?;
        let mut left = ReadMax { records: max.records.max(1), bytes: max.bytes };
        let reading = async {
            while cursor.position < marks.next {
                let mut news = pin!(cursor.fetcher.news().notified());
                news.as_mut().enable();
                let before = records.len();
                let (rest, waiting, position) = cursor.fetcher.look(|state| {
                    let rest = take_one(state, left, &mut records);
                    let waiting = state.places.first().is_some_and(|place| !place.is_empty());
                    (rest, waiting, state.places.first().map_or(from, |place| place.stands()))
                })?;
                (left, cursor.position) = (rest, position);
                // What is left over did not fit.
                if left.records == 0 || waiting && !records.is_empty() {
                    break;
                }
                if before == records.len() && cursor.position < marks.next {
                    news.await;
                }
            }
            Ok(())
        };
        let read = tokio::time::timeout(READ, reading).await;
        match read {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            // Control records of other producers' transactions are offsets without a record.
            Err(_elapsed) if !records.is_empty() => {}
            Err(_elapsed) => {
                let reason =
                    format!("{topic} partition {partition} gave nothing within {} s", READ.as_secs());
                return Err(LogError::Unavailable { reason });
            }
        }
        self.keep(cursor);
        Ok(records)
    }

    /// Resolves once the partition holds `next` or a later offset; false if that cannot be known.
    pub(super) async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64) -> bool {
        loop {
            let (core, generation) = (Arc::clone(&self.core), generation_of(next));
            let marks = match blocking(move || core.watermarks(topic, partition, generation)).await {
                Ok(marks) => marks,
                Err(LogError::Unavailable { .. }) => {
                    tokio::time::sleep(ASK_AGAIN).await;
                    continue;
                }
                Err(_) => return false,
            };
            if next < marks.next {
                return true;
            }
            if marks.next < next {
                tokio::time::sleep(ASK_AGAIN).await;
                continue;
            }
            let Ok(cursor) = self.at(topic, partition, next).await else { return false };
            // Whoever waits gives up after a while and comes again: the consumer is kept for him.
            let kept = Kept { cursors: self, cursor: Some(cursor) };
            let Some(fetcher) = kept.cursor.as_ref().map(|cursor| &cursor.fetcher) else { return false };
            loop {
                let mut news = pin!(fetcher.news().notified());
                news.as_mut().enable();
                match fetcher.look(|state| state.places.iter().any(|place| !place.is_empty())) {
                    Ok(true) => return true,
                    Ok(false) => news.await,
                    Err(_) => return false,
                }
            }
        }
    }

    /// A consumer that stands at `from`: a kept one, or a new one.
    async fn at(&self, topic: Topic, partition: u32, from: i64) -> Result<Cursor, LogError> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let place = kept.iter().position(|cursor| {
                (cursor.topic, cursor.partition, cursor.position) == (topic, partition, from)
            });
            if let Some(place) = place {
                return Ok(kept.remove(place));
            }
        }
        let core = Arc::clone(&self.core);
        let fetcher = blocking(move || {
            let marks = core.watermarks(topic, partition, generation_of(from))?;
            held(topic, partition, from, marks)?;
            Fetcher::start(core, vec![(topic, partition, from, marks)])
        })
        .await?;
        Ok(Cursor { topic, partition, position: from, fetcher })
    }

    fn keep(&self, cursor: Cursor) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // One a partition is enough for whoever reads on.
        kept.retain(|other| (other.topic, other.partition) != (cursor.topic, cursor.partition));
        if KEPT_MAX <= kept.len() {
            kept.remove(0);
        }
        kept.push(cursor);
    }
}
