//! One batch: read what it needs, fold it, make the lists it touches, commit all of it, publish.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_faults::{Break, Point, broken};
use shoptide_live::fold::{Decoded, Folded, Narrow, Touch, decode};
use shoptide_log::Record;
use shoptide_schemas::{EventMs, UserId};
use shoptide_store::{CacheEntry, Commit, StoreError};

use crate::shard::{RETRY_FIRST, Shard, Stand, rested};
use crate::{StreamError, lists};

/// Longest pause before a refused commit is tried again: events go on within a second once the store takes them.
const COMMIT_PAUSE_MAX: Duration = Duration::from_secs(1);

impl Shard {
    /// Takes a batch to the truth, whatever it takes; a record that panics is tried alone, then buried.
    pub(crate) async fn process(&mut self, records: &[Record]) -> Result<(), StreamError> {
        let log = &self.context.log;
        let partitions = |record: &Record| log.partitions_at(record.topic, record.offset);
        let decoded: Vec<Decoded> = records.iter().map(|r| decode(r, partitions(r))).collect();
        self.metrics().batch_records.observe(records.len() as f64);
        let mut narrow = Narrow::new(records.len());
        let mut bury = false;
        while let Some(range) = narrow.range() {
            let (Some(now), Some(batch)) = (records.get(range.clone()), decoded.get(range)) else { break };
            match self.attempt(now, batch, bury).await? {
                Attempt::Done => {
                    narrow.done();
                    bury = false;
                }
                Attempt::Panicked(place) => {
                    bury = narrow.panicked(place);
                    if bury {
                        tracing::error!(
                            shard = self.fold.shard(),
                            "an event panics its fold, it becomes a dead letter"
                        );
                    }
                }
                Attempt::Again => {}
                Attempt::Stopped => return Ok(()),
            }
        }
        Ok(())
    }

    /// `bury`: the one record of the batch has panicked twice.
    async fn attempt(
        &mut self,
        records: &[Record],
        batch: &[Decoded],
        bury: bool,
    ) -> Result<Attempt, StreamError> {
        self.ranker.refresh(&self.context, &mut self.fold);
        let known = match self.load(records, batch).await {
            Ok(known) => known,
            Err(StreamError::Store(StoreError::Unavailable { .. })) if broken(Break::OutageBuries) => {
                return Ok(Attempt::Panicked(0));
            }
            Err(StreamError::Store(StoreError::Unavailable { .. })) => {
                let stand = self.take_over_again(&[]).await?;
                return Ok(if stand.is_some() { Attempt::Again } else { Attempt::Stopped });
            }
            Err(error) => return Err(error),
        };
        let folded = match records {
            [record] if bury => Ok(self.fold.bury(record)),
            _ => self.fold.fold(records, batch, &known),
        };
        let folded = match folded {
            Ok(folded) => folded,
            Err(panicked) => {
                self.fold.forget(batch.iter().filter_map(Decoded::user_event).map(|e| &e.user));
                return Ok(Attempt::Panicked(panicked.place));
            }
        };
        let touched = folded.touched.clone();
        if self.store(folded, touched).await? {
            return Ok(Attempt::Done);
        }
        Ok(if self.is_stopped() { Attempt::Stopped } else { Attempt::Again })
    }

    async fn load(
        &mut self,
        records: &[Record],
        batch: &[Decoded],
    ) -> Result<HashSet<shoptide_store::OrderLineRow>, StreamError> {
        let wants = self.fold.wants(records, batch);
        let shard = self.fold.shard();
        if !wants.users.is_empty() {
            let rows = self.context.truth.users(shard, &wants.users).await?;
            self.fold.admit(rows).map_err(|e| StreamError::Damaged { shard, reason: e.to_string() })?;
        }
        if wants.lines.is_empty() {
            return Ok(HashSet::new());
        }
        let seen = self.context.truth.known_lines(shard, &wants.lines).await?;
        Ok(wants.lines.into_iter().zip(seen).filter(|(_, known)| *known).map(|(line, _)| line).collect())
    }

