//! What the cache is owed. Lists reach it after their commit, never before; what it did not take, and what an owner before us
//! may have left undone, is brought again from the truth until the cache is never more than moments behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shoptide_faults::{Break, Point, broken};
use shoptide_live::fold::{decode, state_of};
use shoptide_log::{LogError, ReadMax};
use shoptide_models::codec::CodecError;
use shoptide_schemas::event::EventType;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{StoredList, Topic, USER_TOPICS, UserId};
use shoptide_store::{CacheEntry, StoreError, UserRow};
use tokio::time::Instant;

use crate::shard::{RETRY_FIRST, Shard};
use crate::sweep::Remade;
use crate::{StreamContext, StreamError};

/// Users of one step: few enough that an event waits for at most some milliseconds.
const CHUNK: usize = 64;
/// Users remembered by name, at most 160 bytes each. Beyond it every list of the shard is brought again, page by page.
const OWED_MAX: usize = 20_000;
/// Records behind the last publish that are read again to learn whose lists they touched. Of more than these only removals are
/// looked for, and every list is brought again.
const GAP_MAX: i64 = 20_000;
/// One read of them.
const GAP_READ: ReadMax = ReadMax { records: 1_000, bytes: 4 * 1024 * 1024 };
/// The longest pause while the cache does not answer: with it back, it is at most 2 s behind.
const RETRY_LAST: Duration = Duration::from_secs(1);

/// Events after which a user may have no list.
const REMOVALS: [EventType; 2] = [EventType::UserErased, EventType::Identify];

/// Records of a topic whose lists may not be in the cache.
#[derive(Debug)]
struct Gap {
    topic: Topic,
    next: i64,
    end: i64,
    /// What is asked of its records: whose lists went, or whose changed as well.
    removals_only: bool,
}

/// What one shard owes the cache.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Lists, and users without one: the truth says which.
    users: BTreeSet<UserId>,
    /// Every list of the shard behind this user.
    walk: Option<Option<UserId>>,
    /// Removals were forgotten: only an empty cache is sure to hold none of them.
    clear: bool,
    gaps: Vec<Gap>,
    /// The truth may name users in `list_owed`.
    rows: bool,
    /// Users in `list_owed` whose lists the cache has by now.
    settled: BTreeSet<UserId>,
    published: BTreeMap<u8, i64>,
    step_pause: Duration,
    due: Instant,
    pause: Duration,
}

impl Publisher {
    /// - `published`: up to where the owner before us had told the cache, by topic code
    /// - `positions`: up to where he had committed
    pub(crate) fn new(
        context: &StreamContext,
        published: BTreeMap<u8, i64>,
        positions: &BTreeMap<u8, i64>,
    ) -> Self {
        let gap = |topic: Topic| {
            let end = positions.get(&topic.code()).copied()?;
            let next = published.get(&topic.code()).copied()?.min(end);
            let removals_only = GAP_MAX < end.saturating_sub(next);
            (next < end).then_some(Gap { topic, next, end, removals_only })
        };
        let covered = |_: &Topic| !broken(Break::NoRepublish);
        let gaps: Vec<Gap> = USER_TOPICS.into_iter().filter(covered).filter_map(gap).collect();
        let large = gaps.iter().any(|gap| gap.removals_only);
        let rate = context.options.sweep_lists_per_s.max(1);
        Self {
            users: BTreeSet::new(),
            walk: large.then_some(None),
            clear: false,
            gaps,
            rows: true,
            settled: BTreeSet::new(),
            published,
            step_pause: Duration::from_secs_f64(CHUNK as f64 / f64::from(rate)),
            due: Instant::now(),
            pause: RETRY_FIRST,
        }
    }

