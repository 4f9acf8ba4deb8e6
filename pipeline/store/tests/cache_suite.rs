//! Runs the suite of every cache on each of them: the one in memory always, Redis on the server that `SHOPTIDE_TEST_REDIS` names
//! or on one of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cache_suite/cases.rs"]
mod cases;
#[path = "redis/server.rs"]
#[allow(dead_code, reason = "the other tests of Redis need more of it")]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use shoptide_store::{Cache, LocalCache, LocalCacheOptions, RedisCache, RedisCacheOptions};

/// A cache, how long it keeps things, and how time passes for it.
pub struct Subject {
    pub cache: Arc<dyn Cache>,
    pub ttl_ms: i64,
    pub tombstone_ms: i64,
    clock: Option<Arc<AtomicI64>>,
    /// Ends with the test.
    _server: Option<server::Server>,
}

impl Subject {
    pub async fn wait(&self, ms: i64) {
        match &self.clock {
            Some(clock) => {
                clock.fetch_add(ms, Ordering::SeqCst);
            }
            None => tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await,
        }
    }

    fn local() -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&clock);
        let cache = Arc::new(LocalCache::new(LocalCacheOptions {
            entries_max: 100_000,
            ttl_ms: 1_000,
            clock: Arc::new(move || time.load(Ordering::SeqCst)),
        }));
        Self { cache, ttl_ms: 1_000, tombstone_ms: 30_000, clock: Some(clock), _server: None }
    }

    fn redis(near_bytes_max: u64) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Long enough for a busy machine to come back to a test in the meantime.
        let (ttl_ms, tombstone_ms) = (4_000, 4_000);
        let (url, server) = match std::env::var("SHOPTIDE_TEST_REDIS") {
            Ok(url) => (url, None),
            Err(_) => {
                let server = server::Server::start(&[])?;
                (server.url(), Some(server))
            }
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let options = RedisCacheOptions {
            prefix: format!("test-{}-{number}", std::process::id()),
            ttl_ms,
            tombstone_ms,
            near_bytes_max,
            ..server::patient(RedisCacheOptions::new(url))
        };
        let cache = RedisCache::new(&options).unwrap();
        Some(Self { cache, ttl_ms, tombstone_ms, clock: None, _server: server })
    }
}

macro_rules! on_every_cache {
    ($($test:ident,)*) => {
        mod local {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::cases::$test(&super::Subject::local()).await;
                }
            )*
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(subject) = super::Subject::redis(0) else { return };
                    super::cases::$test(&subject).await;
                    subject.cache.clear().await.unwrap();
                }
            )*
        }
        mod near {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(subject) = super::Subject::redis(1 << 20) else { return };
                    super::cases::$test(&subject).await;
                    subject.cache.clear().await.unwrap();
                }
            )*
        }
    };
}

on_every_cache! {
    only_a_newer_version_replaces,
    versions_beyond_doubles_stay_apart,
    lists_expire_and_the_same_again_stays_longer,
    a_late_reader_cannot_bring_back_who_was_removed,
    removals_are_remembered_for_a_while_and_outlive_a_clear,
    ids_that_only_look_alike_stay_apart,
    many_and_large_lists_go_in_one_call,
    of_many_setters_the_newest_stays,
    clear_takes_every_list,
}

#[cfg(feature = "faults")]
#[path = "broken/mod.rs"]
mod broken;

#[cfg(feature = "faults")]
#[test]
fn broken_protections_are_noticed() {
    use shoptide_faults::Break;
    for place in ["local", "redis"] {
        if place == "redis" && !broken::has("SHOPTIDE_TEST_REDIS") {
            continue;
        }
        broken::noticed(Break::CacheUnversioned, &format!("{place}::only_a_newer_version_replaces"));
        broken::noticed(
            Break::NoGraves,
            &format!("{place}::a_late_reader_cannot_bring_back_who_was_removed"),
        );
    }
}
