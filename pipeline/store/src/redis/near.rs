//! Lists that this process read a moment ago, held until Redis says that they changed: its client-side caching
//! (<https://redis.io/docs/latest/develop/reference/client-side-caching/>), by `CLIENT TRACKING ON OPTIN`.
//!
//! Redis remembers which keys this connection asked for, and pushes a message on the same connection when one of them is written,
//! removed or expires. Messages and answers come in the order in which the server made them, so an answer may be held unless a message
//! of its key came in after the question was sent. What is lost with a connection is lost with all that was held by it.
//!
//! A network that swallows packets swallows messages too: what is held counts only while the server was heard of within
//! [`TRUST`]. Then somebody asks again, which costs what every read costs without this.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::{Weighter, sync};
use redis::{FromRedisValue, PushInfo, PushKind, Value};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// For how long silence is taken for "nothing changed": the oldest that a list can be when the network fails without a word.
const TRUST: Duration = Duration::from_millis(500);
/// For how long anything is held without being read anew: a server that forgot to say so is believed no longer.
const HELD_MAX: Duration = Duration::from_secs(60);
/// Counters of changes that keys share: a change of one in so many others keeps an answer from being held.
const STRIPES: usize = 1_024;
/// What an entry takes besides key and list: the two allocations, the map's slot, the entry itself.
const ENTRY_BYTES: u64 = 144;
/// Bytes for each entry that the map has room for at the start: one of sixteen usual ones, it grows.
const FIRST_BYTES: u64 = 16 * 640;

#[derive(Clone)]
struct Held {
    until: Instant,
    list: Arc<[u8]>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Held> for Bytes {
    fn weight(&self, key: &Box<[u8]>, held: &Held) -> u64 {
        ENTRY_BYTES + key.len() as u64 + held.list.len() as u64
    }
}

/// What one connection holds.
pub(super) struct Near {
    held: sync::Cache<Box<[u8]>, Held, Bytes>,
    /// Changes heard of so far, by the key's hash. Locked while an answer is taken in, so that it is in before its change is heard
    /// of, or not at all.
    changes: Box<[Mutex<u64>]>,
    made: Instant,
    /// When the youngest question was sent that has been answered, in milliseconds since `made`.
    heard_ms: AtomicU64,
    /// The connection is gone.
    gone: AtomicBool,
}

/// A question on its way.
pub(super) struct Asked<'a> {
    near: &'a Near,
    key: &'a [u8],
    changes: u64,
    at: Instant,
}

impl Near {
    /// For at most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let first = usize::try_from(bytes_max / FIRST_BYTES).unwrap_or(usize::MAX);
        Self {
            held: sync::Cache::with_weighter(first, bytes_max, Bytes),
            changes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
            made: Instant::now(),
            heard_ms: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        }
    }

    /// The list of this key if it is certain to be what the server had [`TRUST`] ago or later.
    pub fn get(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        let now = Instant::now();
        let heard = self.made + Duration::from_millis(self.heard_ms.load(Ordering::Acquire));
        if self.gone.load(Ordering::Acquire) || TRUST <= now.saturating_duration_since(heard) {
            return None;
        }
        let held = self.held.get(key)?;
        (now < held.until).then_some(held.list)
    }

    /// To be called before the question is sent.
    pub fn asked<'a>(&'a self, key: &'a [u8]) -> Asked<'a> {
        let changes =
            self.stripe(key).map_or(0, |stripe| *stripe.lock().unwrap_or_else(PoisonError::into_inner));
        Asked { near: self, key, changes, at: Instant::now() }
    }

    /// Forgets a key: the server says that it changed, or this process has changed it.
    pub fn changed(&self, key: &[u8]) {
        if let Some(stripe) = self.stripe(key) {
            let mut changes = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            *changes += 1;
            self.held.remove(key);
        }
    }

    /// What the server says unasked, in its order.
    pub fn hear(&self, said: &PushInfo) {
        match said.kind {
            PushKind::Invalidate => match said.data.first() {
                Some(Value::Array(keys)) => {
                    for key in keys {
                        match Vec::<u8>::from_redis_value_ref(key) {
                            Ok(key) => self.changed(&key),
                            Err(_) => self.forget(),
                        }
                    }
                }
                // FLUSHALL names none.
                _ => self.forget(),
            },
            PushKind::Disconnection => {
                self.gone.store(true, Ordering::Release);
                self.forget();
            }
            _ => {}
        }
    }

    fn forget(&self) {
        for stripe in &self.changes {
            *stripe.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        self.held.clear();
    }

    fn stripe(&self, key: &[u8]) -> Option<&Mutex<u64>> {
        self.changes.get(usize::try_from(xxh3_64(key) % STRIPES as u64).unwrap_or(0))
    }
}

