//! The cache after its outages, after crashes between commit and cache, and with lists that are put off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use shoptide_models::snapshot::Kind;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};
use shoptide_store::{Cache, CacheEntry, LocalCache, StoreError, Truth};
use tokio::sync::watch;

use crate::shop::{NOW_MS, Shop, model, view};

/// A cache that can be away, and tells when it was written.
struct Away {
    inner: Arc<LocalCache>,
    away: AtomicBool,
    writes: watch::Sender<u64>,
}

impl Away {
    fn of(shop: &mut Shop) -> Arc<Self> {
        let cache =
            Arc::new(Self { inner: shop.cache.clone(), away: false.into(), writes: watch::Sender::new(0) });
        shop.context.cache = cache.clone();
        cache
    }

    fn is_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let done = match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable { store: "test", reason: "away".to_owned() }),
            false => write.await,
        };
        self.writes.send_modify(|n| *n += 1);
        done
    }

    /// Waits until it holds what the truth holds of these users.
    async fn agrees(&self, shop: &Shop, users: &[String]) {
        let mut writes = self.writes.subscribe();
        let wait = async {
            while !agree(shop, users).await {
                writes.changed().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "the cache stays behind");
    }
}

async fn agree(shop: &Shop, users: &[String]) -> bool {
    for user in users {
        if shop.cached(user).await != shop.list(user).await {
            return false;
        }
    }
    true
}

#[async_trait]
impl Cache for Away {
    async fn get(&self, shard: u32, user: &UserId) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.inner.get(shard, user).await
    }
    async fn set_if_newer(&self, entries: Vec<CacheEntry>) -> Result<(), StoreError> {
        // A server is not asked for nothing.
        if entries.is_empty() {
            return Ok(());
        }
        self.write(self.inner.set_if_newer(entries)).await
    }
    async fn remove(&self, shard: u32, user: &UserId) -> Result<(), StoreError> {
        self.write(self.inner.remove(shard, user)).await
    }
    async fn clear(&self) -> Result<(), StoreError> {
        self.write(self.inner.clear()).await
    }
}

fn users(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("u{n}")).collect()
}

fn views(first: usize, users: &[String], item: usize) -> Vec<Value> {
    users.iter().zip(first..).map(|(user, n)| view(n, user, item)).collect()
}

async fn erase(shop: &Shop, user: &str) {
    for topic in USER_TOPICS {
        let event =
            json!({"event_id": "gone", "type": "user_erased", "user_id": user, "occurred_at": NOW_MS});
        shop.send(topic, &[event]).await;
    }
}

