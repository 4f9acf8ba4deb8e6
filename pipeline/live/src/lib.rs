//! What every role holds in memory, beside what it reads from log and store: the catalogue as it is this moment, the
//! model that is published, the metrics, and the fold of a shard's batch. Stream, serve and jobs use it; none of them
//! uses another, and a replay (`jobs`) folds with the very code that the stream folds with.

mod catalogue;
mod files;
pub mod fold;
mod metrics;
mod model;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use shoptide_log::Log;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::list::Linked;
use shoptide_models::snapshot::Snapshot;
use shoptide_store::{StoreError, Truth};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use files::{ModelFileError, ModelFiles};
pub use metrics::{Metrics, names};
pub use model::load_version;

/// Why the live view cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] ModelFileError),
    #[error("catalogue row {number} cannot be read: {reason}")]
    Catalogue { number: u32, reason: String },
}

/// The catalogue and the model of this moment. Cheap to share behind an `Arc`; readers keep what they took.
pub struct Live {
    catalogue: watch::Sender<Arc<Catalogue>>,
    model: watch::Sender<Option<Arc<Snapshot>>>,
    linked: Mutex<Arc<Linked>>,
    metrics: Arc<Metrics>,
    followers: Mutex<Vec<JoinHandle<()>>>,
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
        models_dir: PathBuf,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Live>, LiveError> {
        let files = ModelFiles::new(models_dir);
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
        let linked = Arc::new(Linked::new(model.clone(), catalogue.clone(), None));
        let live = Arc::new(Live {
            catalogue: watch::Sender::new(catalogue),
            model: watch::Sender::new(model),
            linked: Mutex::new(linked),
            metrics,
            followers: Mutex::default(),
            down: Mutex::default(),
        });
        let followers = vec![
            tokio::spawn(catalogue::follow(live.clone(), log)),
            tokio::spawn(model::follow(live.clone(), truth, files)),
        ];
        *live.followers.lock().unwrap_or_else(PoisonError::into_inner) = followers;
        Ok(live)
    }

    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.borrow().clone()
    }

    pub fn model(&self) -> Option<Arc<Snapshot>> {
        self.model.borrow().clone()
    }

    /// Resolves when the model changes.
    pub fn watch_model(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.model.subscribe()
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
            down.remove(&shard)
        } else {
            down.insert(shard)
        };
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
    }

    /// Stops following.
    pub fn stop(&self) {
        for follower in self.followers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            follower.abort();
        }
    }
}
