//! The cache that several processes share: Redis 6 or newer, a single server or a cluster, no modules.

mod breaker;
mod check;
mod clear;
mod connect;
mod count;
mod failure;
mod link;
mod near;
mod options;
mod script;
mod state;
mod value;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use shoptide_schemas::UserId;
use tokio::time::Instant;

use self::clear::Walk;
use self::connect::{Target, near_get};
use self::count::Counts;
use self::failure::Failure;
use self::link::{Conn, Link};
use self::script::{Call, Done, Script, Scripts};
use crate::{Cache, CacheEntry, CacheHealth, StoreError};

pub use check::RedisReport;
pub use options::{RedisCacheOptions, RedisPassword};
pub use state::RedisState;

/// How errors call this store.
const STORE: &str = "redis";
/// Lists in one pipeline: beyond a hundred a longer one is hardly faster, and a reader's command waits behind it.
const CHUNK_ENTRIES_MAX: usize = 128;
/// Bytes in one pipeline, two milliseconds of a 1 Gbit/s line. A larger list goes alone.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Commands on their way to a cluster at a time, about as many as a pipeline: its client packs what goes to the same node.
const CLUSTER_IN_FLIGHT_MAX: usize = 128;

/// [`Cache`] in Redis.
///
/// One key for each user, `PREFIX:SHARD:USER`, and for each item that somebody asked about, `PREFIX:items:ITEM`, holds the packed list behind its version and an echo of the key (49 bytes), with
/// a TTL. A script compares the versions as strings, writes and sets the TTL in one step, so writers need no order among
/// themselves, and every write may come late or twice. A removal leaves a tombstone, as in [`crate::LocalCache`].
///
/// # Waits
/// A reader waits `read_timeout_ms` at most, a call of a writer `write_timeout_ms` for all its lists together. After three
/// failures in a row nobody waits any more: calls fail at once with [`StoreError::Unavailable`] until the background, which
/// tries every 50 to 500 ms, has been answered. A cluster is watched in sixteenths of its slots.
///
/// # Near
/// Of a single server this process also holds what it read itself, up to `near_bytes_max` bytes, until the server says that it
/// changed, which is known as soon as the message is here, mostly well within a millisecond. A server that falls silent is believed for
/// half a second. A cluster, a server that knows no RESP3, or an ACL without `CLIENT` does without.
///
/// # Memory
/// A user whose packed list has `L` bytes takes `class(L + 49 + 6) + class(K + 4) + 101` bytes, with a key of
/// `K = len(PREFIX) + len(SHARD) + len(USER) + 2` bytes: the value, the key, and Redis's own entries for the key and its TTL.
/// `class` is the allocator's next size: steps of 8 to 128 bytes, then 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024
/// and so on. With a key of 24 bytes in Redis 7.0 (the row `redis-bytes` of `benches --bin services`):
///
/// | places | list | value | bytes a user | 1 M users |
/// |---|---|---|---|---|
/// | 0 | 46 | 95 | 244 | 0.23 GiB |
/// | 20 | 202 | 251 | 386 | 0.36 GiB |
/// | 50 | 382 | 431 | 582 | 0.54 GiB |
/// | 100 | 682 | 731 | 901 | 0.84 GiB |
pub struct RedisCache {
    link: Arc<Link>,
    scripts: Scripts,
    prefix: String,
    ttl_ms: i64,
    tombstone_ms: i64,
    connect_timeout: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    counts: Counts,
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCache")
            .field("prefix", &self.prefix)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl RedisCache {
    /// Checks the options. The first call connects, so a process starts with Redis away; [`RedisCache::check`] tells.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] naming the option.
    pub fn new(options: &RedisCacheOptions) -> Result<Arc<Self>, StoreError> {
        let checked = options.checked()?;
        let target = Target::new(&checked)?;
        Ok(Arc::new(Self {
            link: Link::new(target, checked.read_timeout),
            scripts: Scripts::new(),
            prefix: checked.prefix,
            ttl_ms: checked.ttl_ms,
            tombstone_ms: checked.tombstone_ms,
            connect_timeout: checked.connect_timeout,
            read_timeout: checked.read_timeout,
            write_timeout: checked.write_timeout,
            counts: Counts::default(),
        }))
    }

    /// Asks the server whether it can be the cache, on a connection of its own. For the start of a process.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with what to do if the password is wrong, the version too old, or `cluster` not as it is;
    /// [`StoreError::Unavailable`] if it does not answer within `connect_timeout_ms`: the cache will do without until it does.
    pub async fn check(&self) -> Result<RedisReport, StoreError> {
        let asked = async {
            let mut conn = self.link.target().connect().await?;
            check::check(&mut conn).await
        };
        let answer = tokio::time::timeout(self.connect_timeout, asked).await.unwrap_or(Err(Failure::Late));
        answer.map_err(Failure::into_error)
    }

    /// How it is now, without asking the server.
    pub fn state(&self) -> RedisState {
        self.link.state()
    }

    /// Runs calls until `deadline`: what concerns one of them does not stop the others, a lost connection does.
    async fn run(&self, script: &Script, calls: Vec<Call>, deadline: Instant) -> Tally {
        let keys: Vec<Vec<u8>> = match self.link.near() {
            Some(_) => calls.iter().map(|call| call.key.clone()).collect(),
            None => Vec::new(),
        };
        let tally = self.run_all(script, calls, deadline).await;
        // Whoever wrote reads what he wrote, even before the server has told.
        if let Some(near) = self.link.near() {
            keys.iter().for_each(|key| near.changed(key));
        }
        tally
    }

    async fn run_all(&self, script: &Script, calls: Vec<Call>, deadline: Instant) -> Tally {
        let mut tally = Tally::default();
        if self.link.is_cluster() {
            let run = |call: Call| async move {
                let call = &call;
                let one = |mut conn: Conn| async move { script::run_one(&mut conn, script, call).await };
                self.link.run(&call.key, deadline, one).await
            };
            let mut outcomes = stream::iter(calls).map(run).buffer_unordered(CLUSTER_IN_FLIGHT_MAX);
            while let Some(outcome) = outcomes.next().await {
                tally.add(outcome);
            }
            return tally;
        }
        let mut calls = calls.into_iter().peekable();
        while calls.peek().is_some() && !tally.lost {
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            while let Some(call) = calls.next_if(|call| {
                chunk.is_empty()
                    || (chunk.len() < CHUNK_ENTRIES_MAX && bytes + call.bytes() <= CHUNK_BYTES_MAX)
            }) {
                bytes += call.bytes();
                chunk.push(call);
            }
            let chunk = &chunk;
            let all = |mut conn: Conn| async move { script::run_pipeline(&mut conn, script, chunk).await };
            match self.link.run(&[], deadline, all).await {
                Ok(outcomes) => {
                    outcomes.into_iter().for_each(|outcome| tally.add(outcome.map_err(Failure::into_error)));
                }
                Err(error) => {
                    tally.lost = true;
                    tally.add(Err(error));
                }
            }
        }
        tally
    }
}

/// What became of many calls.
#[derive(Default)]
struct Tally {
    written: usize,
    /// The connection went; the rest was not tried.
    lost: bool,
    full: bool,
    error: Option<StoreError>,
}

impl Tally {
    fn add(&mut self, outcome: Result<Done, StoreError>) {
        match outcome {
            Ok(Done::Written) => self.written += 1,
            Ok(Done::Left | Done::Renewed) => {}
            Err(error) => {
                self.full |= matches!(error, StoreError::Full { .. });
                if self.error.as_ref().is_none_or(|held| weight(held) < weight(&error)) {
                    self.error = Some(error);
                }
            }
        }
    }

