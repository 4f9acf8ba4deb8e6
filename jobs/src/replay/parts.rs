//! One user's parts as of a cut: those that did not change since are the truth's own, the others are folded from his records.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use shoptide_live::fold::{Decoded, Fed, Feed, ReplayError, Stretch, WholeRun};
use shoptide_log::{ReadMax, first_offset, generation_of};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};
use shoptide_store::{
    Commit, OffsetMove, OffsetRow, PartRow, SqliteTruth, SqliteTruthOptions, Tally, Truth, UserRow,
};

use super::forgotten::Without;
use super::user::UserThen;
use super::{Cut, Forgotten, ReplayToError};

/// Puts a user's parts into the truth of then, at home in the cut's generation, and returns them.
/// - `scratch`: a file to fold in, not there yet: a truth folds a partition once, and two users of one may be asked for
///
/// # Errors
/// [`ReplayToError`].
pub(super) async fn put_user(
    (of, forgotten, cut): (&UserThen<'_>, &Forgotten, &Cut),
    user: &UserId,
    scratch: &Path,
) -> Result<UserRow, ReplayToError> {
    let home = |generation| partition_of(user.as_bytes(), of.history.partitions_in(generation));
    let (shard, lives) = (home(cut.generation()), home(of.history.generations()));
    let stands = of.truth.offsets().await?;
    let now = of.truth.users(lives, std::slice::from_ref(user)).await?.pop();
    let mut until: BTreeMap<u8, i64> = BTreeMap::new();
    let mut parts: Vec<(Topic, i64, Vec<u8>)> = Vec::new();
    for (place, topic) in USER_TOPICS.into_iter().enumerate() {
        let next = cut.get(topic, shard).unwrap_or(0);
        let reached = |row: &OffsetRow| (row.shard, row.topic) == (lives, topic) && next <= row.next_off;
        let part = now.as_ref().and_then(|row| row.parts.get(place)?.as_ref());
        let erased = now.as_ref().and_then(|row| row.erased.get(place).copied().flatten());
        match part {
            _ if erased.is_some() || !stands.iter().any(reached) => _ = until.insert(topic.code(), next),
            Some((upto, data)) if *upto < next => parts.push((topic, *upto, data.clone())),
            Some(_) => _ = until.insert(topic.code(), next),
            None => {}
        }
    }
    let bases: Vec<(Topic, i64)> = USER_TOPICS.map(|topic| (topic, of.history.base(topic, home(1)))).into();
    let mut tombstones = Vec::new();
    if !until.is_empty() {
        let feed = Only { feed: Without { history: of.history, forgotten }, user };
        let truth = SqliteTruth::open(SqliteTruthOptions::rebuilt(scratch)).await?;
        let run = WholeRun {
            feed: &feed,
            truth: &*truth,
            shard,
            partitions: of.history.partitions_in(cut.generation()),
            bases: &bases,
            until: &until,
            inspect: None,
            stretch: Stretch::default(),
        };
        run.run().await?;
        if let Some(folded) = truth.users(shard, std::slice::from_ref(user)).await?.pop() {
            for ((topic, part), erased) in USER_TOPICS.into_iter().zip(folded.parts).zip(folded.erased) {
                parts.extend(part.map(|(upto, data)| (topic, upto, data)));
                tombstones.extend(erased.map(|off| (user.clone(), topic, off)));
            }
        }
        truth.close().await;
    }
    // What the list is as of.
    let rows = of.then.assign(shard, &bases).await?;
    let epoch = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
    let steps = rows.iter().map(|row| OffsetMove {
        topic: row.topic,
        from: row.next_off,
        to: cut.get(row.topic, shard).unwrap_or(row.next_off).max(row.next_off),
        append_ms: 0,
        tally: Tally::default(),
    });
    let part = |(topic, upto, data)| PartRow { shard, user: user.clone(), topic, upto, data };
    let parts = parts.into_iter().map(part).collect();
    let commit = Commit { shard, epoch, offsets: steps.collect(), parts, tombstones, ..Commit::default() };
    of.then.commit(commit).await?;
    let none =
        UserRow { user: user.clone(), parts: Default::default(), erased: Default::default(), list: None };
    Ok(of.then.users(shard, std::slice::from_ref(user)).await?.pop().unwrap_or(none))
}

/// One user's records alone: his parts depend on no others. Generation by generation, each in his partition of it, as if they were one.
struct Only<'a> {
    feed: Without<'a>,
    user: &'a UserId,
}

#[async_trait]
impl Feed for Only<'_> {
    async fn read(&self, topic: Topic, _: u32, range: Range<i64>, max: ReadMax) -> Result<Fed, ReplayError> {
        let history = self.feed.history;
        let mut at = range.start;
        while at < range.end {
            let generation = generation_of(at);
            let home = partition_of(self.user.as_bytes(), history.partitions_in(generation));
            let end = history.bounds(generation, topic, home).map_or(at, |(_, end)| end).min(range.end);
            let fed = match at < end {
                true => self.feed.read(topic, home, at..end, max).await?,
                false => Fed::default(),
            };
            let Some(last) = fed.records.last() else {
                at = first_offset(generation.saturating_add(1));
                continue;
            };
            at = last.offset + 1;
            let his = |decoded: &Decoded| decoded.user_event().is_some_and(|event| event.user == *self.user);
            let pairs = fed.records.into_iter().zip(fed.decoded).filter(|(_, decoded)| his(decoded));
            let (records, decoded): (Vec<_>, Vec<_>) = pairs.unzip();
            if !records.is_empty() {
                return Ok(Fed { records, decoded });
            }
        }
        Ok(Fed::default())
    }
}
