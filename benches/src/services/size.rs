//! Bytes of Redis memory per user, measured on the server itself.

use std::sync::Arc;

use serde_json::json;
use shoptide_schemas::{ListEntry, StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, RedisCache, RedisCacheOptions};

use super::Services;
use crate::dice::Dice;
use crate::figure::{Figure, Row};

const USERS: u32 = 200_000;
/// Of the bar, and beside it what other lengths take.
const PLACES: u32 = 50;
const OTHERS: [u32; 3] = [0, 20, 100];
const BATCH: u32 = 2_000;
/// At most this many own items that speak for the places of one list.
const PROOFS: u32 = 12;
const GIB_MAX: f64 = 0.6;

fn list(user: u32, places: u32, dice: &mut Dice) -> StoredList {
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
        entries: (0..places).map(entry).collect(),
    }
}

async fn used(conn: &mut redis::aio::MultiplexedConnection) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(conn).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0))
}

/// What lists of so many places take.
#[derive(Clone, Copy)]
struct Size {
    places: u32,
    /// Of the packed list.
    list: usize,
    /// Of Redis, a user.
    user: f64,
}

impl Size {
    fn gib(self) -> f64 {
        self.user * 1e6 / f64::from(1 << 30)
    }
}

async fn size(services: &Services, places: u32) -> anyhow::Result<Size> {
    let mut conn = redis::Client::open(services.redis.as_str())?.get_multiplexed_async_connection().await?;
    let options = RedisCacheOptions {
        write_timeout_ms: 10_000,
        prefix: "size".to_owned(),
        ..RedisCacheOptions::new(&services.redis)
    };
    let cache = RedisCache::new(&options)?;
    let (mut dice, before) = (Dice(7), used(&mut conn).await?);
    let mut bytes = 0;
    for first in (0..USERS).step_by(BATCH as usize) {
        let entry = |user: u32| {
            let list = list(user, places, &mut dice);
            let data: Arc<[u8]> = Arc::from(list.encode());
            bytes = data.len();
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
    let user = (used(&mut conn).await?.saturating_sub(before)) as f64 / f64::from(USERS);
    // A clear leaves no tombstones.
    cache.clear().await?;
    Ok(Size { places, list: bytes, user })
}

/// # Errors
/// If Redis fails.
pub async fn row(services: &Services) -> anyhow::Result<Row> {
    let asked = size(services, PLACES).await?;
    let mut others = Vec::new();
    for places in OTHERS {
        others.push(size(services, places).await?);
    }
    let said = others.iter().map(|other| {
        format!("{} places {:.0} (list {}), {:.2} GiB", other.places, other.user, other.list, other.gib())
    });
    let said = said.collect::<Vec<_>>().join("; ");
    Ok(Row::Measured(Figure {
        what: format!("Redis memory for 1 M users with {PLACES}-item lists"),
        measured: format!(
            "**{:.2} GiB**: {:.0} bytes a user, of which the list {}; of {said}",
            asked.gib(),
            asked.user,
            asked.list
        ),
        bar: "<= 0.6 GiB".to_owned(),
        met: Some(asked.gib() <= GIB_MAX),
        reference: String::new(),
        how: format!(
            "used_memory before and after {USERS} users, ids of 16 bytes, {PROOFS} pieces of evidence a list; bytes = 6 a place + 3 a \
             piece of evidence + 40 of the list's header + 49 of version and echo + key + about 100 of Redis, rounded up to \
             jemalloc's classes"
        ),
        values: json!({ "bytes_per_user": asked.user, "list_bytes": asked.list }),
    }))
}