/// Everybody has a list, in the cache too; then the cache goes away, all lists change, and one user is erased.
async fn behind(shop: &Shop, cache: &Away, users: &[String]) {
    shop.stock_up(20).await;
    let running = shop.run();
    shop.send(Topic::Browse, &views(0, users, 1)).await;
    shop.settled().await;
    cache.agrees(shop, users).await;
    cache.is_away(true);
    shop.send(Topic::Browse, &views(users.len(), users, 2)).await;
    erase(shop, "u0").await;
    shop.settled().await;
    assert!(!agree(shop, users).await && shop.cached("u0").await.is_some());
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_was_away_catches_up_without_a_new_event() {
    let mut shop = Shop::new(2).await;
    let (cache, users) = (Away::of(&mut shop), users(150));
    shop.stock_up(20).await;
    let running = shop.run();
    shop.send(Topic::Browse, &views(0, &users, 1)).await;
    shop.settled().await;
    cache.is_away(true);
    shop.send(Topic::Browse, &views(200, &users, 2)).await;
    erase(&shop, "u0").await;
    shop.settled().await;
    cache.is_away(false);
    cache.agrees(&shop, &users).await;
    assert!(shop.cached("u0").await.is_none() && shop.cached("u1").await.is_some());
    running.stop().await.unwrap();
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_could_not_publish_his_successor_publishes() {
    let mut shop = Shop::new(2).await;
    let (cache, users) = (Away::of(&mut shop), users(150));
    behind(&shop, &cache, &users).await;
    cache.is_away(false);
    let running = shop.run();
    cache.agrees(&shop, &users).await;
    running.stop().await.unwrap();
    assert!(shop.cached("u0").await.is_none());
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_records_that_are_read_again_every_list_is_brought() {
    let mut shop = Shop::new(1).await;
    shop.context.options.batch_records_max = 5_000;
    let (cache, users) = (Away::of(&mut shop), users(150));
    behind(&shop, &cache, &users).await;
    let running = shop.run();
    for round in 1..=140 {
        shop.send(Topic::Browse, &views(1_000 * round, &users, round % 20)).await;
    }
    shop.settled().await;
    running.stop().await.unwrap();
    let row = shop.truth.offsets().await.unwrap().into_iter().find(|r| r.topic == Topic::Browse).unwrap();
    assert!(20_000 < row.next_off - row.published_off, "{row:?}");
    cache.is_away(false);
    let running = shop.run();
    cache.agrees(&shop, &users).await;
    running.stop().await.unwrap();
    assert!(shop.cached("u0").await.is_none(), "a removal is found among many records");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_no_event_asked_for_are_published_after_a_crash_too() {
    let mut shop = Shop::new(1).await;
    let (cache, users) = (Away::of(&mut shop), users(100));
    shop.stock_up(20).await;
    let running = shop.run();
    shop.send(Topic::Browse, &views(0, &users, 1)).await;
    shop.settled().await;
    cache.agrees(&shop, &users).await;
    cache.is_away(true);
    shop.live.adopt(model(1, 20, Kind::Full));
    shop.until("new lists", || async {
        shop.truth.lists_after(0, None, 1_000).await.unwrap().iter().all(|head| head.model_version == 1)
    })
    .await;
    running.stop().await.unwrap();
    assert!(!shop.truth.owed(0, 1_000).await.unwrap().is_empty());
    // Every list is of the published model already, so only what the last owner left makes the next one bring anything.
    cache.is_away(false);
    let running = shop.run();
    cache.agrees(&shop, &users).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_owed_again_is_not_settled_by_what_the_cache_had_before() {
    let mut shop = Shop::new(1).await;
    let (cache, users) = (Away::of(&mut shop), users(150));
    shop.stock_up(20).await;
    let running = shop.run();
    // An outage that ends: the cache has been brought everybody's list.
    cache.is_away(true);
    shop.send(Topic::Browse, &views(0, &users, 1)).await;
    shop.settled().await;
    cache.is_away(false);
    cache.agrees(&shop, &users).await;
    // One that does not: the sweep is of several commits, and each takes away rows of those who are settled.
    cache.is_away(true);
    shop.live.adopt(model(1, 20, Kind::Full));
    shop.until("new lists", || async {
        shop.truth.lists_after(0, None, 1_000).await.unwrap().iter().all(|head| head.model_version == 1)
    })
    .await;
    running.stop().await.unwrap();
    assert_eq!(shop.truth.owed(0, 1_000).await.unwrap().len(), users.len());
    cache.is_away(false);
    let running = shop.run();
    cache.agrees(&shop, &users).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_a_new_owner_makes_while_the_cache_is_away_are_brought_when_it_is_back() {
    let mut shop = Shop::new(1).await;
    shop.context.options.list_every_ms = 60_000;
    let (cache, anna) = (Away::of(&mut shop), ["anna".to_owned()]);
    shop.stock_up(20).await;
    let running = shop.run();
    shop.send(Topic::Browse, &[view(0, "anna", 0)]).await;
    shop.settled().await;
    shop.send(Topic::Browse, &[view(1, "anna", 1)]).await;
    shop.settled().await;
    running.stop().await.unwrap();
    // Her list was put off, so the next owner makes it.
    cache.is_away(true);
    let running = shop.run();
    shop.until("her list", || async { shop.list("anna").await.unwrap().as_of[0] == 2 }).await;
    assert!(!agree(&shop, &anna).await);
    cache.is_away(false);
    cache.agrees(&shop, &anna).await;
    running.stop().await.unwrap();
    shop.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_not_published_again() {
    let mut shop = Shop::new(1).await;
    let (cache, users) = (Away::of(&mut shop), users(100));
    shop.stock_up(20).await;
    let running = shop.run();
    for round in 0..5 {
        shop.send(Topic::Browse, &views(1_000 * round, &users, round)).await;
        shop.settled().await;
    }
    running.stop().await.unwrap();
    let row = shop.truth.offsets().await.unwrap().into_iter().find(|r| r.topic == Topic::Browse).unwrap();
    assert!(row.base_off < row.published_off && row.published_off <= row.next_off, "{row:?}");
    assert!(row.next_off - row.published_off <= 64, "at most the last batch is told twice: {row:?}");
    cache.agrees(&shop, &users).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_user_gets_his_list_a_little_later_and_after_a_crash_too() {
    let mut shop = Shop::new(1).await;
    shop.context.options.list_every_ms = 60_000;
    shop.stock_up(20).await;
    let running = shop.run();
    shop.send(Topic::Browse, &[view(0, "anna", 0)]).await;
    shop.settled().await;
    // Others come after her last event: what she waits for is still not passed.
    for (n, user) in (1..).zip(["anna", "anna", "anna", "anna", "anna", "anna", "anna", "ben", "carl"]) {
        shop.send(Topic::Browse, &[view(n, user, n)]).await;
        shop.settled().await;
    }
    running.stop().await.unwrap();
    let list = shop.list("anna").await.unwrap();
    assert_eq!((list.revision, list.as_of[0]), (1, 1), "one list in a minute");
    shop.prove().await;
    // Whoever comes next sees that the list is behind its user.
    let running = shop.run();
    shop.until("the list of all his events", || async { shop.list("anna").await.unwrap().as_of[0] == 10 })
        .await;
    running.stop().await.unwrap();
    let list = shop.list("anna").await.unwrap();
    assert_eq!((list.revision, list.entries.len()), (2, 12), "all but the eight he saw");
    assert_eq!(shop.cached("anna").await.unwrap(), list);

    shop.context.options.list_every_ms = 50;
    let running = shop.run();
    for n in 10..200 {
        shop.send(Topic::Browse, &[view(n, "anna", 8 + n % 4)]).await;
    }
    shop.until("the last list", || async { shop.list("anna").await.unwrap().as_of[0] == 200 }).await;
    running.stop().await.unwrap();
    shop.prove().await;
}