    /// Adds the lists to what was folded and commits. False: it did not happen, memory was dropped, fold again.
    async fn store(&mut self, folded: Folded, touched: BTreeMap<UserId, Touch>) -> Result<bool, StreamError> {
        let Folded { mut commit, quality, .. } = folded;
        let mut cache = Vec::with_capacity(touched.len());
        let late = self.lists_of(&touched, &mut commit, &mut cache);
        commit.published = self.publisher.published();
        let today = commit.offsets.iter().map(|o| EventMs(o.append_ms).day()).max().unwrap_or(0);
        let measured = quality.iter().zip(0..).filter(|(n, _)| **n != 0);
        commit.quality = measured.map(|(n, metric)| (today, metric, *n)).collect();
        let moves = commit.offsets.clone();
        let owes = !commit.outbox.is_empty();
        let gone = commit.lists_gone.clone();
        let deferred = !commit.todo.is_empty();
        let mut dead: BTreeMap<String, u64> = BTreeMap::new();
        commit.dead.iter().for_each(|letter| *dead.entry(letter.reason.clone()).or_default() += 1);
        let (before, began) = (self.fold.positions().clone(), Instant::now());
        if broken(Break::CacheFirst) {
            self.publish(cache.clone(), &gone).await;
        }
        if !self.commit_surely(commit).await? {
            return Ok(false);
        }
        self.metrics().commit.observe(began.elapsed().as_secs_f64());
        if owes {
            self.relay.wake();
        }
        if deferred {
            self.sweep.wake();
        }
        self.count(&moves, quality);
        for (reason, n) in &dead {
            self.metrics().dead_letters.with_label_values(&[reason]).inc_by(*n);
        }
        shoptide_faults::pass(Point::W5).await;
        let made_at = tokio::time::Instant::now();
        self.late.made(cache.iter().map(|entry| &entry.user), made_at);
        self.late.put_off(late.clone(), before, made_at);
        self.publish(cache, &gone).await;
        self.note_published();
        let late: HashSet<UserId> = late.into_iter().map(|(user, _)| user).collect();
        let now = (self.context.clock)();
        let listed = touched.iter().filter(|(user, t)| t.live && !t.gone && !late.contains(*user));
        for (_, touch) in listed {
            let seconds = (now - touch.appended_ms).max(0) as f64 / 1_000.0;
            self.metrics().freshness.observe(seconds);
        }
        self.fold.trim();
        Ok(true)
    }

    /// Makes the lists that the batch touches. Users whom only an import touched wait for the sweep: a million events of
    /// the past need one list a user, not one an event. Returned: whose list is put off, with the append time of his event.
    fn lists_of(
        &mut self,
        touched: &BTreeMap<UserId, Touch>,
        commit: &mut Commit,
        cache: &mut Vec<CacheEntry>,
    ) -> Vec<(UserId, i64)> {
        let (mut late, now) = (Vec::new(), tokio::time::Instant::now());
        let mut as_of = self.fold.positions().clone();
        as_of.extend(commit.offsets.iter().map(|o| (o.topic.code(), o.to)));
        for (user, touch) in touched.iter().filter(|(_, t)| !t.gone) {
            if !touch.live {
                commit.todo.push(user.clone());
                continue;
            }
            if self.fold.user_mut(user).is_some_and(|u| 0 < u.revision) && self.late.puts_off(user, now) {
                late.push((user.clone(), touch.appended_ms));
                continue;
            }
            if let Some((row, entry)) = self.ranker.list(&mut self.fold, user, &as_of) {
                commit.lists.push(row);
                if self.sweep.has_todo() {
                    commit.todo_done.push(user.clone());
                }
                cache.push(entry);
            }
        }
        let made = self.metrics().lists_made.with_label_values(&["event"]);
        made.inc_by(commit.lists.len() as u64);
        late
    }

