//! What every role holds in memory, beside what it reads from log and store: the catalogue as it is this moment, the
//! model that is published, the metrics, and the fold of a shard's batch. Stream, serve and jobs use it; none of them
//! uses another, and a replay (`jobs`) folds with the very code that the stream folds with.

mod catalogue;
mod faq;
mod files;
pub mod fold;
mod generation;
mod job_metrics;
mod metrics;
mod model;
mod probes;
mod ratings;
mod shared_files;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoptide_log::{Log, LogError};
use shoptide_models::catalogue::Catalogue;
use shoptide_models::faq::FaqBook;
use shoptide_models::list::Linked;
use shoptide_models::rated::Ratings;
use shoptide_models::snapshot::Snapshot;
use shoptide_store::{Cache, StoreError, Truth};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use catalogue::catalogue_at;
pub use files::{ModelFileError, ModelFiles};
pub use generation::stand;
pub use metrics::{Metrics, names};
pub use model::{load_candidate, load_version};
pub use probes::probe;

/// Why the live view cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Model(#[from] ModelFileError),
    #[error("catalogue row {number} cannot be read: {reason}")]
    Catalogue { number: u32, reason: String },
}

/// The catalogue and the model of this moment. Cheap to share behind an `Arc`; readers keep what they took.
pub struct Live {
    catalogue: watch::Sender<Arc<Catalogue>>,
    model: watch::Sender<Option<Arc<Snapshot>>>,
    faq: watch::Sender<Arc<FaqBook>>,
    ratings: watch::Sender<Arc<Ratings>>,
    ratings_followed: AtomicBool,
    linked: Mutex<Arc<Linked>>,
    metrics: Arc<Metrics>,
    followers: Mutex<Vec<JoinHandle<()>>>,
    stopped: AtomicBool,
    /// Shards of this process that have stopped on an error.
    down: Mutex<BTreeSet<u32>>,
}

impl Live {
    /// Loads the catalogue and the published model from the store and follows both from then on.
    ///
    /// # Errors
    /// [`LiveError`] if the store cannot be read or holds a damaged row; a model file that was removed or damaged is no
    /// error but a metric, training makes another.
    pub async fn start(
        log: Arc<dyn Log>,
        truth: Arc<dyn Truth>,
        files: impl Into<ModelFiles>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Live>, LiveError> {
        let files = files.into();
        stand(&*truth, &*log).await?;
        let catalogue = Arc::new(catalogue::load(&*truth).await?);
        let model = match truth.model_pointer().await? {
            Some(version) => match load_version(&*truth, &files, version, None).await {
                Ok(model) => Some(model),
                // Stored lists are still there to be read, and the trainer begins a new chain.
                Err(LiveError::Model(error)) if error.is_lost() => {
                    metrics.model_failures.with_label_values(&["load"]).inc();
                    tracing::error!(%error, version, "the published model is lost, beginning without one");
                    None
                }
                Err(error) => return Err(error),
            },
            None => None,
        };
        if let Some(model) = &model {
            metrics.model_version.set(i64::try_from(model.version()).unwrap_or(i64::MAX));
            Metrics::stamp(&metrics.model_adopted);
        }
        let linked = Arc::new(Linked::new(model.clone(), catalogue.clone(), None));
        let faq = faq::load(&*truth).await?;
        let live = Arc::new(Live {
            catalogue: watch::Sender::new(catalogue),
            model: watch::Sender::new(model),
            faq: watch::Sender::new(faq),
            ratings: watch::Sender::default(),
            ratings_followed: AtomicBool::new(false),
            linked: Mutex::new(linked),
            metrics,
            followers: Mutex::default(),
            stopped: AtomicBool::new(false),
            down: Mutex::default(),
        });
        let followers = vec![
            tokio::spawn(kept_up("catalogue", {
                let (live, log) = (live.clone(), log.clone());
                move || catalogue::follow(live.clone(), log.clone())
            })),
            tokio::spawn(kept_up("generation", {
                let truth = truth.clone();
                move || generation::follow(truth.clone(), log.clone())
            })),
            tokio::spawn(kept_up("faq", {
                let (live, truth) = (live.clone(), truth.clone());
                move || faq::follow(live.clone(), truth.clone())
            })),
            tokio::spawn(kept_up("model", {
                let live = live.clone();
                move || model::follow(live.clone(), truth.clone(), files.clone())
            })),
        ];
        *live.followers.lock().unwrap_or_else(PoisonError::into_inner) = followers;
        Ok(live)
    }

    /// Keeps the metrics of log, store and cache up to date from now on.
    pub fn watch(&self, log: Arc<dyn Log>, truth: Arc<dyn Truth>, cache: Arc<dyn Cache>) {
        let metrics = self.metrics.clone();
        let again = move || probes::watch(metrics.clone(), log.clone(), truth.clone(), cache.clone());
        let watching = tokio::spawn(kept_up("watch", again));
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(watching);
    }

    /// Keeps the ratings of items up to date from now on. Only who answers questions needs them; asked again it does nothing.
    pub fn follow_ratings(self: &Arc<Self>, truth: Arc<dyn Truth>) {
        if self.ratings_followed.swap(true, Ordering::Relaxed) {
            return;
        }
        let live = self.clone();
        let following =
            tokio::spawn(kept_up("ratings", move || ratings::follow(live.clone(), truth.clone())));
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(following);
    }

    /// What shoppers gave the items, at most half a second behind the store, in a process that follows them.
    pub fn ratings(&self) -> Arc<Ratings> {
        self.ratings.borrow().clone()
    }

    /// Resolves when the ratings change.
    pub fn watch_ratings(&self) -> watch::Receiver<Arc<Ratings>> {
        self.ratings.subscribe()
    }

    /// The catalogue as it is now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.borrow().clone()
    }

