//! Monthly budgets as last known here: what is left of one is asked of the store, and when the store is silent, what
//! was known last still holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shoptide_models::state::UserState;
use shoptide_schemas::{Currency, EventMs, UserId};
use shoptide_store::Budget;

use crate::app::{App, Waits};
use crate::error::ApiError;

/// Budgets remembered: an entry takes about 200 bytes, so 20 MB.
const BUDGETS_MAX: usize = 100_000;
/// A budget set through another process is obeyed after this long; one set through this process at once.
const BUDGET_AGE: Duration = Duration::from_secs(5);

/// What was known last of one user.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None` if it may have changed since.
    fresh: Option<Instant>,
    budget: Option<Budget>,
    /// Month, currency and micro-units of the last answer.
    spent: Option<(u32, Currency, i64)>,
}

/// How well a budget is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    Sure,
    /// The store was silent; the last answer of before was used.
    LastKnown,
    /// The store was silent, and there was no answer before.
    Unknown,
}

/// What a user may still spend this month.
pub(crate) struct Left {
    /// Micro-units, and of which currency; `None` if no limit is known.
    pub left: Option<(i64, Currency)>,
    pub certainty: Certainty,
}

pub(crate) struct Budgets {
    known: quick_cache::sync::Cache<(u32, UserId), Known>,
    /// Rises with each change made here: what was asked before a change and answered after it is not believed.
    changes: AtomicU64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { known: quick_cache::sync::Cache::new(BUDGETS_MAX), changes: AtomicU64::new(0) }
    }
}

impl Budgets {
    fn note(&self, key: &(u32, UserId), change: impl FnOnce(&mut Known)) {
        let mut known = self.known.get(key).unwrap_or(Known { fresh: None, budget: None, spent: None });
        change(&mut known);
        self.known.insert(key.clone(), known);
    }
}

impl App {
    /// What is left of the user's month. `state` is read if it is needed and not there yet.
    pub async fn left_of_month(
        &self,
        shard: u32,
        user: &UserId,
        state: &mut Option<Arc<UserState>>,
        waits: Waits,
    ) -> Left {
        let (budget, certainty) = self.budget(shard, user, waits).await;
        let Some(Budget { month: limit, currency, .. }) = budget else {
            return Left { left: None, certainty };
        };
        if state.is_none() {
            *state = self.state(shard, user, waits.left()).await.ok().map(Arc::new);
        }
        let month = EventMs(self.now_ms()).month();
        let key = (shard, user.clone());
        let (spent, certainty) = match state {
            Some(state) => {
                let spent = state.spent(month, currency);
                self.budgets.note(&key, |known| known.spent = Some((month, currency, spent)));
                (spent, certainty)
            }
            None => match self.budgets.known.get(&key).and_then(|known| known.spent) {
                Some((of, in_currency, spent)) if (of, in_currency) == (month, currency) => {
                    (spent, certainty.max(Certainty::LastKnown))
                }
                // No single item may exceed the limit; what was spent before is not known.
                _ => (0, Certainty::Unknown),
            },
        };
        Left { left: Some((limit.0.saturating_sub(spent), currency)), certainty }
    }

    /// The user's budget, as fresh as it must be.
    pub async fn budget(&self, shard: u32, user: &UserId, waits: Waits) -> (Option<Budget>, Certainty) {
        let key = (shard, user.clone());
        let known = self.budgets.known.get(&key);
        if let Some(Known { fresh: Some(at), budget, .. }) = known
            && at.elapsed() < BUDGET_AGE
        {
            return (budget, Certainty::Sure);
        }
        let changes = self.budgets.changes.load(Ordering::SeqCst);
        match self.stored_budget(shard, user, waits.left()).await {
            Ok(budget) => {
                let unchanged = || self.budgets.changes.load(Ordering::SeqCst) == changes;
                if unchanged() {
                    self.budgets
                        .note(&key, |known| (known.fresh, known.budget) = (Some(Instant::now()), budget));
                    if !unchanged() {
                        self.budgets.note(&key, |known| known.fresh = None);
                    }
                }
                (budget, Certainty::Sure)
            }
            Err(_) => match known {
                Some(known) => (known.budget, Certainty::LastKnown),
                None => (None, Certainty::Unknown),
            },
        }
    }

    pub async fn stored_budget(
        &self,
        shard: u32,
        user: &UserId,
        patience: Duration,
    ) -> Result<Option<Budget>, ApiError> {
        let (truth, user) = (self.context.truth.clone(), user.clone());
        self.ask(patience, async move { truth.budget(shard, &user).await }).await
    }

    pub async fn set_budget(
        &self,
        shard: u32,
        user: &UserId,
        budget: Option<Budget>,
    ) -> Result<(), ApiError> {
        let (truth, owned) = (self.context.truth.clone(), user.clone());
        let patience = self.context.options.request_timeout;
        let order = self.order(patience, async move { truth.set_budget(shard, &owned, budget).await });
        self.setting_budget(shard, user, budget, order).await
    }

    /// Waits for what sets a budget, and knows it afterwards.
    pub async fn setting_budget(
        &self,
        shard: u32,
        user: &UserId,
        budget: Option<Budget>,
        order: impl Future<Output = Result<(), ApiError>>,
    ) -> Result<(), ApiError> {
        let set = order.await;
        self.budgets.changes.fetch_add(1, Ordering::SeqCst);
        let key = (shard, user.clone());
        match set {
            Ok(()) => {
                self.budgets.note(&key, |known| (known.fresh, known.budget) = (Some(Instant::now()), budget));
            }
            // Whether it was written is unknown: the old one holds until the store says another.
            Err(_) if self.budgets.known.get(&key).is_some() => {
                self.budgets.note(&key, |known| known.fresh = None);
            }
            Err(_) => {}
        }
        set
    }

    /// For a user who is erased.
    pub fn forget_budget(&self, shard: u32, user: &UserId) {
        self.budgets.changes.fetch_add(1, Ordering::SeqCst);
        self.budgets.known.remove(&(shard, user.clone()));
    }
}
