//! The way to Redis: one connection that the background keeps up, a bound on every wait, one retry, and a breaker. No caller
//! ever waits for a server that is known to be away.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::STORE;
use super::breaker::{Breaker, SLOTS_A_GATE};
pub(super) use super::connect::Conn;
use super::connect::Target;
use super::failure::Failure;
use super::near::Near;
use super::state::RedisState;
use crate::StoreError;

/// Between attempts to connect: doubling from the first to the last. A server that is back is used within the last.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_millis(500);
/// For how long after a loss callers wait for another connection, each within its own time-out: a server at hand takes a
/// millisecond, one that does not answer at all is away. The very first connection has its whole time-out.
const GRACE: Duration = Duration::from_millis(100);
/// Probes of a shut gate until the whole connection is made anew: its idea of the cluster may be what is wrong.
const PROBES_MAX: u32 = 8;
/// For how long a refused list says that the server is full: a stream writes far more often.
const FULL_REMEMBERED_MS: i64 = 60_000;

/// What the log says once when an outage begins.
const AWAY: &str = "the cache is away, readers ask the store";

#[derive(Clone)]
enum Phase {
    Connecting,
    Ready { conn: Conn, generation: u64 },
    Broken { since_ms: i64, failure: Failure },
}

/// Shared by callers and the background; the background ends with the last caller.
pub(super) struct Link {
    target: Target,
    phase: watch::Sender<Phase>,
    /// The background is connecting.
    keeping: AtomicBool,
    /// Connections made so far, which tells an old one's failure from the present one's.
    made: AtomicU64,
    breaker: Breaker,
    /// When the server was full for the first time, 0 if it is not.
    full_since_ms: AtomicI64,
    /// When it refused a list last.
    full_last_ms: AtomicI64,
    read_timeout: Duration,
    me: Weak<Link>,
}