    /// Resolves when the catalogue changes.
    pub fn watch_catalogue(&self) -> watch::Receiver<Arc<Catalogue>> {
        self.catalogue.subscribe()
    }

    pub fn model(&self) -> Option<Arc<Snapshot>> {
        self.model.borrow().clone()
    }

    /// Resolves when the model changes.
    pub fn watch_model(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.model.subscribe()
    }

    /// The shop's questions and answers, at most a second behind the store.
    pub fn faq(&self) -> Arc<FaqBook> {
        self.faq.borrow().clone()
    }

    /// Resolves when the questions change.
    pub fn watch_faq(&self) -> watch::Receiver<Arc<FaqBook>> {
        self.faq.subscribe()
    }

    /// Reads the questions again if the store's changed.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read; those of before stay.
    pub async fn refresh_faq(&self, truth: &dyn Truth) -> Result<(), StoreError> {
        if truth.faq_revision().await? == self.faq().revision() {
            return Ok(());
        }
        let book = faq::load(truth).await?;
        // Of two who read at once the later change stays.
        self.faq.send_if_modified(|current| {
            let newer = current.revision() < book.revision();
            if newer {
                *current = book;
            }
            newer
        });
        Ok(())
    }

    /// The model bound to the catalogue, as of now.
    pub fn linked(&self) -> Arc<Linked> {
        let (model, catalogue) = (self.model(), self.catalogue());
        let mut last = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        let version = model.as_ref().map_or(0, |m| m.version());
        if last.model_version() != version || last.catalogue().offset() != catalogue.offset() {
            *last = Arc::new(Linked::new(model, catalogue, Some(&last)));
        }
        last.clone()
    }

    /// Says whether a shard of this process runs: for the gauge, and for readiness.
    pub fn note_shard(&self, shard: u32, up: bool) {
        self.metrics.shard_up.with_label_values(&[&shard.to_string()]).set(i64::from(up));
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if up {
            // One that is not there was never set.
            let _ = self.metrics.shard_truncated.remove_label_values(&[&shard.to_string()]);
            down.remove(&shard)
        } else {
            down.insert(shard)
        };
    }

    /// Says that a shard stopped because the log no longer holds what the store needs next.
    pub fn note_truncated(&self, shard: u32) {
        self.metrics.shard_truncated.with_label_values(&[&shard.to_string()]).set(1);
    }

    /// Says that a shard is no longer this process's: what it says of it would only grow old.
    pub fn forget_shard(&self, shard: u32) {
        let label = shard.to_string();
        for gauges in [&self.metrics.shard_up, &self.metrics.lag, &self.metrics.shard_truncated] {
            // One that was never set is as good as gone.
            let _ = gauges.remove_label_values(&[&label]);
        }
        self.down.lock().unwrap_or_else(PoisonError::into_inner).remove(&shard);
    }

    /// Shards of this process that have stopped on an error.
    pub fn shards_down(&self) -> Vec<u32> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Takes over a model that this process has just published: reading it back from disk would give the same bits.
    pub fn adopt(&self, model: Arc<Snapshot>) {
        let version = model.version();
        self.model.send_if_modified(|current| {
            let newer = current.as_ref().is_none_or(|c| c.version() < version);
            if newer {
                *current = Some(model);
            }
            newer
        });
        self.metrics.model_version.set(i64::try_from(version).unwrap_or(i64::MAX));
        Metrics::stamp(&self.metrics.model_adopted);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Stops following.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        for follower in self.followers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            follower.abort();
        }
    }
}

/// Pause before a follower that panicked begins again.
const FOLLOW_AGAIN: Duration = Duration::from_secs(1);

/// Runs a follower until it is aborted: one that panics is logged and begins again, or lists would quietly grow old.
async fn kept_up<F: Future<Output = ()> + Send + 'static>(what: &'static str, follow: impl Fn() -> F) {
    // Dropped with this task, and the follower with it.
    let mut running = JoinSet::new();
    loop {
        running.spawn(follow());
        if let Some(Err(error)) = running.join_next().await {
            tracing::error!(%error, what, "a follower fell, it begins again");
        }
        tokio::time::sleep(FOLLOW_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_follower_that_falls_begins_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let seen = tries.clone();
        let follow = move || {
            let n = tries.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(2 <= n, "fell");
                std::future::pending::<()>().await;
            }
        };
        let kept = tokio::spawn(kept_up("test", follow));
        tokio::time::sleep(10 * FOLLOW_AGAIN).await;
        assert_eq!(seen.load(Ordering::Relaxed), 3);
        kept.abort();
    }
}