impl Asked<'_> {
    /// Takes in the answer, if there is a list and it cannot have changed since. `left`: how long the server will hold it; that its
    /// time is over is told when the server gets to it, which is later.
    pub fn answered(self, list: Option<&Arc<[u8]>>, left: Duration) {
        let since_made = self.at.saturating_duration_since(self.near.made).as_millis();
        self.near.heard_ms.fetch_max(u64::try_from(since_made).unwrap_or(u64::MAX), Ordering::AcqRel);
        let (Some(list), Some(stripe)) = (list, self.near.stripe(self.key)) else { return };
        let changes = stripe.lock().unwrap_or_else(PoisonError::into_inner);
        if *changes == self.changes {
            let until = self.at + left.min(HELD_MAX);
            self.near.held.insert(self.key.into(), Held { until, list: list.clone() });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn list(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    fn changed(key: &[u8]) -> PushInfo {
        let keys = Value::Array(vec![Value::BulkString(key.to_vec())]);
        PushInfo { kind: PushKind::Invalidate, data: vec![keys] }
    }

    fn held(near: &Near, key: &[u8]) {
        near.asked(key).answered(Some(&list("list")), HELD_MAX);
        assert_eq!(near.get(key).as_deref(), Some(b"list".as_slice()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_is_not_held_whenever_it_is_heard_of() {
        let near = Near::new(1 << 20);
        held(&near, b"a");
        near.hear(&changed(b"b"));
        assert!(near.get(b"a").is_some(), "another key");
        near.hear(&changed(b"a"));
        assert!(near.get(b"a").is_none());
        // The message overtakes whoever brings the answer.
        let asked = near.asked(b"a");
        near.hear(&changed(b"a"));
        asked.answered(Some(&list("old")), HELD_MAX);
        assert!(near.get(b"a").is_none(), "the answer was older than its change");
        let asked = near.asked(b"a");
        near.changed(b"a");
        asked.answered(Some(&list("old")), HELD_MAX);
        assert!(near.get(b"a").is_none(), "the process changed it itself");
        near.asked(b"a").answered(None, HELD_MAX);
        assert!(near.get(b"a").is_none(), "nothing is not held");
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_forgotten_at_once() {
        let near = Near::new(1 << 20);
        held(&near, b"a");
        let asked = near.asked(b"b");
        near.hear(&PushInfo { kind: PushKind::Invalidate, data: vec![Value::Nil] });
        asked.answered(Some(&list("old")), HELD_MAX);
        assert!(near.get(b"a").is_none() && near.get(b"b").is_none());
        held(&near, b"a");
        near.hear(&PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        near.asked(b"a").answered(Some(&list("late")), HELD_MAX);
        assert!(near.get(b"a").is_none(), "nobody would say that it changed");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_trusted_for_a_moment_only() {
        let near = Near::new(1 << 20);
        held(&near, b"a");
        tokio::time::advance(TRUST - Duration::from_millis(1)).await;
        assert!(near.get(b"a").is_some());
        let slow = near.asked(b"b");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(near.get(b"a").is_none(), "nothing heard");
        slow.answered(None, HELD_MAX);
        assert!(near.get(b"a").is_some(), "an answer is as young as its question");
        tokio::time::advance(TRUST).await;
        assert!(near.get(b"a").is_none());
        for _ in 0..HELD_MAX.as_millis() / TRUST.as_millis() {
            tokio::time::advance(TRUST).await;
            near.asked(b"b").answered(None, HELD_MAX);
        }
        assert!(near.get(b"a").is_none(), "held too long, whatever is heard");
        near.asked(b"a").answered(Some(&list("list")), Duration::from_millis(20));
        assert!(near.get(b"a").is_some());
        tokio::time::advance(Duration::from_millis(20)).await;
        assert!(near.get(b"a").is_none(), "its time on the server is over");
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_within_its_bytes() {
        let near = Near::new(64 * 1_024);
        for n in 0..10_000_u32 {
            near.asked(&n.to_le_bytes()).answered(Some(&list("0123456789")), HELD_MAX);
        }
        assert!(near.held.weight() <= 64 * 1_024, "{}", near.held.weight());
        assert!(100 < near.held.len());
    }
}