    /// Commits, and finds out what happened if that is not clear. False: nothing happened, and memory was dropped.
    pub(crate) async fn commit_surely(&mut self, commit: Commit) -> Result<bool, StreamError> {
        let moved = commit.clone_offsets();
        shoptide_faults::pass(Point::W6).await;
        let error = match self.context.truth.commit(commit).await {
            Ok(()) => {
                self.fold.committed(&moved);
                self.commit_pause = RETRY_FIRST;
                return Ok(true);
            }
            Err(error) => error,
        };
        let kind = match &error {
            StoreError::Unavailable { .. } => "unavailable",
            StoreError::Unknown { .. } => "unknown",
            StoreError::Fenced { .. } | StoreError::Changed { .. } => "fenced",
            StoreError::Full { .. } => "full",
            StoreError::Unusable(_) => "unusable",
        };
        self.metrics().commit_failures.with_label_values(&[kind]).inc();
        if matches!(error, StoreError::Fenced { .. }) {
            shoptide_faults::note(Point::W6Fenced);
        }
        // Fenced: another owner has the shard. It is taken back only after a while and only if the
        // group still says that it is ours, or two would fence each other for ever.
        if matches!(error, StoreError::Unusable(_) | StoreError::Fenced { .. }) {
            return Err(error.into());
        }
        tracing::warn!(shard = self.fold.shard(), %error, "a commit failed, taking the shard over again");
        if matches!(error, StoreError::Unknown { .. }) && broken(Break::UnknownIsDone) {
            self.fold.committed(&moved);
            return Ok(true);
        }
        if matches!(error, StoreError::Unknown { .. }) && broken(Break::UnknownIsFailed) {
            return Ok(false);
        }
        // A store that answers and refuses, such as one whose disk is full, is asked again by and by; the outcome of a
        // commit that is not known is looked up at once.
        if matches!(error, StoreError::Unavailable { .. } | StoreError::Full { .. }) {
            self.commit_pause = self.commit_pause.min(COMMIT_PAUSE_MAX);
            rested(&mut self.stopped, &mut self.commit_pause).await;
        }
        // Advanced: the commit arrived although its answer did not.
        Ok(matches!(self.take_over_again(&moved.offsets).await?, Some(Stand::Advanced)))
    }

    fn count(&self, moves: &[shoptide_store::OffsetMove], quality: [i64; 3]) {
        let metrics = self.metrics();
        for step in moves {
            let t = step.tally;
            for (outcome, n) in [
                ("applied", t.applied),
                ("duplicate", t.duplicate),
                ("late", t.late),
                ("erased", t.erased),
                ("dead", t.dead),
            ] {
                if 0 < n {
                    metrics.records.with_label_values(&[step.topic.name(), outcome]).inc_by(n.unsigned_abs());
                }
            }
        }
        for (name, n) in lists::QUALITY_METRICS.iter().zip(quality) {
            metrics.quality.with_label_values(&[name]).inc_by(n.unsigned_abs());
        }
        if quality.iter().any(|n| *n != 0) {
            shoptide_live::Metrics::stamp(&metrics.quality_measured);
        }
    }
}

/// How an attempt ended.
enum Attempt {
    Done,
    /// The store was away; the same records again.
    Again,
    Panicked(usize),
    Stopped,
}

/// A commit's steps alone, to move the positions once it is done.
trait Steps {
    fn clone_offsets(&self) -> Commit;
}

impl Steps for Commit {
    fn clone_offsets(&self) -> Commit {
        Commit { shard: self.shard, epoch: self.epoch, offsets: self.offsets.clone(), ..Commit::default() }
    }
}

/// Packs a list for truth and cache.
pub(crate) fn packed(list: &shoptide_schemas::StoredList) -> (Arc<[u8]>, String) {
    (Arc::from(list.encode()), list.version_key())
}
