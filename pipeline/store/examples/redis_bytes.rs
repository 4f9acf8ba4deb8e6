//! Bytes of Redis memory per user, by number of places: `cargo run --release -p shoptide-store --example redis_bytes -- URL`.
//! Takes the memory of the whole server before and after, so use one that nothing else does.

use std::sync::Arc;
use std::time::Instant;

use shoptide_schemas::{ListEntry, StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, RedisCache, RedisCacheOptions};

/// Users of one measurement: enough that Redis's own few megabytes do not count.
const USERS: u32 = 200_000;
/// Lists in one call, as many as a busy stream commits at a time.
const BATCH: u32 = 2_000;

fn list(user: u32, places: u32) -> StoredList {
    let entry = |place: u32| ListEntry {
        item: user.wrapping_mul(31).wrapping_add(place.wrapping_mul(7_919)) % 20_000,
        score: 1.0 / (1.0 + place as f32),
        source: 1,
        evidence: user % 20_000,
    };
    StoredList { epoch: 1, revision: 1, entries: (0..places).map(entry).collect(), ..StoredList::default() }
}

/// One number out of the server's account of its memory.
async fn used(conn: &mut redis::aio::MultiplexedConnection) -> Result<u64, redis::RedisError> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(conn).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("expected the address of a Redis that nothing else uses")?;
    let mut conn = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let options = RedisCacheOptions { write_timeout_ms: 10_000, ..RedisCacheOptions::new(&url) };
    let cache = RedisCache::new(&options)?;
    println!("places  list  value   used/user  MEMORY USAGE   1 M users   lists/s set");
    for places in [0, 20, 50, 100] {
        cache.clear().await?;
        let before = used(&mut conn).await?;
        let began = Instant::now();
        for first in (0..USERS).step_by(BATCH as usize) {
            let entry = |user: u32| {
                let list = list(user, places);
                let id = format!("user-{user:011}");
                CacheEntry {
                    shard: user % 16,
                    user: UserId::from_trusted(id.as_bytes()),
                    version: list.version_key(),
                    data: Arc::from(list.encode()),
                }
            };
            cache.set_if_newer((first..first + BATCH).map(entry).collect()).await?;
        }
        let rate = f64::from(USERS) / began.elapsed().as_secs_f64();
        let bytes = (used(&mut conn).await? - before) as f64 / f64::from(USERS);
        let key = format!("{}:5:user-{:011}", options.prefix, 5);
        let one: u64 = redis::cmd("MEMORY").arg("USAGE").arg(&key).query_async(&mut conn).await?;
        let value: u64 = redis::cmd("STRLEN").arg(&key).query_async(&mut conn).await?;
        let gib = bytes * 1e6 / f64::from(1 << 30);
        let packed = list(5, places).encode().len();
        println!("{places:6} {packed:5} {value:6} {bytes:11.1} {one:13} {gib:7.2} GiB {rate:13.0}");
    }
    cache.clear().await?;
    Ok(())
}
