//! What every handler shares: the context it was given, and the few bounded memories that make reads cheap.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shoptide_faults::{Break, Point};
use shoptide_live::Live;
use shoptide_log::{Log, NewRecord, Position};
use shoptide_models::list::{ListParams, ListScratch};
use shoptide_models::state::{Part, UserState};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{EventMs, Topic, UserId};
use shoptide_search::Search;
use shoptide_store::{Cache, StoreError, Truth};
use tokio::sync::Semaphore;

use crate::body::BODIES_KIB_MAX;
use crate::budgets::Budgets;
use crate::chat::{Chat, LanguageModel};
use crate::error::ApiError;
use crate::options::ServeOptions;
use crate::questions::{QUESTIONS_MAX, Questions, Unanswered};
use crate::read::{Answers, Flights, SharedLists};

/// Health checks come every second from several sides; counting users is not free.
const COUNT_AGE: Duration = Duration::from_secs(2);
/// Failures of a dependency are logged at most this often: an outage under load must not fill the disk.
const COMPLAINT_EVERY_MS: i64 = 1_000;
/// How long a reader waits for one answer of the store before he gets what can be made without it.
const READ_PATIENCE: Duration = Duration::from_millis(120);
/// How long a reader waits for the store in all: below the 300 ms that he may wait while a dependency is down.
const READ_PATIENCE_IN_ALL: Duration = Duration::from_millis(250);

/// What is left of one reader's patience.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    until: tokio::time::Instant,
    /// For one answer.
    each: Duration,
}

impl Waits {
    /// Half of what a request may take at most, if that is less: the answer still has to be made.
    pub fn begin(options: &ServeOptions) -> Self {
        let in_all = READ_PATIENCE_IN_ALL.min(options.request_timeout / 2);
        Self { until: tokio::time::Instant::now() + in_all, each: READ_PATIENCE }
    }

    /// For what nothing can take the place of: half of what a request may take.
    pub fn patient(options: &ServeOptions) -> Self {
        let half = options.request_timeout / 2;
        Self { until: tokio::time::Instant::now() + half, each: half }
    }

    /// For the next answer; zero once patience is over.
    pub fn left(self) -> Duration {
        self.until.saturating_duration_since(tokio::time::Instant::now()).min(self.each)
    }
}

/// What the HTTP side reads from and writes to.
#[derive(Clone)]
pub struct ServeContext {
    pub log: Arc<dyn Log>,
    pub truth: Arc<dyn Truth>,
    pub cache: Arc<dyn Cache>,
    pub live: Arc<Live>,
    /// As the stream makes lists: sessions and fallbacks are made alike.
    pub lists: ListParams,
    pub options: ServeOptions,
    /// Milliseconds since 1970.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Words the chat's replies, if there is one.
    pub language_model: Option<LanguageModel>,
}

pub(crate) struct App {
    pub context: ServeContext,
    /// KiB of bodies that may be in memory.
    pub bodies: Arc<Semaphore>,
    pub flights: Flights,
    pub shared: Mutex<Option<Arc<SharedLists>>>,
    pub budgets: Budgets,
    pub answers: Answers,
    pub questions: Questions,
    /// Of this process; `None` if it has none.
    pub search: Option<Arc<Search>>,
    pub chat: Chat,
    users: tokio::sync::Mutex<Option<(Instant, u64)>>,
    complained_ms: AtomicI64,
    /// With the clock and the counter, the name of an event that the API itself makes.
    instance: u64,
    events_made: AtomicU64,
}

