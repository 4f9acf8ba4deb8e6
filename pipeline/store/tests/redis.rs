//! Redis as it fails: killed, stopped, flushed, full, guarded by a password, in a cluster. Each test starts servers of its own;
//! without redis-server they say so and pass, unless `SHOPTIDE_TEST_SERVICES` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "redis/access.rs"]
mod access;
#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/full.rs"]
mod full;
#[path = "redis/near.rs"]
mod near;
#[path = "redis/outage.rs"]
mod outage;
#[path = "redis/server.rs"]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_schemas::{StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, RedisCache, RedisState};

fn user(id: impl ToString) -> UserId {
    UserId::from_trusted(id.to_string().as_bytes())
}

fn entry(id: impl ToString, revision: i64) -> CacheEntry {
    sized(id, revision, 900)
}

fn sized(id: impl ToString, revision: i64, bytes: usize) -> CacheEntry {
    let version = StoredList { epoch: 1, revision, ..StoredList::default() }.version_key();
    let data = Arc::from(vec![u8::try_from(revision % 251).unwrap(); bytes]);
    CacheEntry { shard: 0, user: user(id), version, data }
}

async fn holds(cache: &RedisCache, id: impl ToString, revision: i64) -> bool {
    cache.get(0, &user(id.to_string())).await.unwrap() == Some(entry(id, revision).data)
}

/// Waits until the cache is back, which it must be by itself.
async fn back_within(cache: &RedisCache, bound: Duration) {
    let began = Instant::now();
    while cache.get(0, &user("nobody")).await.is_err() || cache.state() != RedisState::Connected {
        assert!(began.elapsed() < bound, "still {} after {bound:?}", cache.state());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