    pub(crate) fn busy(&self) -> bool {
        !self.users.is_empty() || self.walk.is_some() || self.clear || !self.gaps.is_empty() || self.rows
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// All lists that records before `positions` asked for are made, and in the cache if it is owed nothing.
    pub(crate) fn reached(&mut self, positions: &BTreeMap<u8, i64>) {
        if !self.busy() {
            self.published.clone_from(positions);
        }
    }

    /// What the next commit says of the topics it moves.
    pub(crate) fn published(&self) -> Vec<(Topic, i64)> {
        let known = |(code, off): (&u8, &i64)| Some((Topic::from_code((*code).into())?, *off));
        self.published.iter().filter_map(known).collect()
    }

    /// A commit of unknown outcome may have left rows in `list_owed` that nobody here knows of.
    pub(crate) fn look_again(&mut self) {
        self.rows = true;
    }

    /// Rows of `list_owed` that may go, at most a chunk.
    pub(crate) fn settled(&self) -> Vec<UserId> {
        self.settled.iter().take(CHUNK).cloned().collect()
    }

    /// Their rows went, or are written anew: what the cache had of them is older.
    pub(crate) fn unsettle(&mut self, users: &[UserId]) {
        users.iter().for_each(|user| {
            self.settled.remove(user);
        });
    }

    /// The cache has the lists of users who are in `list_owed`. Those beyond the bound stay there: they are brought once more by
    /// the next owner.
    pub(crate) fn settle(&mut self, users: &[UserId]) {
        let room = OWED_MAX.saturating_sub(self.settled.len());
        self.settled.extend(users.iter().take(room).cloned());
    }

    /// The cache may not have these users' lists, or may hold one that is gone.
    pub(crate) fn owe(&mut self, users: impl IntoIterator<Item = UserId>, gone: bool) {
        for user in users {
            if OWED_MAX <= self.users.len() {
                self.walk = Some(None);
                self.clear |= gone;
            } else {
                self.users.insert(user);
            }
        }
    }

    fn rest(&mut self) {
        self.due = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(RETRY_LAST);
    }

    fn went_well(&mut self) {
        self.due = Instant::now() + self.step_pause;
        self.pause = RETRY_FIRST;
    }
}

/// Whether a failed write may have left an older list where a newer one belongs. A full cache does not: it replaces what it
/// holds and refuses only what is new, and for that readers ask the truth; nor does a key that somebody else holds.
fn leaves_older(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::Unknown { .. })
}

