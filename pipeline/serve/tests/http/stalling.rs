//! A truth that falls silent when told to, and counts who waits for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use shoptide_schemas::{ItemId, Topic, UserId};
use shoptide_serve::{ServeContext, router};
use shoptide_store::{
    Budget, Commit, DeadLetter, DeadPage, FoldedTable, ItemCount, ItemRow, ListHead, ModelRow, OffsetRow,
    OrderLineRow, OutboxRow, PartRow, StoreError, Truth, UserRow,
};
use tokio::sync::watch;

use crate::common::Shop;

pub struct StallingTruth {
    inner: Arc<dyn Truth>,
    silent: watch::Sender<bool>,
    waiting: AtomicUsize,
}

/// One question under way.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl StallingTruth {
    /// Puts it between a shop's router and its truth.
    pub fn before(shop: &mut Shop) -> Arc<Self> {
        let truth = Arc::new(Self {
            inner: shop.truth.clone(),
            silent: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
        });
        shop.context = ServeContext { truth: truth.clone(), ..shop.context.clone() };
        shop.router = router(shop.context.clone());
        truth
    }

    pub fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Questions under way.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Asks, and says nothing of the answer while silent.
    async fn heard<T>(&self, question: impl Future<Output = T>) -> T {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        let answer = question.await;
        let mut silent = self.silent.subscribe();
        silent.wait_for(|silent| !silent).await.unwrap();
        answer
    }
}

macro_rules! stalling {
    ($($name:ident($($arg:ident: $of:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Truth for StallingTruth {
            $(async fn $name(&self, $($arg: $of),*) -> Result<$answer, StoreError> {
                self.heard(self.inner.$name($($arg),*)).await
            })*

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

            async fn scan_parts(
                &self,
                since: &[(u32, Topic, i64)],
                sink: &mut (dyn FnMut(PartRow) + Send),
            ) -> Result<Vec<OffsetRow>, StoreError> {
                self.inner.scan_parts(since, sink).await
            }

            async fn close(&self) {
                self.inner.close().await;
            }
        }
    };
}

stalling! {
    assign(shard: u32, bases: &[(Topic, i64)]) -> Vec<OffsetRow>;
    commit(commit: Commit) -> ();
    users(shard: u32, users: &[UserId]) -> Vec<UserRow>;
    known_lines(shard: u32, lines: &[OrderLineRow]) -> Vec<bool>;
    offsets() -> Vec<OffsetRow>;
    list(shard: u32, user: &UserId) -> Option<Vec<u8>>;
    todo(shard: u32, limit: usize) -> Vec<UserId>;
    owed(shard: u32, limit: usize) -> Vec<UserId>;
    lists_after(shard: u32, after: Option<&UserId>, limit: usize) -> Vec<ListHead>;
    users_after(after: Option<(u32, UserId)>, limit: usize) -> Vec<(u32, UserId)>;
    count_users() -> u64;
    oldest_model_in_lists() -> Option<u64>;
    outbox(shard: u32, limit: usize) -> Vec<OutboxRow>;
    outbox_done(shard: u32, rows: &[(Topic, i64)]) -> ();
    dead_letters(page: DeadPage) -> Vec<DeadLetter>;
    item_counts(items: &[ItemId], from_day: u32, to_day: u32) -> Vec<ItemCount>;
    quality(from_day: u32) -> Vec<(u32, u32, i64)>;
    catalogue() -> (Vec<ItemRow>, Option<OffsetRow>);
    catalogue_at(offset: i64) -> Vec<ItemRow>;
    budget(shard: u32, user: &UserId) -> Option<Budget>;
    set_budget(shard: u32, user: &UserId, budget: Option<Budget>) -> ();
    publish_model(row: ModelRow) -> ();
    model_pointer() -> Option<u64>;
    models() -> Vec<ModelRow>;
    forget_models(versions: &[u64]) -> ();
    ping() -> ();
}
