//! The cache of one process: bounded, forgetful, and never older than it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shoptide_schemas::{StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, LocalCache, LocalCacheOptions};

/// Nothing here ever waits.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn cache(entries_max: usize) -> (Arc<LocalCache>, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(0));
    let time = Arc::clone(&now);
    let clock = Arc::new(move || time.load(Ordering::SeqCst));
    (Arc::new(LocalCache::new(LocalCacheOptions { entries_max, ttl_ms: 100, clock })), now)
}

fn user(id: impl ToString) -> UserId {
    UserId::from_trusted(id.to_string().as_bytes())
}

fn entry(id: impl ToString, epoch: i64, revision: i64) -> CacheEntry {
    let version = StoredList { epoch, revision, ..StoredList::default() }.version_key();
    let data = Arc::from(format!("{epoch}.{revision}").as_bytes());
    CacheEntry { shard: 0, user: user(id), version, data }
}

async fn held(cache: &LocalCache, id: impl ToString) -> Option<String> {
    cache.get(0, &user(id)).await.unwrap().map(|data| String::from_utf8(data.to_vec()).unwrap())
}

#[tokio::test]
async fn only_a_newer_version_replaces() {
    let (cache, now) = cache(10);
    cache.set_if_newer(vec![entry("a", 1, 9), entry("a", 1, 2), entry("b", 1, 1)]).await.unwrap();
    assert_eq!(held(&cache, "a").await.as_deref(), Some("1.9"));
    cache.set_if_newer(vec![entry("a", 1, 10), entry("a", 1, 10)]).await.unwrap();
    assert_eq!(held(&cache, "a").await.as_deref(), Some("1.10"));
    cache.set_if_newer(vec![entry("a", 2, 1)]).await.unwrap();
    cache.set_if_newer(vec![entry("a", 1, 11)]).await.unwrap();
    assert_eq!(held(&cache, "a").await.as_deref(), Some("2.1"));
    assert_eq!(cache.get(1, &user("a")).await.unwrap(), None);

    now.store(99, Ordering::SeqCst);
    assert_eq!(held(&cache, "a").await.as_deref(), Some("2.1"));
    now.store(100, Ordering::SeqCst);
    assert_eq!(held(&cache, "a").await, None);
    cache.set_if_newer(vec![entry("a", 1, 12)]).await.unwrap();
    assert_eq!(held(&cache, "a").await, None, "an older list came back");
    cache.set_if_newer(vec![entry("a", 2, 1)]).await.unwrap();
    assert_eq!(held(&cache, "a").await.as_deref(), Some("2.1"));

    cache.set_if_newer(vec![entry("b", 1, 2)]).await.unwrap();
    cache.remove(0, &user("a")).await.unwrap();
    assert_eq!((held(&cache, "a").await, held(&cache, "b").await.is_some()), (None, true));
    cache.clear().await.unwrap();
    assert_eq!(held(&cache, "b").await, None);
}

#[tokio::test]
async fn a_late_reader_cannot_bring_back_who_was_removed() {
    let (cache, now) = cache(10);
    cache.set_if_newer(vec![entry("a", 1, 5)]).await.unwrap();
    // A reader has taken the list of revision 5 from the truth; then the user is erased, once a topic.
    let (late, never_held) = (entry("a", 1, 5), entry("b", 1, 5));
    for _ in 0..5 {
        cache.remove(0, &user("a")).await.unwrap();
    }
    cache.remove(0, &user("b")).await.unwrap();
    cache.set_if_newer(vec![late.clone(), never_held.clone(), entry("c", 1, 1)]).await.unwrap();
    assert_eq!((held(&cache, "a").await, held(&cache, "b").await), (None, None));
    assert!(held(&cache, "c").await.is_some(), "a removal concerns nobody else");
    assert!(cache.get(1, &user("a")).await.unwrap().is_none());
    // A write that was given up may still be on its way, of a list newer than the one that was held.
    cache.set_if_newer(vec![entry("a", 1, 6), entry("a", 2, 1)]).await.unwrap();
    assert_eq!(held(&cache, "a").await, None);
    // Nor is a removal remembered for ever; by then no reader is on its way.
    now.store(3_600_000, Ordering::SeqCst);
    cache.set_if_newer(vec![never_held]).await.unwrap();
    assert_eq!(held(&cache, "b").await.as_deref(), Some("1.5"));
}

#[tokio::test]
async fn entries_are_bounded() {
    let (cache, _) = cache(100);
    for n in 0..10_000 {
        cache.set_if_newer(vec![entry(n, 1, 1)]).await.unwrap();
    }
    assert!(!cache.is_empty() && cache.len() <= 100, "{}", cache.len());
}

#[test]
fn of_many_setters_the_newest_stays() {
    let (cache, _) = cache(1000);
    let setters: Vec<_> = (0..4)
        .map(|setter: i64| {
            let cache = Arc::clone(&cache);
            std::thread::spawn(move || {
                for n in 0..2_000_i64 {
                    let revision = (n * 7 + setter * 13) % 2_000;
                    block_on(cache.set_if_newer(vec![entry(n % 3, 1, revision)])).unwrap();
                }
            })
        })
        .collect();
    setters.into_iter().for_each(|setter| setter.join().unwrap());
    for id in 0..3 {
        let newest = (0..4_i64)
            .flat_map(|setter| {
                (0..2_000_i64).filter(move |n| n % 3 == id).map(move |n| (n * 7 + setter * 13) % 2_000)
            })
            .max();
        let found = block_on(held(&cache, id)).unwrap();
        assert_eq!(Some(found), newest.map(|revision| format!("1.{revision}")));
    }
}