impl App {
    pub fn new(context: ServeContext) -> Arc<Self> {
        context.live.follow_ratings(context.truth.clone());
        let search = (cfg!(feature = "search") && context.options.search).then(|| {
            let (live, currency) = (&context.live, context.options.currency);
            Search::start(live.watch_catalogue(), live.watch_model(), live.watch_ratings(), currency)
        });
        let search = search.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "there will be no search");
            None
        });
        let chat = Chat::start(&context);
        Arc::new(Self {
            chat,
            context,
            search: search.map(Arc::new),
            bodies: Arc::new(Semaphore::new(BODIES_KIB_MAX)),
            flights: Flights::default(),
            shared: Mutex::default(),
            budgets: Budgets::default(),
            answers: Answers::default(),
            questions: Questions::default(),
            users: tokio::sync::Mutex::default(),
            complained_ms: AtomicI64::new(i64::MIN),
            instance: RandomState::new().hash_one(0),
            events_made: AtomicU64::new(0),
        })
    }

    pub fn now_ms(&self) -> i64 {
        (self.context.clock)()
    }

    pub fn shard_of(&self, user: &UserId) -> u32 {
        partition_of(user.as_bytes(), self.context.log.partitions(Topic::Browse))
    }

    /// An event id that nobody has used: at most 45 bytes.
    pub fn new_event_id(&self) -> String {
        let count = self.events_made.fetch_add(1, Ordering::Relaxed);
        format!("api:{:x}:{:016x}:{count:x}", self.now_ms(), self.instance)
    }

    /// Appends in a task of its own: a client who hangs up must not cancel a write half way.
    pub async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, ApiError> {
        let log = self.context.log.clone();
        let task = tokio::spawn(async move { shoptide_faults::begun(Point::W1, log.append(records)).await });
        if shoptide_faults::broken(Break::AnswerBeforeAck) {
            return Ok(Vec::new());
        }
        let positions = task.await.map_err(|_| ApiError::failed())?.map_err(ApiError::from)?;
        if shoptide_faults::pass(Point::W2).await {
            return Err(ApiError::failed());
        }
        Ok(positions)
    }

    /// Asks the store, for as long as `patience` lasts.
    pub async fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.answered(patience, self.questions.ask(patience, question).await)
    }

    /// Has the store write, and waits for as long as `patience` lasts.
    pub async fn order<T: Send + 'static>(
        &self,
        patience: Duration,
        order: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.answered(patience, self.questions.order(patience, order).await)
    }

    fn answered<T>(
        &self,
        patience: Duration,
        outcome: Result<Result<T, StoreError>, Unanswered>,
    ) -> Result<T, ApiError> {
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.complain(&error);
                Err(ApiError::unavailable("store", "the store cannot be reached"))
            }
            Err(Unanswered::Failed) => Err(ApiError::failed()),
            Err(Unanswered::Silent) => {
                let message = format!("the store was silent for {} ms", patience.as_millis());
                Err(ApiError::unavailable("store", message))
            }
            Err(Unanswered::Crowded) => {
                let message = format!("{QUESTIONS_MAX} questions wait for the store, come back in a second");
                Err(ApiError::overloaded("store", message))
            }
        }
    }

    /// Logs a failed dependency, but not a thousand times a second.
    pub fn complain(&self, error: &dyn std::error::Error) {
        let now_ms = self.now_ms();
        let last_ms = self.complained_ms.load(Ordering::Relaxed);
        if last_ms.saturating_add(COMPLAINT_EVERY_MS) <= now_ms {
            self.complained_ms.store(now_ms, Ordering::Relaxed);
            tracing::warn!(%error, "a dependency failed; readers get what can be made without it");
        }
    }

    /// All parts of a user; the default state for a user nobody knows.
    pub async fn state(&self, shard: u32, user: &UserId, patience: Duration) -> Result<UserState, ApiError> {
        let (truth, user) = (self.context.truth.clone(), user.clone());
        let question = async move {
            let rows = truth.users(shard, std::slice::from_ref(&user)).await?;
            let mut state = UserState::default();
            let parts = rows.into_iter().next().map(|row| row.parts).unwrap_or_default();
            for (slot, stored) in state.parts.iter_mut().zip(parts) {
                if let Some((_, bytes)) = stored {
                    *slot = Part::decode(&bytes).map_err(|e| StoreError::Unusable(e.to_string()))?;
                }
            }
            Ok(state)
        };
        self.ask(patience, question).await
    }

    /// Users in the truth, counted at most every two seconds; waiting for the lock is waiting for the same answer.
    pub async fn count_users(&self) -> Result<u64, ApiError> {
        let mut known = self.users.lock().await;
        if let Some((at, count)) = *known
            && at.elapsed() < COUNT_AGE
        {
            return Ok(count);
        }
        let truth = self.context.truth.clone();
        let count =
            self.ask(self.context.options.request_timeout, async move { truth.count_users().await }).await?;
        *known = Some((Instant::now(), count));
        Ok(count)
    }

    /// The day of now, in the buckets of counters.
    pub fn today(&self) -> u32 {
        EventMs(self.now_ms()).day()
    }

    /// What is made for everyone, for the model of this moment.
    pub fn shared_lists(&self) -> Arc<SharedLists> {
        let linked = self.context.live.linked();
        let mut held = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(lists) if lists.fits(&linked) => lists.clone(),
            _ => {
                let lists =
                    Arc::new(with_scratch(|scratch| SharedLists::make(linked, &self.context.lists, scratch)));
                *held = Some(lists.clone());
                lists
            }
        }
    }
}

/// Lends this thread's working memory for making lists.
pub(crate) fn with_scratch<T>(make: impl FnOnce(&mut ListScratch) -> T) -> T {
    thread_local! {
        static SCRATCH: std::cell::RefCell<ListScratch> = std::cell::RefCell::default();
    }
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => make(&mut scratch),
        Err(_) => make(&mut ListScratch::default()),
    })
}
