//! The cache as one process meets it. A write may be refused, may be done without an answer, or may arrive much later, even
//! after its process is gone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::FutureExt;
use shoptide_schemas::{StoredList, UserId};
use shoptide_store::{Cache, CacheEntry, LocalCache, SqliteTruth, StoreError, Truth};

use crate::helper::Helper;
use crate::world::{Service, World};

enum Write {
    Set(Vec<CacheEntry>),
    Remove(u32, UserId),
}

/// What all processes share of the cache.
pub struct Shared {
    pub world: Arc<World>,
    pub cache: LocalCache,
    pub helper: Arc<Helper>,
    pub store: Arc<SqliteTruth>,
    late: Mutex<Vec<(i64, Write)>>,
    /// How often it has lost everything, and with it each connection to it.
    losses: AtomicU64,
}

impl Shared {
    pub fn new(
        world: Arc<World>,
        cache: LocalCache,
        helper: Arc<Helper>,
        store: Arc<SqliteTruth>,
    ) -> Arc<Self> {
        Arc::new(Self { world, cache, helper, store, late: Mutex::default(), losses: AtomicU64::new(0) })
    }

    fn apply(&self, write: Write) {
        match write {
            Write::Set(entries) => {
                let looked_at: Vec<_> =
                    entries.iter().take(2).map(|e| (e.shard, e.user.clone(), e.version.clone())).collect();
                self.cache.set_if_newer(entries).now_or_never().expect("memory does not wait").unwrap();
                looked_at
                    .into_iter()
                    .for_each(|(shard, user, version)| self.not_newer(shard, &user, &version));
            }
            Write::Remove(shard, user) => {
                self.cache.remove(shard, &user).now_or_never().expect("memory does not wait").unwrap();
            }
        }
    }

    /// The cache must not be ahead of the truth, at no moment.
    fn not_newer(&self, shard: u32, user: &UserId, version: &str) {
        let (store, id) = (self.store.clone(), user.clone());
        let stored = self.helper.call(async move { store.list(shard, &id).await }).unwrap();
        let stored = stored.map(|bytes| StoredList::decode(&bytes).unwrap().version_key());
        if stored.as_deref().is_some_and(|stored| stored < version) {
            self.world.violated(format!("the cache has {version} of {user}, the truth only {stored:?}"));
        }
        self.world.saw("cache compared");
    }

    /// Writes that were on their way and arrive now.
    pub fn arrive(&self, now_ms: i64) {
        let mut late = self.late.lock().unwrap();
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *late).into_iter().partition(|(at, _)| *at <= now_ms);
        *late = rest;
        drop(late);
        for (_, write) in due {
            self.world.saw("late cache write");
            self.world.note(0, || "a late cache write arrives".to_owned());
            self.apply(write);
        }
    }

    pub fn get(&self, shard: u32, user: &UserId) -> Option<Arc<[u8]>> {
        self.cache.get(shard, user).now_or_never().expect("memory does not wait").unwrap()
    }

    /// As a restart: what was on its way to it is lost too. (A value that overtakes a loss, and is older than what was lost,
    /// would stay until its user's next event: that is what an age is for.)
    pub fn lose_all(&self) {
        self.late.lock().unwrap().clear();
        self.losses.fetch_add(1, Ordering::Relaxed);
        self.cache.clear().now_or_never().expect("memory does not wait").unwrap();
        self.world.saw("cache lost");
        self.world.note(0, || "the cache loses everything".to_owned());
    }
}

#[derive(Clone)]
pub struct SimCache {
    pub shared: Arc<Shared>,
    pub process: u32,
}

fn away() -> StoreError {
    StoreError::Unavailable { store: "simulated cache", reason: "an outage".to_owned() }
}

impl SimCache {
    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let world = &self.shared.world;
        let connected = self.shared.losses.load(Ordering::Relaxed);
        world.way(self.process).await;
        // What was sent to a server that has started again since, its sender asleep meanwhile, never arrives.
        if world.is_away(Service::Cache) || connected != self.shared.losses.load(Ordering::Relaxed) {
            world.saw("cache away");
            return Err(away());
        }
        let fate = if world.chaos() { world.dice(|d| d.below(100)) } else { 99 };
        match fate {
            0..4 => {
                let at = world.now_ms() + world.dice(|d| d.between(5, 4_000)).cast_signed();
                self.shared.late.lock().unwrap().push((at, write));
                world.note(self.process, || "a cache write goes astray".to_owned());
                return Err(away());
            }
            4 => {
                self.shared.apply(write);
                return Err(away());
            }
            _ => self.shared.apply(write),
        }
        world.way(self.process).await;
        Ok(())
    }
}

#[async_trait]
impl Cache for SimCache {
    async fn get(&self, shard: u32, user: &UserId) -> Result<Option<Arc<[u8]>>, StoreError> {
        let world = &self.shared.world;
        world.way(self.process).await;
        if world.is_away(Service::Cache) {
            return Err(away());
        }
        let found = self.shared.get(shard, user);
        world.way(self.process).await;
        Ok(found)
    }

    async fn set_if_newer(&self, entries: Vec<CacheEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.shared.world.note(self.process, || {
            let short = |e: &CacheEntry| {
                let (epoch, revision) = e.version.split_once('.').unwrap_or_default();
                format!("{} {}.{}", e.user, epoch.trim_start_matches('0'), revision.trim_start_matches('0'))
            };
            format!("sets {:?}", entries.iter().map(short).collect::<Vec<_>>())
        });
        self.write(Write::Set(entries)).await
    }

    async fn remove(&self, shard: u32, user: &UserId) -> Result<(), StoreError> {
        self.shared.world.note(self.process, || format!("removes {user} of shard {shard}"));
        self.write(Write::Remove(shard, user.clone())).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.shared.lose_all();
        Ok(())
    }
}
