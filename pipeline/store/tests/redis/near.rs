//! Lists that a process holds of its own reads, beside another process that changes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shoptide_store::{Cache, RedisCache, RedisCacheOptions};

use crate::server::Server;
use crate::{back_within, entry, holds, user};

/// The message takes well under a millisecond; the rest is a busy machine.
const TOLD_MAX: Duration = Duration::from_secs(2);
/// For how long a silent server is believed.
const TRUST: Duration = Duration::from_millis(500);
const KEYS: u32 = 20;
const ROUNDS: i64 = 200;
/// Of a reader and of the change, so that some meet in every way.
const READERS: u32 = 4;

/// One that holds what it reads, and one that does not.
fn two(server: &Server) -> (Arc<RedisCache>, Arc<RedisCache>) {
    let near = RedisCacheOptions { near_bytes_max: 1 << 20, ..server.options() };
    (RedisCache::new(&near).unwrap(), RedisCache::new(&server.options()).unwrap())
}

/// How often the server was asked for a list.
fn asked(server: &Server) -> u64 {
    let said = server.cli(&["INFO", "commandstats"]);
    let calls = said.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls=")?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < TOLD_MAX, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_change_is_not_asked_for_again() {
    let Some(server) = Server::start(&[]) else { return };
    let (near, other) = two(&server);
    other.set_if_newer(vec![entry("a", 1), entry("b", 1)]).await.unwrap();
    assert!(holds(&near, "a", 1).await);
    let (began, before) = (Instant::now(), asked(&server));
    for _ in 0..10_000 {
        assert!(holds(&near, "a", 1).await);
    }
    // Each time that the server has been silent for too long somebody asks.
    let most = 1 + began.elapsed().as_millis() / TRUST.as_millis();
    let times = asked(&server) - before;
    assert!(u128::from(times) <= most, "asked {times} times in {:?}", began.elapsed());
    for round in 2..20 {
        other.set_if_newer(vec![entry("a", round)]).await.unwrap();
        until("a change is not seen", async || holds(&near, "a", round).await).await;
        assert!(holds(&near, "b", 1).await);
    }
    other.remove(0, &user("a")).await.unwrap();
    until("a removal is not seen", async || near.get(0, &user("a")).await.unwrap().is_none()).await;
    server.cli(&["FLUSHALL"]);
    until("a flush is not seen", async || near.get(0, &user("b")).await.unwrap().is_none()).await;
    server.cli(&["FLUSHALL"]);
    other.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    assert!(holds(&near, "a", 1).await);
    server.cli(&["PEXPIRE", "shoptide:0:a", "1"]);
    until("an end of its time is not seen", async || near.get(0, &user("a")).await.unwrap().is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_go_back_and_end_at_the_newest() {
    let Some(server) = Server::start(&[]) else { return };
    let (near, other) = two(&server);
    let all = |round| (0..KEYS).map(|key| entry(key, round)).collect::<Vec<_>>();
    other.set_if_newer(all(1)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (near, done) = (near.clone(), done.clone());
            tokio::spawn(async move {
                let (mut last, mut reads) = ([0; KEYS as usize], 0_u64);
                while !done.load(Ordering::Relaxed) {
                    let key = (reads as u32 * 7 + reader) % KEYS;
                    let list = near.get(0, &user(key)).await.unwrap().unwrap();
                    let last = &mut last[key as usize];
                    assert!(*last <= list[0], "{key} went from {last} back to {}", list[0]);
                    *last = list[0];
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for round in 2..=ROUNDS {
        other.set_if_newer(all(round)).await.unwrap();
        if round % 10 == 0 {
            until("the newest is not read", async || holds(&near, round as u32 % KEYS, round).await).await;
        }
    }
    for key in 0..KEYS {
        until("the newest is not read", async || holds(&near, key, ROUNDS).await).await;
    }
    done.store(true, Ordering::Relaxed);
    let before = asked(&server);
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    assert!(before < reads, "{before} of {reads} reads went to the server: was anything held?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_or_silent_is_not_believed_for_long() {
    let Some(mut server) = Server::start(&[]) else { return };
    let near = RedisCacheOptions { near_bytes_max: 1 << 20, read_timeout_ms: 50, ..server.options() };
    let near = RedisCache::new(&near).unwrap();
    near.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    assert!(holds(&near, "a", 1).await);
    server.signal(Signal::STOP);
    let stopped = Instant::now();
    while near.get(0, &user("a")).await.is_ok() {
        assert!(stopped.elapsed() < 2 * TRUST, "{:?} after it fell silent", stopped.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.signal(Signal::CONT);
    back_within(&near, Duration::from_secs(5)).await;
    assert!(holds(&near, "a", 1).await && holds(&near, "a", 1).await);
    server.kill();
    until("what a dead server said is believed", async || near.get(0, &user("a")).await.is_err()).await;
    server.restart();
    back_within(&near, Duration::from_secs(5)).await;
    assert_eq!(near.get(0, &user("a")).await.unwrap(), None, "of a server that is no more");
}
