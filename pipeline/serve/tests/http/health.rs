//! What monitors are told when the cache is not as it should be: ready all the same, and degraded by name.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use shoptide_schemas::UserId;
use shoptide_serve::router;
use shoptide_store::{Cache, CacheEntry, CacheHealth, CacheState, StoreError, Truth};

use crate::common::{Shop, ids};

/// A cache in any state, the way Redis would be in it.
struct Sick {
    state: Mutex<CacheState>,
}

impl Sick {
    fn before(shop: &mut Shop) -> Arc<Self> {
        let sick = Arc::new(Self { state: Mutex::new(CacheState::Ok) });
        shop.context.cache = sick.clone();
        shop.router = router(shop.context.clone());
        sick
    }

    fn is(&self, state: CacheState) {
        *self.state.lock().unwrap() = state;
    }

    fn answer<T: Default>(&self, writes: bool) -> Result<T, StoreError> {
        match *self.state.lock().unwrap() {
            CacheState::Ok | CacheState::Connecting | CacheState::Partly => Ok(T::default()),
            CacheState::Full if writes => {
                Err(StoreError::Full { store: "test", reason: "secret-canary".into() })
            }
            CacheState::Full => Ok(T::default()),
            CacheState::Away => {
                Err(StoreError::Unavailable { store: "test", reason: "secret-canary".into() })
            }
            CacheState::Refused => Err(StoreError::Unusable("secret-canary".into())),
        }
    }
}

#[async_trait]
impl Cache for Sick {
    async fn get(&self, _: u32, _: &UserId) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.answer(false)
    }

    async fn set_if_newer(&self, _: Vec<CacheEntry>) -> Result<(), StoreError> {
        self.answer(true)
    }

    async fn remove(&self, _: u32, _: &UserId) -> Result<(), StoreError> {
        self.answer(true)
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.answer(true)
    }

    fn health(&self) -> CacheHealth {
        CacheHealth { state: *self.state.lock().unwrap(), ..CacheHealth::default() }
    }
}

#[tokio::test]
async fn a_cache_that_is_away_or_full_degrades_and_nothing_more() {
    let mut shop = Shop::new().await;
    shop.stock_twelve().await;
    let cache = Sick::before(&mut shop);
    for (state, name, says) in [
        (CacheState::Away, "away", "read from the store"),
        (CacheState::Full, "full", "set maxmemory-policy allkeys-lru"),
        (CacheState::Refused, "refused", "its log says why"),
        (CacheState::Partly, "partly", "a part of the cache"),
    ] {
        cache.is(state);
        let list = shop.get("/v1/users/u1/recommendations?n=3").await;
        assert_eq!((list.status.as_u16(), ids(&list.json()).len()), (200, 3), "{state:?}");
        let ready = shop.get("/ready").await;
        assert_eq!(ready.status, 200, "{state:?}");
        let ready = ready.json();
        assert_eq!((&ready["status"], &ready["checks"]["store"]), (&json!("ready"), &json!("ok")));
        assert!(ready["checks"]["cache"].as_str().unwrap().contains(says), "{ready}");
        let health = shop.get("/health").await.json();
        assert_eq!(health["status"], "degraded", "{health}");
        assert_eq!(health["degraded"].as_array().unwrap().len(), 1, "{health}");
        let named = &health["degraded"][0];
        assert_eq!((&named["part"], &named["state"]), (&json!("cache"), &json!(name)), "{health}");
        assert_eq!(named["message"], ready["checks"]["cache"]);
        assert!(!format!("{health}{ready}").contains("canary"), "{health}");
    }
    cache.is(CacheState::Ok);
    let health = shop.get("/health").await.json();
    assert_eq!((&health["status"], &health["degraded"]), (&json!("healthy"), &json!([])));
    assert_eq!(shop.get("/ready").await.json()["checks"]["cache"], "ok");
}

#[tokio::test]
async fn everything_that_is_degraded_is_named() {
    let mut shop = Shop::new().await;
    let cache = Sick::before(&mut shop);
    cache.is(CacheState::Away);
    shop.live.note_shard(2, false);
    shop.truth.close().await;
    let health = shop.get("/health").await;
    assert_eq!(health.status, 200);
    let health = health.json();
    let degraded = health["degraded"].as_array().unwrap();
    let parts: Vec<&str> = degraded.iter().map(|named| named["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["cache", "shards", "store"], "{health}");
    assert_eq!(shop.get("/ready").await.json()["field"], "shards");
}
