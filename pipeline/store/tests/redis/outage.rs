//! The server goes, comes back, forgets, or hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shoptide_store::{Cache, RedisCache, RedisCacheOptions, RedisState, StoreError};

use crate::server::Server;
use crate::{back_within, entry, holds, user};

/// The background tries at least twice a second; the rest is a busy machine.
const BACK_MAX: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_readers_nothing_and_comes_back_by_itself() {
    let Some(mut server) = Server::start(&[]) else { return };
    let cache = RedisCache::new(&server.options()).unwrap();
    cache.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    assert!(holds(&cache, "a", 1).await);
    for round in 2..5 {
        server.kill();
        let error = cache.get(0, &user("a")).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable { store: "redis", .. }), "{error}");
        assert!(cache.set_if_newer(vec![entry("a", round)]).await.is_err());
        assert!(cache.remove(0, &user("a")).await.is_err() && cache.clear().await.is_err());
        let began = Instant::now();
        for _ in 0..1_000 {
            assert!(cache.get(0, &user("a")).await.is_err());
        }
        assert!(began.elapsed() < Duration::from_millis(1_000), "1,000 reads took {:?}", began.elapsed());
        let RedisState::Broken { since_ms, .. } = cache.state() else { panic!("{:?}", cache.state()) };
        server.restart();
        back_within(&cache, BACK_MAX).await;
        // Nothing is left, and the script is unknown.
        assert_eq!(cache.get(0, &user("a")).await.unwrap(), None);
        cache.set_if_newer(vec![entry("a", round)]).await.unwrap();
        assert!(holds(&cache, "a", round).await && 0 < since_ms);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_starts_while_the_server_is_away() {
    let Some(mut server) = Server::start(&[]) else { return };
    server.kill();
    let cache = RedisCache::new(&server.options()).unwrap();
    assert!(matches!(cache.check().await, Err(StoreError::Unavailable { .. })));
    assert!(cache.get(0, &user("a")).await.is_err());
    server.restart();
    back_within(&cache, BACK_MAX).await;
    let report = cache.check().await.unwrap();
    assert!(!report.version.is_empty() && report.warnings.is_empty(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_two_calls_is_not_seen() {
    let Some(mut server) = Server::start(&[]) else { return };
    let cache = RedisCache::new(&server.options()).unwrap();
    for round in 1..5 {
        cache.set_if_newer(vec![entry("a", round)]).await.unwrap();
        assert!(holds(&cache, "a", round).await);
        server.restart();
        // The first call finds its connection gone and goes on another one.
        assert_eq!(cache.get(0, &user("a")).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_flushed_is_set_again() {
    let Some(server) = Server::start(&[]) else { return };
    let cache = RedisCache::new(&server.options()).unwrap();
    cache.set_if_newer(vec![entry("a", 5)]).await.unwrap();
    server.cli(&["FLUSHALL"]);
    assert_eq!(cache.get(0, &user("a")).await.unwrap(), None);
    cache.set_if_newer(vec![entry("a", 5)]).await.unwrap();
    assert!(holds(&cache, "a", 5).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_flushed_in_the_middle_are_loaded_again() {
    let Some(server) = Server::start(&[]) else { return };
    let cache = RedisCache::new(&server.options()).unwrap();
    let writers = (0..3).map(|writer| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move {
            for round in 1..60 {
                let lists = (0..300).map(|n| entry(format!("{writer}-{n}"), round)).collect();
                cache.set_if_newer(lists).await.unwrap();
                cache.remove(0, &user("gone")).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for n in 0..900 {
        assert!(holds(&cache, format!("{}-{}", n / 300, n % 300), 59).await, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_server_is_left_within_the_time_out() {
    let Some(server) = Server::start(&[]) else { return };
    let options = RedisCacheOptions { read_timeout_ms: 60, write_timeout_ms: 400, ..server.options() };
    let cache = RedisCache::new(&options).unwrap();
    back_within(&cache, BACK_MAX).await;
    cache.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    let margin = Duration::from_millis(500);

    server.signal(Signal::STOP);
    let began = Instant::now();
    // Far more than a socket's buffers hold: not even sending may hang.
    let many = (0..20_000).map(|n| entry(n, 2)).collect();
    assert!(matches!(cache.set_if_newer(many).await, Err(StoreError::Unavailable { .. })));
    assert!(began.elapsed() < Duration::from_millis(400) + margin, "a writer waited {:?}", began.elapsed());
    for _ in 0..3 {
        let began = Instant::now();
        assert!(matches!(cache.get(0, &user("a")).await, Err(StoreError::Unavailable { .. })));
        assert!(
            began.elapsed() < Duration::from_millis(60) + margin,
            "a reader waited {:?}",
            began.elapsed()
        );
    }
    let began = Instant::now();
    for _ in 0..1_000 {
        assert!(cache.get(0, &user("a")).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_millis(1_000), "1,000 reads took {:?}", began.elapsed());
    assert!(matches!(cache.state(), RedisState::Broken { .. }), "{:?}", cache.state());
    let began = Instant::now();
    assert!(matches!(cache.check().await, Err(StoreError::Unavailable { .. })));
    assert!(began.elapsed() < Duration::from_millis(5_000) + margin);

    server.signal(Signal::CONT);
    back_within(&cache, BACK_MAX).await;
    // What the hanging server had received it may have carried out meanwhile; never does it undo what came later.
    cache.set_if_newer(vec![entry("a", 3), entry(1, 3)]).await.unwrap();
    assert!(holds(&cache, "a", 3).await && holds(&cache, 1, 3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_with_less_patience_than_the_time_out_are_counted_too() {
    let Some(server) = Server::start(&[]) else { return };
    let options = RedisCacheOptions { read_timeout_ms: 30, write_timeout_ms: 5_000, ..server.options() };
    let cache = RedisCache::new(&options).unwrap();
    back_within(&cache, BACK_MAX).await;
    server.signal(Signal::STOP);
    // A reader that fills the cache gives up long before a writer would.
    for _ in 0..3 {
        let fill = cache.set_if_newer(vec![entry("a", 1)]);
        assert!(tokio::time::timeout(Duration::from_millis(50), fill).await.is_err());
    }
    assert!(matches!(cache.state(), RedisState::Broken { .. }), "{:?}", cache.state());
    server.signal(Signal::CONT);
    back_within(&cache, BACK_MAX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_script_of_somebody_else_does_not_hold_readers_up() {
    let Some(server) = Server::start(&["--lua-time-limit", "100"]) else { return };
    let cache = RedisCache::new(&RedisCacheOptions { read_timeout_ms: 250, ..server.options() }).unwrap();
    cache.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    let port = server.port;
    let busy = std::thread::spawn(move || crate::server::cli(port, &["EVAL", "while true do end", "0"]));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    for _ in 0..100 {
        assert!(matches!(cache.get(0, &user("a")).await, Err(StoreError::Unavailable { .. })));
    }
    assert!(began.elapsed() < Duration::from_millis(1_500), "100 reads took {:?}", began.elapsed());
    server.cli(&["SCRIPT", "KILL"]);
    busy.join().unwrap();
    back_within(&cache, BACK_MAX).await;
    assert!(holds(&cache, "a", 1).await);
}
