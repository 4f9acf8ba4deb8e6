//! A clean sequential run over the log into an empty store: the yardstick of every fault test.

use std::collections::{BTreeMap, HashSet};

use shoptide_log::{Log, LogError, ReadMax, Record};
use shoptide_models::catalogue::Catalogue;
use shoptide_models::codec::CodecError;
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{StoreError, Truth};

use super::{Inspect, Narrow, Room, ShardFold, decode};

/// Records of one step. Any batching gives the same bytes; this one is small enough for memory and large enough for speed.
const READ: ReadMax = ReadMax { records: 2_000, bytes: 8 * 1024 * 1024 };
/// Users kept in memory during a replay, and their bytes when packed.
const ROOM: Room = Room { users_max: 50_000, bytes_max: 80 << 20 };

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("stored state: {0}")]
    Codec(#[from] CodecError),
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
        while next < end {
            let mut records = log.read(*topic, shard, next, READ).await?;
            records.retain(|r| r.offset < end);
            let Some(last) = records.last().map(|r| r.offset) else { break };
            step(&mut fold, truth, &records).await?;
            next = last + 1;
        }
    }
    Ok(())
}

async fn step(fold: &mut ShardFold, truth: &dyn Truth, records: &[Record]) -> Result<(), ReplayError> {
    let mut narrow = Narrow::new(records.len());
    let mut bury = false;
    while let Some(now) = narrow.range().and_then(|range| records.get(range)) {
        let batch: Vec<_> = now.iter().map(|r| decode(r, fold.partitions)).collect();
        let wants = fold.wants(now, &batch);
        let users = truth.users(fold.shard, &wants.users).await?;
        fold.admit(users)?;
        let seen = truth.known_lines(fold.shard, &wants.lines).await?;
        let known: HashSet<_> =
            wants.lines.into_iter().zip(seen).filter(|(_, k)| *k).map(|(l, _)| l).collect();
        let folded = match now {
            [record] if bury => fold.bury(record),
            _ => match fold.fold(now, &batch, &known) {
                Ok(folded) => folded,
                Err(panicked) => {
                    let users = batch.iter().filter_map(|d| d.user_event()).map(|e| &e.user);
                    fold.forget(users);
                    bury = narrow.panicked(panicked.place);
                    continue;
                }
            },
        };
        truth.commit(folded.commit.clone()).await?;
        fold.committed(&folded.commit);
        fold.trim();
        narrow.done();
        bury = false;
    }
    Ok(())
}
