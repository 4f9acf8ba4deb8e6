//! Bytes of Redis memory per user, measured on the server itself.

use std::sync::Arc;

use serde_json::json;
use shoptide_schemas::{ListEntry, StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, RedisCache, RedisCacheOptions};

use super::Services;
use crate::dice::Dice;
use crate::figure::{Figure, Row};

const USERS: u32 = 200_000;
const PLACES: u32 = 50;
const BATCH: u32 = 2_000;
/// Own items that speak for the places of one list.
const PROOFS: u32 = 12;
const GIB_MAX: f64 = 0.6;

fn list(user: u32, dice: &mut Dice) -> StoredList {
    let entry = |place: u32| ListEntry {
        item: dice.below(20_000) as u32,
        score: 1.0 / (1.0 + place as f32),
        source: (place % 4) as u8,
        evidence: (user + place % PROOFS * 1_009) % 20_000,
    };
    StoredList {
        epoch: 40,
        revision: 300,
        model_version: 50_000,
        catalogue_offset: 1_000_000,
        rules_version: u64::MAX / 3,
        now_ms: 1_777_896_000_000,
        as_of: [90_000_000, 9_000_000, 3_000_000, 1_000_000, 5_000_000],
        entries: (0..PLACES).map(entry).collect(),
    }
}

async fn used(conn: &mut redis::aio::MultiplexedConnection) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(conn).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0))
}

/// # Errors
/// If Redis fails.
pub async fn row(services: &Services) -> anyhow::Result<Row> {
    let mut conn = redis::Client::open(services.redis.as_str())?.get_multiplexed_async_connection().await?;
    let options = RedisCacheOptions {
        write_timeout_ms: 10_000,
        prefix: "size".to_owned(),
        ..RedisCacheOptions::new(&services.redis)
    };
    let cache = RedisCache::new(&options)?;
    let (mut dice, before) = (Dice(7), used(&mut conn).await?);
    let mut value = 0;
    for first in (0..USERS).step_by(BATCH as usize) {
        let entry = |user: u32| {
            let list = list(user, &mut dice);
            let data: Arc<[u8]> = Arc::from(list.encode());
            value = data.len();
            let id = format!("user-{user:011}");
            CacheEntry {
                shard: user % 16,
                user: UserId::from_trusted(id.as_bytes()),
                version: list.version_key(),
                data,
            }
        };
        cache.set_if_newer((first..first + BATCH).map(entry).collect()).await?;
    }
    let bytes = (used(&mut conn).await? - before) as f64 / f64::from(USERS);
    cache.clear().await?;
    let gib = bytes * 1e6 / f64::from(1 << 30);
    Ok(Row::Measured(Figure {
        what: "Redis memory for 1 M users with 50-item lists".to_owned(),
        measured: format!("**{gib:.2} GiB**: {bytes:.0} bytes a user, of which the list {value}"),
        bar: "<= 0.6 GiB".to_owned(),
        met: Some(gib <= GIB_MAX),
        reference: String::new(),
        how: format!(
            "used_memory before and after {USERS} users, ids of 16 bytes, {PROOFS} pieces of evidence a list; bytes = 6 a place + 3 a \
             piece of evidence + 40 of the list's header + 49 of version and echo + key + about 100 of Redis, rounded up to \
             jemalloc's classes"
        ),
        values: json!({ "bytes_per_user": bytes, "list_bytes": value }),
    }))
}
