//! Three primaries that share the slots.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shoptide_store::{Cache, RedisCache, RedisCacheOptions, RedisState, StoreError};

use crate::server::{Server, patient};
use crate::{back_within, entry, holds, user};

const BACK_MAX: Duration = Duration::from_secs(15);

fn cluster() -> Option<(Vec<Server>, RedisCacheOptions)> {
    let args = [
        "--cluster-enabled",
        "yes",
        "--cluster-config-file",
        "nodes",
        "--cluster-node-timeout",
        "60000",
        "--cluster-require-full-coverage",
        "no",
    ];
    let nodes: Vec<Server> = (0..3).map(|_| Server::start(&args)).collect::<Option<_>>()?;
    let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(addresses)
        .args(["--cluster-replicas", "0", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    let began = Instant::now();
    while !nodes.iter().all(|node| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {
        assert!(began.elapsed() < Duration::from_secs(20), "the cluster does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    // One node tells of the others.
    let options = RedisCacheOptions { cluster: true, ..nodes.first()?.options() };
    Some((nodes, options))
}

fn keys(node: &Server) -> u64 {
    node.cli(&["DBSIZE"]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_one_cache() {
    let Some((nodes, options)) = cluster() else { return };
    let cache = RedisCache::new(&options).unwrap();
    assert!(!cache.check().await.unwrap().version.is_empty());
    back_within(&cache, BACK_MAX).await;
    cache.set_if_newer((0..3_000).map(|n| entry(n, 7)).collect()).await.unwrap();
    cache.set_if_newer((0..3_000).map(|n| entry(n, 6)).collect()).await.unwrap();
    for n in (0..3_000).step_by(11) {
        assert!(holds(&cache, n, 7).await, "{n}");
    }
    assert!(nodes.iter().all(|node| 500 < keys(node)), "the keys are not spread");
    for node in &nodes {
        node.cli(&["SCRIPT", "FLUSH"]);
    }
    cache.set_if_newer((0..300).map(|n| entry(n, 8)).collect()).await.unwrap();
    cache.remove(0, &user(1)).await.unwrap();
    cache.set_if_newer(vec![entry(1, 8)]).await.unwrap();
    assert!(cache.get(0, &user(1)).await.unwrap().is_none() && holds(&cache, 2, 8).await);
    cache.clear().await.unwrap();
    assert_eq!(nodes.iter().map(keys).sum::<u64>(), 1, "only the tombstone is left");

    // A slot that moves to another node takes its lists along.
    cache.set_if_newer((0..300).map(|n| entry(n, 9)).collect()).await.unwrap();
    let id = |node: &Server| node.cli(&["CLUSTER", "MYID"]);
    let moved = Command::new("redis-cli")
        .args(["--cluster", "reshard", &format!("127.0.0.1:{}", nodes[0].port)])
        .args(["--cluster-from", &id(&nodes[0]), "--cluster-to", &id(&nodes[1])])
        .args(["--cluster-slots", "500", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stdout));
    for n in 2..300 {
        assert!(holds(&cache, n, 9).await, "{n} after its slot moved");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_concerns_only_its_own_users() {
    let Some((mut nodes, options)) = cluster() else { return };
    let cache = RedisCache::new(&RedisCacheOptions { read_timeout_ms: 250, ..options }).unwrap();
    back_within(&cache, BACK_MAX).await;
    cache.set_if_newer((0..600).map(|n| entry(n, 1)).collect()).await.unwrap();
    let on_last = keys(&nodes[2]);

    nodes[2].kill();
    // The gates of its slots shut one after the other.
    for _ in 0..6 {
        for n in 0..600 {
            let _ = cache.get(0, &user(n)).await;
        }
    }
    let began = Instant::now();
    let mut away = 0;
    for n in 0..600 {
        match cache.get(0, &user(n)).await {
            Ok(list) => assert_eq!(list, Some(entry(n, 1).data)),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
                away += 1;
            }
        }
    }
    // A gate may span two nodes: at most two of sixteen.
    assert!((on_last..on_last + 90).contains(&away), "{away} of 600 users away, {on_last} lived there");
    assert!(began.elapsed() < Duration::from_secs(2), "600 reads took {:?}", began.elapsed());
    assert!(matches!(cache.state(), RedisState::Partly { .. }), "{:?}", cache.state());

    nodes[2].restart();
    let began = Instant::now();
    while cache.state() != RedisState::Connected {
        assert!(began.elapsed() < BACK_MAX, "still {}", cache.state());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cache.set_if_newer((0..600).map(|n| entry(n, 2)).collect()).await.unwrap();
    assert!(holds(&cache, 5, 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_or_vanished_cluster_is_left_and_found_again() {
    let Some((mut nodes, options)) = cluster() else { return };
    let cache = RedisCache::new(&RedisCacheOptions { read_timeout_ms: 250, ..options }).unwrap();
    back_within(&cache, BACK_MAX).await;
    let lists = |revision| (0..200).map(|n| entry(n, revision)).collect::<Vec<_>>();
    cache.set_if_newer(lists(1)).await.unwrap();
    nodes.iter().for_each(|node| node.signal(Signal::STOP));
    for n in 0..200 {
        let _ = tokio::time::timeout(Duration::from_millis(300), cache.get(0, &user(n % 64))).await;
    }
    let began = Instant::now();
    for n in 0..64 {
        assert!(cache.get(0, &user(n)).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_millis(500), "64 reads took {:?}", began.elapsed());
    nodes.iter().for_each(|node| node.signal(Signal::CONT));
    let began = Instant::now();
    while cache.state() != RedisState::Connected || cache.get(0, &user(1)).await.is_err() {
        assert!(began.elapsed() < BACK_MAX, "still {}", cache.state());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    nodes.iter_mut().for_each(Server::kill);
    assert!(cache.set_if_newer(lists(2)).await.is_err());
    nodes.iter_mut().for_each(Server::restart);
    let began = Instant::now();
    while cache.set_if_newer(lists(3)).await.is_err() {
        assert!(began.elapsed() < BACK_MAX, "still {}", cache.state());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(holds(&cache, 1, 3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_or_cluster_is_said_when_it_is_the_other() {
    let Some((nodes, options)) = cluster() else { return };
    let single = RedisCache::new(&nodes[0].options()).unwrap();
    let error = single.check().await.unwrap_err().to_string();
    assert!(error.contains("set cluster = true"), "{error}");
    let Some(alone) = Server::start(&[]) else { return };
    let cluster = RedisCacheOptions { urls: vec![alone.url()], ..patient(options) };
    let error = RedisCache::new(&cluster).unwrap().check().await.unwrap_err().to_string();
    assert!(error.contains("set cluster = false"), "{error}");
}
