//! No room, and other people's keys.

use shoptide_store::{Cache, RedisCache, RedisCacheOptions, RedisState, StoreError};

use crate::server::Server;
use crate::{entry, holds, sized, user};

const ADVICE: &str = "cache is full: set maxmemory-policy allkeys-lru";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_that_evicts_nothing_is_named_and_still_erases() {
    let Some(server) = Server::start(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let cache = RedisCache::new(&server.options()).unwrap();
    let report = cache.check().await.unwrap();
    assert!(
        report.warnings.iter().any(|text| text.contains("set maxmemory-policy allkeys-lru")),
        "{report:?}"
    );
    let mut error = None;
    for n in 0..40 {
        let lists = (0..100).map(|m| sized(n * 100 + m, 1, 9_000)).collect();
        error = error.or(cache.set_if_newer(lists).await.err());
    }
    let error = error.unwrap();
    assert!(matches!(error, StoreError::Full { .. }) && error.to_string().contains(ADVICE), "{error}");
    assert!(matches!(cache.state(), RedisState::Full { since_ms: 1.. }), "{:?}", cache.state());
    assert_eq!(cache.state().to_string(), ADVICE);
    // A newer list takes the place of the one that is held: it never stays for lack of room.
    cache.set_if_newer(vec![sized(1, 2, 9_000)]).await.unwrap();
    assert_eq!(cache.get(0, &user(1)).await.unwrap(), Some(sized(1, 2, 9_000).data));
    // What is held is served, and an erasure works, tombstone and all, for users held or not.
    assert!(cache.get(0, &user(0)).await.unwrap().is_some());
    server.cli(&["CONFIG", "SET", "maxmemory", "2mb"]);
    cache.remove(0, &user(0)).await.unwrap();
    cache.remove(0, &user("never")).await.unwrap();
    assert_eq!(cache.get(0, &user(0)).await.unwrap(), None);
    // Room again: no longer full, and who was removed stays so.
    server.cli(&["CONFIG", "SET", "maxmemory", "64mb"]);
    cache.set_if_newer(vec![sized(0, 1, 9_000), sized("never", 1, 9_000), entry("a", 1)]).await.unwrap();
    assert_eq!(cache.state(), RedisState::Connected);
    assert!(holds(&cache, "a", 1).await);
    assert_eq!(cache.get(0, &user(0)).await.unwrap(), None);
    assert_eq!(cache.get(0, &user("never")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_that_evicts_takes_every_list() {
    let Some(server) = Server::start(&["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    let cache = RedisCache::new(&server.options()).unwrap();
    assert!(cache.check().await.unwrap().warnings.is_empty());
    for n in 0..40 {
        let last = n * 100 + 99;
        cache.set_if_newer((0..100).map(|m| sized(n * 100 + m, 1, 9_000)).collect()).await.unwrap();
        assert!(cache.get(0, &user(last)).await.unwrap().is_some(), "what was set last is gone");
    }
    assert_eq!(cache.state(), RedisState::Connected);
    let kept = server.cli(&["DBSIZE"]).parse::<u64>().unwrap();
    assert!((100..4_000).contains(&kept), "{kept} of 4,000 lists");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_somebody_else_harms_nobody() {
    let Some(server) = Server::start(&[]) else { return };
    let cache = RedisCache::new(&server.options()).unwrap();
    assert_eq!(server.cli(&["RPUSH", "shoptide:0:a", "theirs"]), "1");
    // A string under our prefix is taken for a damaged list: not read, and replaced.
    server.cli(&["SET", "shoptide:0:b", &"9".repeat(2_000)]);
    assert_eq!(cache.get(0, &user("b")).await.unwrap(), None);
    let error = cache
        .set_if_newer(vec![entry("c", 1), entry("a", 1), entry("b", 1), entry("d", 1)])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("choose a prefix"), "{error}");
    for id in ["b", "c", "d"] {
        assert!(holds(&cache, id, 1).await, "{id} was not set beside a key of another type");
    }
    for _ in 0..10 {
        assert!(matches!(cache.get(0, &user("a")).await, Err(StoreError::Unusable(_))));
        assert!(matches!(cache.remove(0, &user("a")).await, Err(StoreError::Unusable(_))));
        assert!(holds(&cache, "c", 1).await, "a reply was taken for another's");
    }
    cache.clear().await.unwrap();
    assert_eq!(server.cli(&["LRANGE", "shoptide:0:a", "0", "-1"]), "theirs");
    assert_eq!(cache.state(), RedisState::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_bring_old_lists_back_is_warned_of() {
    let Some(server) = Server::start(&[]) else { return };
    let cache = RedisCache::new(&server.options()).unwrap();
    assert!(cache.check().await.unwrap().warnings.is_empty());
    for (setting, value, advice) in
        [("save", "60 1", "set save \"\""), ("appendonly", "yes", "set appendonly no")]
    {
        server.cli(&["CONFIG", "SET", setting, value]);
        let warnings = cache.check().await.unwrap().warnings;
        assert!(warnings.iter().any(|text| text.contains(advice)), "{warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_leaves_what_has_another_prefix() {
    let Some(server) = Server::start(&[]) else { return };
    let of = |prefix: &str| {
        RedisCache::new(&RedisCacheOptions { prefix: prefix.into(), ..server.options() }).unwrap()
    };
    let prefixes = ["a*", "a", "ab", "[a]", "a?", "a\\"];
    for prefix in prefixes {
        of(prefix).set_if_newer((0..30).map(|n| entry(n, 1)).collect()).await.unwrap();
    }
    server.cli(&["SET", "a*", "theirs"]);
    for (gone, prefix) in prefixes.iter().enumerate() {
        of(prefix).clear().await.unwrap();
        for (place, other) in prefixes.iter().enumerate() {
            let held = of(other).get(0, &user(3)).await.unwrap().is_some();
            assert_eq!(held, gone < place, "{other} after {prefix} was cleared");
        }
    }
    assert_eq!(server.cli(&["KEYS", "*"]), "a*");
}
