//! Finds a user's stored list: the cache, else the truth (one question a user at a time, the answer goes into the cache),
//! else whoever the user turned out to be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use shoptide_models::state::UserState;
use shoptide_schemas::{StoredList, UserId};
use shoptide_store::CacheEntry;

use crate::app::{App, Waits};

/// How long the cache may take: beyond it the truth is quicker.
const CACHE_PATIENCE: Duration = Duration::from_millis(40);
/// Forwarding addresses that are followed: as many as the fold itself follows.
const HOPS_MAX: usize = 3;
/// How long one question about a user may take, whoever waits for it: what a slow store says after its readers have been
/// answered is still good for the cache, and the next of them. Beyond it the question is withdrawn.
const FLIGHT_PATIENCE: Duration = Duration::from_secs(1);
/// Users read from the truth at a time. Beyond it a reader gets the fallback at once: when the cache is empty and the
/// truth slow, a queue would only make both worse.
const FLIGHTS_MAX: usize = 512;

/// What was found.
pub(crate) struct Found {
    /// The user asked for, or the one he turned out to be.
    pub user: UserId,
    pub shard: u32,
    pub list: Option<Arc<StoredList>>,
    /// Read along the way, if no list was found.
    pub state: Option<Arc<UserState>>,
    /// The list is what the cache held of the user asked for.
    pub held: bool,
}

/// What the truth says of a user without a cached list.
#[derive(Clone)]
enum Filled {
    List(Arc<StoredList>),
    Forward(UserId),
    /// No list (yet).
    State(Arc<UserState>),
    /// The truth did not answer.
    Nothing,
}

type Flight = Shared<BoxFuture<'static, Filled>>;

/// Questions to the truth that are under way, by user.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<(u32, UserId), Flight>>);

/// Finds the list, following forwarding addresses. `held`: what the cache has of this user.
pub(crate) async fn find(app: &Arc<App>, user: UserId, held: Option<Arc<[u8]>>, waits: Waits) -> Found {
    let reads = &app.context.live.metrics().cache_reads;
    let (mut user, mut held) = (user, held);
    for hop in 0..=HOPS_MAX {
        let shard = app.shard_of(&user);
        if hop != 0 {
            held = fetched(app, shard, &user).await;
        }
        if let Some(list) = held.as_deref().and_then(|bytes| decoded(app, bytes)) {
            reads.with_label_values(&["hit"]).inc();
            return Found { user, shard, list: Some(Arc::new(list)), state: None, held: hop == 0 };
        }
        match filled(app, shard, &user, waits).await {
            Filled::List(list) => {
                reads.with_label_values(&["store"]).inc();
                return Found { user, shard, list: Some(list), state: None, held: false };
            }
            Filled::Forward(known) => user = known,
            Filled::State(state) => {
                reads.with_label_values(&["made"]).inc();
                return Found { user, shard, list: None, state: Some(state), held: false };
            }
            Filled::Nothing => break,
        }
    }
    reads.with_label_values(&["made"]).inc();
    let shard = app.shard_of(&user);
    Found { user, shard, list: None, state: None, held: false }
}

/// The list that the cache holds under an owner, in time and undamaged.
pub(crate) async fn cached(app: &App, shard: u32, user: &UserId) -> Option<StoredList> {
    fetched(app, shard, user).await.and_then(|bytes| decoded(app, &bytes))
}

/// The packed list that the cache holds under an owner, in time.
pub(crate) async fn fetched(app: &App, shard: u32, user: &UserId) -> Option<Arc<[u8]>> {
    match tokio::time::timeout(CACHE_PATIENCE, app.context.cache.get(shard, user)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            app.complain(&error);
            None
        }
        Err(elapsed) => {
            app.complain(&elapsed);
            None
        }
    }
}

/// A damaged value is as good as none: the truth replaces it.
fn decoded(app: &App, bytes: &[u8]) -> Option<StoredList> {
    StoredList::decode(bytes).inspect_err(|error| app.complain(error)).ok()
}

async fn filled(app: &Arc<App>, shard: u32, user: &UserId, waits: Waits) -> Filled {
    let Some(flight) = join(app, shard, user) else { return Filled::Nothing };
    tokio::time::timeout(waits.left(), flight).await.unwrap_or(Filled::Nothing)
}

/// Joins the question about this user that is under way, or asks it; `None` if too many are.
fn join(app: &Arc<App>, shard: u32, user: &UserId) -> Option<Flight> {
    let key = (shard, user.clone());
    let mut flights = app.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flight) = flights.get(&key) {
        return Some(flight.clone());
    }
    if FLIGHTS_MAX <= flights.len() {
        return None;
    }
    let landing = Landing { app: app.clone(), key: key.clone() };
    // In a task of its own: a reader who leaves must not cancel a query half way.
    let task = tokio::spawn(async move {
        let (shard, user) = (landing.key.0, landing.key.1.clone());
        load(&landing.app, shard, user).await
    });
    let flight = task.map(|filled| filled.unwrap_or(Filled::Nothing)).boxed().shared();
    flights.insert(key, flight.clone());
    Some(flight)
}

/// Takes a question off the board when it is answered, or when answering it panicked.
struct Landing {
    app: Arc<App>,
    key: (u32, UserId),
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.app.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

async fn load(app: &Arc<App>, shard: u32, user: UserId) -> Filled {
    let (truth, asked) = (app.context.truth.clone(), user.clone());
    match app.ask(FLIGHT_PATIENCE, async move { truth.list(shard, &asked).await }).await {
        Ok(Some(bytes)) => match StoredList::decode(&bytes) {
            Ok(list) => {
                fill(app, CacheEntry { shard, user, version: list.version_key(), data: Arc::from(bytes) })
                    .await;
                return Filled::List(Arc::new(list));
            }
            Err(error) => app.complain(&error),
        },
        Ok(None) => {}
        Err(_) => return Filled::Nothing,
    }
    match app.state(shard, &user, FLIGHT_PATIENCE).await {
        Ok(state) => match state.forward() {
            Some(known) => Filled::Forward(known.clone()),
            None => Filled::State(Arc::new(state)),
        },
        Err(_) => Filled::Nothing,
    }
}

/// Puts a list into the cache. If its user was erased meanwhile the cache knows, and refuses it.
pub(crate) async fn fill(app: &App, entry: CacheEntry) {
    if !app.context.options.cache_fill {
        return;
    }
    match tokio::time::timeout(CACHE_PATIENCE, app.context.cache.set_if_newer(vec![entry])).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => app.complain(&error),
        Err(elapsed) => app.complain(&elapsed),
    }
}
