//! Lists that are made without an event: after a publish, and for users whom an import touched. Bounded in rate; users
//! in memory first, because they were here last; then everyone, page by page.

use std::collections::VecDeque;
use std::time::Duration;

use shoptide_live::fold::ShardFold;
use shoptide_models::snapshot::Kind;
use shoptide_schemas::{Topic, UserId};
use shoptide_store::{Commit, OffsetMove, StoreError, Tally};
use tokio::time::Instant;

use crate::late::LATE;
use crate::shard::Shard;
use crate::{StreamContext, StreamError};

/// Lists of one commit: few enough that an event waits for at most some milliseconds.
const CHUNK: usize = 64;
/// A step that is this late goes between two batches of a log that never runs dry.
const OVERDUE: Duration = Duration::from_millis(200);

/// What became of lists that were made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remade {
    /// Memory was dropped: the same users are to be asked for again.
    Dropped,
    /// Stored, and the cache is owed them.
    Owed,
    /// Stored, and the cache has them.
    Told,
}

impl Remade {
    pub(crate) fn is_stored(self) -> bool {
        self != Self::Dropped
    }
}

/// What is to be swept.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Users with a row in `list_todo`.
    todo: bool,
    /// Users in memory at the last publish, the most recent first.
    recent: VecDeque<UserId>,
    /// Paging through the stored lists: `Some(None)` is before the first.
    page: Option<Option<UserId>>,
    /// Lists of this version or newer are left alone.
    fresh_from: u64,
    swept_version: u64,
    pause: Duration,
    next: Instant,
}

impl Sweep {
    pub(crate) fn new(context: &StreamContext) -> Self {
        let rate = context.options.sweep_lists_per_s.max(1);
        Self {
            todo: true,
            recent: VecDeque::new(),
            page: None,
            fresh_from: 0,
            swept_version: 0,
            pause: Duration::from_secs_f64(CHUNK as f64 / f64::from(rate)),
            next: Instant::now(),
        }
    }

    /// After a publish: a full version makes every older list anew, a delta only those too many versions behind.
    pub(crate) fn begin(&mut self, fold: &ShardFold, context: &StreamContext) {
        let Some(model) = context.live.model() else { return };
        let behind = context.options.list_versions_behind_max;
        let full = model.kind() == Kind::Full;
        if !full && model.version() < self.swept_version + behind.div_ceil(2) {
            return;
        }
        self.fresh_from = if full { model.version() } else { model.version().saturating_sub(behind / 2) };
        self.swept_version = model.version();
        self.recent = fold.users_by_recency().into();
        self.page = Some(None);
    }

    /// There are rows in `list_todo`.
    pub(crate) fn wake(&mut self) {
        self.todo = true;
    }

    /// Whether `list_todo` may have rows of this shard.
    pub(crate) fn has_todo(&self) -> bool {
        self.todo
    }

    pub(crate) fn busy(&self) -> bool {
        self.todo || self.page.is_some()
    }

    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    pub(crate) fn overdue(&self) -> bool {
        self.busy() && self.next + OVERDUE < Instant::now()
    }
}

impl Shard {
    /// Makes the next chunk of lists.
    pub(crate) async fn sweep_step(&mut self) -> Result<(), StreamError> {
        self.sweep.next = Instant::now() + self.sweep.pause;
        match self.sweep_chunk().await {
            Err(StreamError::Store(error @ StoreError::Unavailable { .. })) => {
                tracing::warn!(shard = self.fold.shard(), %error, "the sweep waits for the store");
                self.sweep.next = Instant::now() + crate::shard::RETRY_LAST;
                Ok(())
            }
            other => other,
        }
    }

    async fn sweep_chunk(&mut self) -> Result<(), StreamError> {
        self.ranker.refresh(&self.context, &mut self.fold);
        let shard = self.fold.shard();
        if self.sweep.todo {
            let users = self.context.truth.todo(shard, CHUNK).await?;
            let more = users.len() == CHUNK;
            // Only what is done is forgotten: the rows stay, but nobody else would look for them.
            if self.remake(users, "todo").await?.is_stored() {
                self.sweep.todo = more;
            }
            return Ok(());
        }
        let mut users = Vec::with_capacity(CHUNK);
        while users.len() < CHUNK {
            let Some(user) = self.sweep.recent.pop_front() else { break };
            let listed = self.fold.listed(&user);
            if listed.is_some_and(|(revision, model)| 0 < revision && model < self.sweep.fresh_from) {
                users.push(user);
            }
        }
        let mut next_page = self.sweep.page.clone();
        if let (true, Some(after)) = (users.is_empty(), self.sweep.page.clone()) {
            let page = self.context.truth.lists_after(shard, after.as_ref(), CHUNK).await?;
            next_page = page.last().map(|head| Some(head.user.clone()));
            users
                .extend(page.into_iter().filter(|h| h.model_version < self.sweep.fresh_from).map(|h| h.user));
        }
        // A page that failed is read again.
        if self.remake(users, "sweep").await?.is_stored() {
            self.sweep.page = next_page;
        }
        Ok(())
    }

    /// Makes the lists of these users anew and stores them.
    pub(crate) async fn remake(&mut self, users: Vec<UserId>, cause: &str) -> Result<Remade, StreamError> {
        if users.is_empty() {
            return Ok(Remade::Told);
        }
        let shard = self.fold.shard();
        let unknown: Vec<UserId> = users.iter().filter(|u| !self.fold.holds(u)).cloned().collect();
        if !unknown.is_empty() {
            let rows = self.context.truth.users(shard, &unknown).await?;
            self.fold.admit(rows).map_err(|e| StreamError::Damaged { shard, reason: e.to_string() })?;
        }
        let Some((code, at)) = self.fold.positions().first_key_value().map(|(c, o)| (*c, *o)) else {
            return Ok(Remade::Told);
        };
        let Some(topic) = Topic::from_code(i64::from(code)) else { return Ok(Remade::Told) };
        // A step of nothing: the lists change only while the epoch is ours.
        let stand = OffsetMove { topic, from: at, to: at, append_ms: 0, tally: Tally::default() };
        let mut commit =
            Commit { shard, epoch: self.fold.epoch(), offsets: vec![stand], ..Commit::default() };
        let as_of = self.fold.positions().clone();
        let mut cache = Vec::with_capacity(users.len());
        for user in &users {
            if let Some((row, entry)) = self.ranker.list(&mut self.fold, user, &as_of) {
                commit.lists.push(row);
                cache.push(entry);
            }
        }
        commit.todo_done.clone_from(&users);
        // What no record asked for is nowhere else remembered.
        if cause != LATE {
            commit.owed = commit.lists.iter().map(|list| list.user.clone()).collect();
        }
        let owed = commit.owed.clone();
        self.publisher.unsettle(&owed);
        let settled = self.publisher.settled();
        commit.owed_done.clone_from(&settled);
        let made = commit.lists.len() as u64;
        let remade = if self.commit_surely(commit).await? {
            self.metrics().lists_made.with_label_values(&[cause]).inc_by(made);
            self.publisher.unsettle(&settled);
            if self.publish(cache, &[]).await {
                self.publisher.settle(&owed);
                Remade::Told
            } else {
                Remade::Owed
            }
        } else {
            // Such a commit moves no offset, so nobody can tell whether it arrived. If it did, its users are no longer to be done:
            // whatever the truth has of them now is brought.
            self.publisher.owe(users, false);
            Remade::Dropped
        };
        self.fold.trim();
        Ok(remade)
    }
}