impl Link {
    pub fn new(target: Target, read_timeout: Duration) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            breaker: Breaker::new(target.is_cluster()),
            target,
            phase: watch::channel(Phase::Connecting).0,
            keeping: AtomicBool::new(false),
            made: AtomicU64::new(0),
            full_since_ms: AtomicI64::new(0),
            full_last_ms: AtomicI64::new(0),
            read_timeout,
            me: me.clone(),
        })
    }

    pub fn is_cluster(&self) -> bool {
        self.target.is_cluster()
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What the present connection holds near.
    pub fn near(&self) -> Option<Arc<Near>> {
        match &*self.phase.borrow() {
            Phase::Ready { conn, .. } => conn.near().cloned(),
            _ => None,
        }
    }

    pub fn state(&self) -> RedisState {
        match &*self.phase.borrow() {
            Phase::Connecting => return RedisState::Connecting,
            Phase::Broken { since_ms, failure: failure @ (Failure::Unusable(_) | Failure::NoWrites(_)) } => {
                return RedisState::Refused { since_ms: *since_ms, reason: failure.reason() };
            }
            Phase::Broken { since_ms, failure } => {
                return RedisState::Broken { since_ms: *since_ms, reason: failure.reason() };
            }
            Phase::Ready { .. } => {}
        }
        let refused = self.full_last_ms.load(Ordering::Relaxed);
        // A process that has had nothing to write since cannot say that there is no room.
        let since_ms = if refused.saturating_add(FULL_REMEMBERED_MS) < now_ms() {
            0
        } else {
            self.full_since_ms.load(Ordering::Relaxed)
        };
        match self.breaker.all_shut() {
            (gates, Some(shut)) => RedisState::Partly {
                slots: u32::try_from(gates).unwrap_or(u32::MAX).saturating_mul(SLOTS_A_GATE.into()),
                since_ms: shut.since_ms,
                reason: shut.reason,
            },
            _ if since_ms != 0 => RedisState::Full { since_ms },
            _ => RedisState::Connected,
        }
    }

    /// Runs `what` until `deadline`, on another connection if the first one turns out to be gone. `key` says whose gate it is.
    ///
    /// # Errors
    /// As [`Failure::into_error`]; at once while the gate of the key is shut.
    pub async fn run<T, F>(
        &self,
        key: &[u8],
        deadline: Instant,
        what: impl Fn(Conn) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let gate = self.breaker.gate(key);
        if let Some(shut) = self.breaker.shut(gate) {
            return Err(StoreError::Unavailable { store: STORE, reason: shut.reason });
        }
        let mut first = true;
        loop {
            let (conn, generation) = self.ready(deadline).await?;
            let watched = Watched { link: self, gate, generation, key, began: Instant::now(), ended: false };
            let outcome = timeout_at(deadline, what(conn)).await.unwrap_or(Err(Failure::Late));
            watched.end();
            match outcome {
                Ok(answer) => {
                    self.breaker.answered(gate);
                    return Ok(answer);
                }
                Err(failure) => {
                    self.failed(gate, generation, key, &failure);
                    if first && matches!(failure, Failure::Lost(_)) {
                        first = false;
                        continue;
                    }
                    return Err(failure.into_error());
                }
            }
        }
    }

    /// Has the background connect if nobody has called yet, so that an idle process knows how its cache is.
    pub fn wake(&self) {
        self.keep();
    }

    /// Notes whether the server took a list.
    pub fn took(&self, took: bool) {
        let since_ms = if took { 0 } else { now_ms() };
        self.full_last_ms.store(since_ms, Ordering::Relaxed);
        if took != (self.full_since_ms.load(Ordering::Relaxed) == 0) {
            self.full_since_ms.store(since_ms, Ordering::Relaxed);
            if !took {
                tracing::warn!(store = STORE, "{}", super::state::FULL);
            }
        }
    }

    async fn ready(&self, deadline: Instant) -> Result<(Conn, u64), StoreError> {
        if let Phase::Ready { conn, generation } = &*self.phase.borrow() {
            return Ok((conn.clone(), *generation));
        }
        let mut phases = self.phase.subscribe();
        loop {
            match &*phases.borrow_and_update() {
                Phase::Ready { conn, generation } => return Ok((conn.clone(), *generation)),
                Phase::Broken { failure, .. } => return Err(unavailable(failure)),
                Phase::Connecting => {}
            }
            self.keep();
            match timeout_at(deadline, phases.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(unavailable(&Failure::Late)),
            }
        }
    }

    fn failed(&self, gate: usize, generation: u64, key: &[u8], failure: &Failure) {
        let lost = match failure {
            Failure::Lost(_) => true,
            Failure::Late | Failure::NotNow(_) => false,
            // An answer, if not the one hoped for.
            _ => return self.breaker.answered(gate),
        };
        if self.is_cluster() {
            // Its client connects again by itself; only who is asked is decided here.
            if self.breaker.failed(gate, now_ms(), &failure.reason()) {
                self.probe(gate, key.to_vec());
            }
        } else if lost {
            self.give_up(generation, || Phase::Connecting);
        } else if self.breaker.failed(gate, now_ms(), &failure.reason()) {
            self.give_up(generation, || Phase::Broken { since_ms: now_ms(), failure: failure.clone() });
            // The phase says it all from here on; the gate is for the next connection.
            self.breaker.answered(gate);
        }
    }

    /// Leaves a connection, unless that was done meanwhile, and has another made.
    fn give_up(&self, generation: u64, next: impl FnOnce() -> Phase) {
        self.phase.send_if_modified(|phase| match phase {
            Phase::Ready { generation: current, .. } if *current == generation => {
                *phase = next();
                if let Phase::Broken { failure, .. } = phase {
                    tracing::warn!(store = STORE, reason = failure.reason(), "{AWAY}");
                }
                true
            }
            _ => false,
        });
        self.keep();
    }

    /// Has the background connect, unless it does or there is no need.
    fn keep(&self) {
        // A call may be dropped where no runtime is any more; the next one sees to it.
        let Ok(runtime) = Handle::try_current() else { return };
        if matches!(&*self.phase.borrow(), Phase::Ready { .. }) || self.keeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let link = self.me.clone();
        runtime.spawn(async move {
            let mut wait = RETRY_MIN;
            while let Some(link) = link.upgrade() {
                if link.connect_once().await {
                    return;
                }
                drop(link);
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        });
    }

    async fn connect_once(&self) -> bool {
        let connecting = self.target.connect();
        tokio::pin!(connecting);
        let outcome = match timeout(GRACE, &mut connecting).await {
            Ok(outcome) => outcome,
            Err(_) if self.made.load(Ordering::Relaxed) == 0 => connecting.await,
            Err(_) => {
                self.broken(&Failure::Late);
                connecting.await
            }
        };
        match outcome {
            Ok(conn) => {
                let generation = self.made.fetch_add(1, Ordering::Relaxed);
                self.phase.send_modify(|phase| {
                    if matches!(phase, Phase::Broken { .. }) {
                        tracing::info!(store = STORE, "the cache is back");
                    }
                    *phase = Phase::Ready { conn, generation };
                    self.keeping.store(false, Ordering::Release);
                });
                true
            }
            Err(failure) => {
                self.broken(&failure);
                false
            }
        }
    }

    fn broken(&self, failure: &Failure) {
        self.phase.send_modify(|phase| {
            let since_ms = match phase {
                Phase::Broken { since_ms, .. } => *since_ms,
                Phase::Connecting | Phase::Ready { .. } => {
                    tracing::warn!(store = STORE, reason = failure.reason(), "{AWAY}");
                    now_ms()
                }
            };
            *phase = Phase::Broken { since_ms, failure: failure.clone() };
        });
    }

    /// Asks in the background for a key of a shut gate until it answers.
    fn probe(&self, gate: usize, key: Vec<u8>) {
        tracing::warn!(store = STORE, gate, "a part of the cache is away, its readers ask the store");
        let link = self.me.clone();
        let Ok(runtime) = Handle::try_current() else { return self.breaker.answered(gate) };
        runtime.spawn(async move {
            let mut wait = RETRY_MIN;
            for tries in 1_u32.. {
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
                let Some(link) = link.upgrade() else { return };
                let Phase::Ready { mut conn, generation } = link.phase.borrow().clone() else { continue };
                let mut question = redis::cmd("GETRANGE");
                question.arg(&key).arg(0).arg(0);
                let answer =
                    timeout(link.read_timeout, question.query_async::<redis::Value>(&mut conn)).await;
                let failure = match answer {
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => Some(Failure::from(error)),
                    Err(_) => Some(Failure::Late),
                };
                match failure {
                    Some(failure @ (Failure::Lost(_) | Failure::Late | Failure::NotNow(_))) => {
                        if tries.is_multiple_of(PROBES_MAX) {
                            link.give_up(generation, || Phase::Broken { since_ms: now_ms(), failure });
                        }
                    }
                    _ => {
                        tracing::info!(store = STORE, gate, "this part of the cache is back");
                        return link.breaker.answered(gate);
                    }
                }
            }
        });
    }
}

fn unavailable(failure: &Failure) -> StoreError {
    StoreError::Unavailable { store: STORE, reason: failure.reason() }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A call under way. A caller that goes away before its answer came, after the wait of a reader, has seen a failure too.
struct Watched<'a> {
    link: &'a Link,
    gate: usize,
    generation: u64,
    key: &'a [u8],
    began: Instant,
    ended: bool,
}

impl Watched<'_> {
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.ended && self.link.read_timeout <= self.began.elapsed() {
            self.link.failed(self.gate, self.generation, self.key, &Failure::Late);
        }
    }
}
