//! The cache of one process: bounded entries, an age, versions that only rise, and removals that stay removed.

mod tombstones;

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quick_cache::sync;
use shoptide_faults::{Break, broken};
use shoptide_schemas::UserId;

#[cfg(feature = "redis")]
pub(crate) use self::tombstones::TOMBSTONE_MS;
use self::tombstones::Tombstones;
use crate::{Cache, CacheEntry, StoreError};

/// Locks that setters share by key: enough that shards seldom meet on one.
const STRIPES: usize = 64;

/// Milliseconds since the epoch, so that tests can own the time.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

#[derive(Clone)]
pub struct LocalCacheOptions {
    /// A list has about 1.5 KiB: a hundred thousand users take 150 MB.
    pub entries_max: usize,
    pub ttl_ms: i64,
    pub clock: Clock,
}

#[derive(Clone)]
struct Held {
    version: Arc<str>,
    until_ms: i64,
    data: Arc<[u8]>,
}

/// [`Cache`] in memory.
pub struct LocalCache {
    held: sync::Cache<(u32, UserId), Held>,
    /// Held while a version is compared and its value set, so that of two setters the newer one stays, and a setter sees
    /// the removal that came before it.
    stripes: [Mutex<Tombstones>; STRIPES],
    hasher: std::hash::RandomState,
    ttl_ms: i64,
    clock: Clock,
}

impl LocalCache {
    pub fn new(options: LocalCacheOptions) -> Self {
        Self {
            held: sync::Cache::new(options.entries_max.max(1)),
            stripes: std::array::from_fn(|_| Mutex::default()),
            hasher: std::hash::RandomState::new(),
            ttl_ms: options.ttl_ms,
            clock: options.clock,
        }
    }

    /// Entries held now, expired ones that nobody asked for included.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Runs `change` while no other change of this key runs.
    fn alone(&self, key: &(u32, UserId), change: impl FnOnce(&mut Tombstones)) {
        let stripe = usize::try_from(self.hasher.hash_one(key) % STRIPES as u64).unwrap_or(0);
        if let Some(stripe) = self.stripes.get(stripe) {
            change(&mut stripe.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn set(&self, entry: CacheEntry, now_ms: i64) {
        let key = (entry.shard, entry.user);
        self.alone(&key, |tombstones| {
            if tombstones.bars(&key, now_ms) && !broken(Break::NoGraves) {
                // Of a stripe that is closed: better nothing than something older that this would have replaced.
                self.held.remove_if(&key, |held| *held.version < *entry.version);
                return;
            }
            // The same version is the same list: it stays longer.
            let older = |held: &Held| *entry.version < *held.version && !broken(Break::CacheUnversioned);
            let stays = self.held.peek(&key).is_some_and(|held| older(&held));
            if !stays {
                let until_ms = now_ms.saturating_add(self.ttl_ms);
                let held = Held { version: Arc::from(entry.version.as_str()), until_ms, data: entry.data };
                self.held.insert(key.clone(), held);
            }
        });
    }
}

#[async_trait]
impl Cache for LocalCache {
    async fn get(&self, shard: u32, user: &UserId) -> Result<Option<Arc<[u8]>>, StoreError> {
        let now_ms = (self.clock)();
        let held = self.held.get(&(shard, user.clone()));
        Ok(held.filter(|held| now_ms < held.until_ms).map(|held| held.data))
    }

    async fn set_if_newer(&self, entries: Vec<CacheEntry>) -> Result<(), StoreError> {
        let now_ms = (self.clock)();
        entries.into_iter().for_each(|entry| self.set(entry, now_ms));
        Ok(())
    }

    async fn remove(&self, shard: u32, user: &UserId) -> Result<(), StoreError> {
        let key = (shard, user.clone());
        let now_ms = (self.clock)();
        self.alone(&key, |tombstones| {
            self.held.remove(&key);
            tombstones.bury(key.clone(), now_ms);
        });
        Ok(())
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.held.clear();
        Ok(())
    }
}
