//! A clean sequential run over the log into an empty store: the yardstick of every fault test.

use std::collections::{BTreeMap, HashSet};

use shoptide_log::{Log, LogError, ReadMax, Record};
use shoptide_models::catalogue::Catalogue;
use shoptide_models::codec::CodecError;
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{StoreError, Truth};

use super::{Decoded, Inspect, Narrow, Room, ShardFold, SumError, decode, sum_ratings};

/// Records of one step. Any batching gives the same bytes; this one is small enough for memory and large enough for speed.
pub const REPLAY_READ: ReadMax = ReadMax { records: 2_000, bytes: 8 * 1024 * 1024 };
/// Users kept in memory during a replay, and their bytes when packed.
pub(super) const ROOM: Room = Room { users_max: 50_000, bytes_max: 80 << 20 };

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("stored state: {0}")]
    Codec(#[from] CodecError),
    /// What stands in for the log cannot be read, or lacks what is asked for.
    #[error("{0}")]
    Feed(String),
}

impl From<SumError> for ReplayError {
    fn from(error: SumError) -> Self {
        match error {
            SumError::Store(error) => error.into(),
            SumError::Codec(error) => error.into(),
        }
    }
}

/// Replays one shard topic by topic from where `truth` stands, which began empty, up to `until` (next offset by topic).
/// `bases`: where the counting began; `inspect`: what the stream was given, if anything.
///
/// # Errors
/// [`ReplayError`].
pub async fn replay(
    log: &dyn Log,
    truth: &dyn Truth,
    shard: u32,
    bases: &[(Topic, i64)],
    until: &BTreeMap<u8, i64>,
    inspect: Option<Inspect>,
) -> Result<(), ReplayError> {
    replay_rated(log, truth, shard, bases, until, i64::MIN, inspect).await
}

/// As [`replay`], for a shard whose ratings are counted one by one only from offset `rated` of `shop.feedback` on: what its parts hold
/// there is summed up, as its owner did ([`Truth::rated_from`]).
///
/// # Errors
/// [`ReplayError`].
pub async fn replay_rated(
    log: &dyn Log,
    truth: &dyn Truth,
    shard: u32,
    bases: &[(Topic, i64)],
    until: &BTreeMap<u8, i64>,
    rated: i64,
    inspect: Option<Inspect>,
) -> Result<(), ReplayError> {
    let rows = truth.assign(shard, bases).await?;
    let epoch = rows.iter().map(|r| r.epoch).max().unwrap_or(0);
    let stands = rows.iter().find(|row| row.topic.is_user()).map_or(0, |row| row.next_off);
    let partitions = log.partitions_at(USER_TOPICS[0], stands);
    let positions: BTreeMap<u8, i64> = rows.iter().map(|r| (r.topic.code(), r.next_off)).collect();
    let catalogue = Catalogue::default();
    let owns_catalogue = bases.iter().any(|(t, _)| *t == Topic::Catalogue);
    let mut fold = ShardFold::new(
        shard,
        epoch,
        partitions,
        positions.clone(),
        owns_catalogue.then_some(&catalogue),
        ROOM,
    )
    .with_inspect(inspect);
    for (topic, base) in bases {
        let end = until.get(&topic.code()).copied().unwrap_or(*base);
        let mut next = positions.get(&topic.code()).copied().unwrap_or(*base);
        if *topic == Topic::Feedback && next <= rated {
            next = read(log, truth, &mut fold, *topic, next..end.min(rated), Ratings::PassedOver).await?;
            if rated <= end {
                truth.commit(sum_ratings(truth, shard, epoch, next).await?).await?;
            }
        }
        read(log, truth, &mut fold, *topic, next..end, Ratings::Counted).await?;
    }
    Ok(())
}

/// What becomes of ratings while records are folded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ratings {
    Counted,
    PassedOver,
}

/// Folds the records of a range, and returns where it came to.
async fn read(
    log: &dyn Log,
    truth: &dyn Truth,
    fold: &mut ShardFold,
    topic: Topic,
    range: std::ops::Range<i64>,
    ratings: Ratings,
) -> Result<i64, ReplayError> {
    let mut next = range.start;
    while next < range.end {
        let mut records = log.read(topic, fold.shard, next, REPLAY_READ).await?;
        records.retain(|r| r.offset < range.end);
        let Some(last) = records.last().map(|r| r.offset) else { break };
        let decoded: Vec<_> = records.iter().map(|r| decode(r, fold.partitions)).collect();
        step(fold, truth, &records, &decoded, ratings).await?;
        next = last + 1;
    }
    Ok(next)
}

pub(super) async fn step(
    fold: &mut ShardFold,
    truth: &dyn Truth,
    records: &[Record],
    decoded: &[Decoded],
    ratings: Ratings,
) -> Result<(), ReplayError> {
    let mut narrow = Narrow::new(records.len());
    let mut bury = false;
    while let Some((now, batch)) =
        narrow.range().and_then(|range| Some((records.get(range.clone())?, decoded.get(range)?)))
    {
        let wants = fold.wants(now, batch);
        let users = truth.users(fold.shard, &wants.users).await?;
        fold.admit(users)?;
        let seen = truth.known_lines(fold.shard, &wants.lines).await?;
        let known: HashSet<_> =
            wants.lines.into_iter().zip(seen).filter(|(_, k)| *k).map(|(l, _)| l).collect();
        let mut folded = match now {
            [record] if bury => fold.bury(record),
            _ => match fold.fold(now, batch, &known) {
                Ok(folded) => folded,
                Err(panicked) => {
                    let users = batch.iter().filter_map(|d| d.user_event()).map(|e| &e.user);
                    fold.forget(users);
                    bury = narrow.panicked(panicked.place);
                    continue;
                }
            },
        };
        if ratings == Ratings::PassedOver {
            folded.commit.ratings.clear();
        }
        truth.commit(folded.commit.clone()).await?;
        fold.committed(&folded.commit);
        fold.trim();
        narrow.done();
        bury = false;
    }
    Ok(())
}
