//! A truth that fails when it is told to, and tells when something was committed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shoptide_schemas::{ItemId, Topic, UserId};
use shoptide_store::*;
use tokio::sync::{Notify, watch};

/// How one call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Pass,
    Unavailable,
    /// It happened, the answer is lost.
    UnknownDone,
    /// It did not happen, and nobody says so.
    UnknownLost,
    /// A bug in the store.
    Panic,
}

/// Faults in the order of calls; after the last all pass.
#[derive(Default)]
pub struct Plan(Mutex<VecDeque<Fault>>);

impl Plan {
    pub fn set(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.0.lock().unwrap() = faults.into_iter().collect();
    }

    pub fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn next(&self) -> Fault {
        self.0.lock().unwrap().pop_front().unwrap_or(Fault::Pass)
    }
}

/// Holds commits back: the test is told that one waits, and lets it go.
#[derive(Default)]
pub struct Gate {
    pub closed: Mutex<bool>,
    pub waits: Notify,
    pub open: Notify,
}

pub struct Faulty {
    pub inner: Arc<SqliteTruth>,
    /// Commits that move offsets.
    pub commits: Plan,
    /// Commits of lists alone.
    pub sweeps: Plan,
    pub assigns: Plan,
    pub users: Plan,
    pub outbox: Plan,
    pub outbox_done: Plan,
    pub gate: Gate,
    pub assigned: AtomicU64,
    changed: watch::Sender<u64>,
}

impl Faulty {
    pub fn new(inner: Arc<SqliteTruth>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            commits: Plan::default(),
            sweeps: Plan::default(),
            assigns: Plan::default(),
            users: Plan::default(),
            outbox: Plan::default(),
            outbox_done: Plan::default(),
            gate: Gate::default(),
            assigned: AtomicU64::new(0),
            changed: watch::Sender::new(0),
        })
    }

    /// Rises with every write.
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn tick(&self) {
        self.changed.send_modify(|n| *n += 1);
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { store: "test", reason: "as planned".to_owned() }
}

fn unknown() -> StoreError {
    StoreError::Unknown { store: "test", reason: "as planned".to_owned() }
}

async fn with<T>(fault: Fault, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match fault {
        Fault::Pass => call.await,
        Fault::Unavailable => Err(unavailable()),
        Fault::UnknownLost => Err(unknown()),
        Fault::UnknownDone => call.await.and_then(|_| Err(unknown())),
        Fault::Panic => panic!("a bug in the store"),
    }
}

#[async_trait]
impl Truth for Faulty {
    async fn assign(&self, shard: u32, bases: &[(Topic, i64)]) -> Result<Vec<OffsetRow>, StoreError> {
        self.assigned.fetch_add(1, Ordering::Relaxed);
        with(self.assigns.next(), self.inner.assign(shard, bases)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let moves = commit.offsets.iter().any(|o| o.from < o.to);
        if moves && *self.gate.closed.lock().unwrap() {
            self.gate.waits.notify_one();
            self.gate.open.notified().await;
        }
        let fault = if moves { self.commits.next() } else { self.sweeps.next() };
        let result = with(fault, self.inner.commit(commit)).await;
        self.tick();
        result
    }

    async fn users(&self, shard: u32, users: &[UserId]) -> Result<Vec<UserRow>, StoreError> {
        with(self.users.next(), self.inner.users(shard, users)).await
    }

    async fn known_lines(&self, shard: u32, lines: &[OrderLineRow]) -> Result<Vec<bool>, StoreError> {
        self.inner.known_lines(shard, lines).await
    }

    async fn offsets(&self) -> Result<Vec<OffsetRow>, StoreError> {
        self.inner.offsets().await
    }

    async fn list(&self, shard: u32, user: &UserId) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.list(shard, user).await
    }

    async fn todo(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError> {
        self.inner.todo(shard, limit).await
    }

    async fn owed(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError> {
        self.inner.owed(shard, limit).await
    }

    async fn lists_after(
        &self,
        shard: u32,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ListHead>, StoreError> {
        self.inner.lists_after(shard, after, limit).await
    }

    async fn users_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId)>, StoreError> {
        self.inner.users_after(after, limit).await
    }

    async fn count_users(&self) -> Result<u64, StoreError> {
        self.inner.count_users().await
    }

    async fn oldest_model_in_lists(&self) -> Result<Option<u64>, StoreError> {
        self.inner.oldest_model_in_lists().await
    }

    async fn scan_parts(
        &self,
        since: &[(u32, Topic, i64)],
        sink: &mut (dyn FnMut(PartRow) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError> {
        self.inner.scan_parts(since, sink).await
    }

    async fn dump_all(
        &self,
        sink: &mut (dyn for<'r> FnMut(FoldedTable, &'r [u8]) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError> {
        self.inner.dump_all(sink).await
    }

    async fn dump(
        &self,
        table: FoldedTable,
        sink: &mut (dyn for<'r> FnMut(&'r [u8]) + Send),
    ) -> Result<(), StoreError> {
        self.inner.dump(table, sink).await
    }

    async fn outbox(&self, shard: u32, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        with(self.outbox.next(), self.inner.outbox(shard, limit)).await
    }

    async fn outbox_done(&self, shard: u32, rows: &[(Topic, i64)]) -> Result<(), StoreError> {
        let result = with(self.outbox_done.next(), self.inner.outbox_done(shard, rows)).await;
        self.tick();
        result
    }

    async fn chat_session(&self, key: &ChatKey) -> Result<Option<ChatSession>, StoreError> {
        self.inner.chat_session(key).await
    }

    async fn chat_turn(&self, turn: ChatTurn) -> Result<(), StoreError> {
        self.inner.chat_turn(turn).await
    }

    async fn forget_chats(&self, shard: u32, before_ms: i64, limit: usize) -> Result<usize, StoreError> {
        let result = self.inner.forget_chats(shard, before_ms, limit).await;
        self.tick();
        result
    }

    async fn dead_letters(&self, page: DeadPage) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.dead_letters(page).await
    }

    async fn rated_from(&self, shard: u32) -> Result<Option<i64>, StoreError> {
        self.inner.rated_from(shard).await
    }

    async fn item_counts(
        &self,
        items: &[ItemId],
        from_day: u32,
        to_day: u32,
    ) -> Result<Vec<ItemCount>, StoreError> {
        self.inner.item_counts(items, from_day, to_day).await
    }

    async fn quality(&self, from_day: u32) -> Result<Vec<(u32, u32, i64)>, StoreError> {
        self.inner.quality(from_day).await
    }

    async fn catalogue(&self) -> Result<(Vec<ItemRow>, Option<OffsetRow>), StoreError> {
        self.inner.catalogue().await
    }

    async fn catalogue_at(&self, offset: i64) -> Result<Vec<ItemRow>, StoreError> {
        self.inner.catalogue_at(offset).await
    }

    async fn budget(&self, shard: u32, user: &UserId) -> Result<Option<Budget>, StoreError> {
        self.inner.budget(shard, user).await
    }

    async fn set_budget(&self, shard: u32, user: &UserId, budget: Option<Budget>) -> Result<(), StoreError> {
        self.inner.set_budget(shard, user, budget).await
    }

    async fn publish_model(&self, row: ModelRow) -> Result<(), StoreError> {
        self.inner.publish_model(row).await
    }

    async fn model_pointer(&self) -> Result<Option<u64>, StoreError> {
        self.inner.model_pointer().await
    }

    async fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.inner.models().await
    }

    async fn forget_models(&self, versions: &[u64]) -> Result<(), StoreError> {
        self.inner.forget_models(versions).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