    fn end(self) -> Result<(), StoreError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Which of several errors is told: the one after which an older list may be held, then the one that says what to do.
fn weight(error: &StoreError) -> u8 {
    match error {
        StoreError::Unavailable { .. } | StoreError::Unknown { .. } => 2,
        StoreError::Full { .. } => 1,
        _ => 0,
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, shard: u32, user: &UserId) -> Result<Option<Arc<[u8]>>, StoreError> {
        let key = value::key(&self.prefix, shard, user);
        let key = key.as_slice();
        if let Some(list) = self.link.near().and_then(|near| near.get(key)) {
            return Ok(Some(list));
        }
        let get = |mut conn: Conn| async move {
            let unpacked = |found: Option<Vec<u8>>| found.and_then(|found| value::unpack(key, &found));
            let Some(near) = conn.near().cloned() else {
                return Ok::<_, Failure>(unpacked(redis::cmd("GET").arg(key).query_async(&mut conn).await?));
            };
            let asked = near.asked(key);
            let (found, left) = near_get(&mut conn, key).await?;
            let list = unpacked(found);
            asked.answered(list.as_ref(), left);
            Ok(list)
        };
        let found = self.link.run(key, Instant::now() + self.read_timeout, get).await;
        self.counts.of(found)
    }

    /// Within `write_timeout_ms`. Lists that one error concerns do not keep the others from being set.
    async fn set_if_newer(&self, entries: Vec<CacheEntry>) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.write_timeout;
        let mut calls = Vec::with_capacity(entries.len());
        let mut refused = None;
        for entry in &entries {
            let key = value::key(&self.prefix, entry.shard, &entry.user);
            match value::pack(&key, entry) {
                Ok(value) => calls.push(Call { key, value, ttl_ms: self.ttl_ms }),
                Err(error) => refused = Some(error),
            }
        }
        let tally = self.run(&self.scripts.set, calls, deadline).await;
        if tally.full || 0 < tally.written {
            self.link.took(!tally.full);
        }
        self.counts.of(refused.map_or_else(|| tally.end(), Err))
    }

    async fn remove(&self, shard: u32, user: &UserId) -> Result<(), StoreError> {
        let key = value::key(&self.prefix, shard, user);
        let call = Call { value: value::tombstone(&key), key, ttl_ms: self.tombstone_ms };
        self.counts
            .of(self.run(&self.scripts.remove, vec![call], Instant::now() + self.write_timeout).await.end())
    }

    /// Takes as long as the server has keys; each step within `write_timeout_ms`. Tombstones stay.
    async fn clear(&self) -> Result<(), StoreError> {
        let pattern = clear::pattern(&self.prefix);
        let pattern = pattern.as_slice();
        let start = |mut conn: Conn| async move { Walk::start(&mut conn).await };
        let walk = self.link.run(&[], Instant::now() + self.write_timeout, start).await?;
        let walk = tokio::sync::Mutex::new(walk);
        loop {
            let next = |mut conn: Conn| {
                let walk = &walk;
                async move { walk.lock().await.next(&mut conn, pattern).await }
            };
            let deadline = Instant::now() + self.write_timeout;
            let Some(keys) = self.link.run(&[], deadline, next).await? else { return Ok(()) };
            let calls =
                keys.into_iter().map(|key| Call { key, value: Vec::new(), ttl_ms: 0 }).collect::<Vec<_>>();
            self.run(&self.scripts.clear, calls, Instant::now() + self.write_timeout).await.end()?;
        }
    }

    fn health(&self) -> CacheHealth {
        self.link.wake();
        CacheHealth { state: self.link.state().seen(), failed: self.counts.seen() }
    }
}