/// The outcome for a shard, which no error of the cache may stop.
fn kept(outcome: Result<(), StoreError>) -> Result<(), StreamError> {
    match outcome {
        Err(error) if leaves_older(&error) => {
            Err(StoreError::Unavailable { store: "the cache", reason: error.to_string() }.into())
        }
        Err(error) => {
            tracing::warn!(%error, "the cache refuses, readers ask the store");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

impl Shard {
    /// Tells the cache, after the commit. Whether it has all of it.
    pub(crate) async fn publish(&mut self, entries: Vec<CacheEntry>, gone: &[UserId]) -> bool {
        shoptide_faults::pass(Point::W7).await;
        let mut told = true;
        if !entries.is_empty() {
            let users: Vec<UserId> = entries.iter().map(|entry| entry.user.clone()).collect();
            if let Err(error) = self.context.cache.set_if_newer(entries).await {
                tracing::warn!(%error, "lists are not in the cache, readers take them from the store");
                if leaves_older(&error) && !broken(Break::WriteForgotten) {
                    self.publisher.owe(users, false);
                    told = false;
                }
            }
        }
        for user in gone {
            if let Err(error) = self.context.cache.remove(self.fold.shard(), user).await {
                tracing::warn!(%error, "a list that is gone may be in the cache, it is removed later");
                if leaves_older(&error) {
                    self.publisher.owe([user.clone()], true);
                    told = false;
                }
            }
        }
        told
    }

    /// Brings the cache some of what it is owed; if that fails, the rest waits.
    pub(crate) async fn publish_step(&mut self) -> Result<(), StreamError> {
        match self.publish_some().await {
            Ok(()) => self.publisher.went_well(),
            Err(StreamError::Store(error @ StoreError::Unavailable { .. })) => {
                tracing::warn!(shard = self.fold.shard(), %error, "the cache is owed lists, retrying");
                self.publisher.rest();
            }
            Err(StreamError::Log(error @ (LogError::Unavailable { .. } | LogError::Overloaded { .. }))) => {
                tracing::warn!(shard = self.fold.shard(), %error, "what was published cannot be read, retrying");
                self.publisher.rest();
            }
            Err(error) => return Err(error),
        }
        self.note_published();
        Ok(())
    }

    /// The truth learns with the next commit how far the cache is.
    pub(crate) fn note_published(&mut self) {
        let made = self.late.before().unwrap_or_else(|| self.fold.positions());
        self.publisher.reached(made);
    }

    async fn publish_some(&mut self) -> Result<(), StreamError> {
        let shard = self.fold.shard();
        if self.publisher.clear {
            kept(self.context.cache.clear().await)?;
            self.publisher.clear = false;
            return Ok(());
        }
        if let Some(gap) = self.publisher.gaps.pop() {
            let read = self.read_gap(&gap).await;
            return match read {
                Ok(next) if next < gap.end => {
                    self.publisher.gaps.push(Gap { next, ..gap });
                    Ok(())
                }
                Ok(_) => Ok(()),
                // The log no longer holds them.
                Err(StreamError::Log(LogError::Truncated { .. })) => {
                    (self.publisher.walk, self.publisher.clear) = (Some(None), true);
                    Ok(())
                }
                Err(error) => {
                    self.publisher.gaps.push(gap);
                    Err(error)
                }
            };
        }
        if self.publisher.rows {
            let rows = self.context.truth.owed(shard, OWED_MAX).await?;
            self.publisher.rows = false;
            if rows.len() == OWED_MAX {
                self.publisher.walk = Some(None);
            }
            self.publisher.owe(rows, false);
            return Ok(());
        }
        let users: Vec<UserId> = self.publisher.users.iter().take(CHUNK).cloned().collect();
        if !users.is_empty() {
            if self.bring(&users).await? {
                for user in &users {
                    self.publisher.users.remove(user);
                }
            }
            return Ok(());
        }
        if let Some(after) = self.publisher.walk.clone() {
            let page = self.context.truth.lists_after(shard, after.as_ref(), CHUNK).await?;
            let users: Vec<UserId> = page.into_iter().map(|head| head.user).collect();
            let last = users.last().cloned();
            if self.bring(&users).await? && self.publisher.walk == Some(after) {
                self.publisher.walk = last.map(Some);
            }
        }
        Ok(())
    }

    /// Notes whose lists the records of a gap touched. The offset of the next record to read.
    async fn read_gap(&mut self, gap: &Gap) -> Result<i64, StreamError> {
        let records = self.context.log.read(gap.topic, self.fold.shard(), gap.next, GAP_READ).await?;
        let Some(last) = records.last() else { return Ok(gap.end) };
        let next = last.offset + 1;
        let mut users = BTreeSet::new();
        for record in records.iter().filter(|record| record.offset < gap.end) {
            let partitions = self.context.log.partitions_at(record.topic, record.offset);
            let decoded = decode(record, partitions);
            let Some(event) = decoded.user_event() else { continue };
            if !gap.removals_only || REMOVALS.contains(&event.event_type) {
                users.insert(event.user.clone());
            }
        }
        self.publisher.owe(users, true);
        Ok(next)
    }

    /// Makes the cache hold what the truth holds of these users. False if it does not hold all of it: ask again.
    async fn bring(&mut self, users: &[UserId]) -> Result<bool, StreamError> {
        if users.is_empty() {
            return Ok(true);
        }
        let shard = self.fold.shard();
        let (mut entries, mut stale) = (Vec::new(), Vec::new());
        for row in self.context.truth.users(shard, users).await? {
            let standing =
                standing(&row).map_err(|e| StreamError::Damaged { shard, reason: e.to_string() })?;
            match standing {
                Standing::Fresh(list, data) => {
                    entries.push(CacheEntry { shard, user: row.user, version: list.version_key(), data });
                }
                Standing::Stale => stale.push(row.user),
                Standing::None => kept(self.context.cache.remove(shard, &row.user).await)?,
            }
        }
        kept(self.context.cache.set_if_newer(entries).await)?;
        // Lists made just now that the cache did not take are owed like all others.
        if self.remake(stale, "owed").await? != Remade::Told {
            return Ok(false);
        }
        self.publisher.settle(users);
        Ok(true)
    }
}

/// How a user's stored list stands to his parts.
enum Standing {
    Fresh(Box<StoredList>, std::sync::Arc<[u8]>),
    /// Some part was folded after the list was made, or there is none that can be read.
    Stale,
    /// He is to have none.
    None,
}

/// # Errors
/// [`CodecError`] if a stored part cannot be read.
fn standing(row: &UserRow) -> Result<Standing, CodecError> {
    if row.erased.iter().any(Option::is_some) {
        return Ok(Standing::None);
    }
    let Some(bytes) = &row.list else {
        let state = state_of(&row.parts)?;
        let wanted = state.forward().is_none() && state.last_ms().is_some();
        return Ok(if wanted { Standing::Stale } else { Standing::None });
    };
    let Ok(list) = StoredList::decode(bytes) else { return Ok(Standing::Stale) };
    let behind = |part: usize| {
        let upto = row.parts.get(part).and_then(Option::as_ref).map(|(upto, _)| *upto);
        upto.is_some_and(|upto| list.as_of.get(part).is_none_or(|as_of| *as_of <= upto))
    };
    if (0..PARTS).any(behind) {
        return Ok(Standing::Stale);
    }
    Ok(Standing::Fresh(Box::new(list), bytes.as_slice().into()))
}
