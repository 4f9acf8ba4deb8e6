//! The trainer: the single writer of models. It reads the folded truth at a recorded cut (offsets and parts of one
//! consistent read), trains, and publishes: files first, then the row, then the pointer.
//!
//! Version n is a function of (version n-1, the parts at the cut, configuration, binary, CPU target). "Now" is the
//! greatest event time at the cut, never a clock; a user's own strengths are decayed to his own last event, as they are
//! when his list is made.

mod delta;
mod feedback;
mod full;
mod held_out;
mod publish;
mod run;
mod tables;
mod tune;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_live::{Live, LiveError, ModelFileError, ModelFiles};
use shoptide_log::{Log, LogError};
use shoptide_models::als::AlsParams;
use shoptide_models::item_item::ItemItemParams;
use shoptide_models::list::ListParams;
use shoptide_models::popularity::PopularityParams;
use shoptide_models::snapshot::SnapshotError;
use shoptide_models::state::TasteParams;
use shoptide_store::{StoreError, Truth};

pub use feedback::Learned;
pub use held_out::{HeldOut, held_out};
pub use publish::forget_unneeded;
pub use run::{TrainAsker, TrainHandle, Trained, start, train_once};
pub use tables::Tables;
pub use tune::{TuneOptions, TunedBlend, tune_blend, tune_key};
pub use workers::Workers;

/// What a model is trained with.
#[derive(Debug, Clone)]
pub struct TrainParams {
    pub taste: TasteParams,
    pub als: AlsParams,
    pub item_item: ItemItemParams,
    pub popularity: PopularityParams,
    pub lists: ListParams,
    /// Names the configuration in the lineage.
    pub config_hash: String,
    pub full_every_ms: u64,
    pub refresh_every_ms: u64,
    pub first_after_events: u64,
    pub full_after_changed_share: f64,
    /// Versions kept although no list names them.
    pub models_kept_min: usize,
}

/// All that the trainer works with.
#[derive(Clone)]
pub struct TrainContext {
    pub log: Arc<dyn Log>,
    pub truth: Arc<dyn Truth>,
    pub live: Arc<Live>,
    pub files: ModelFiles,
    pub params: Arc<TrainParams>,
    pub workers: Workers,
    /// Milliseconds since 1970: stamps rows, decides nothing.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    File(#[from] ModelFileError),
    #[error(transparent)]
    Model(#[from] SnapshotError),
    #[error("training: {0}")]
    Numbers(String),
    #[error("no events to train on yet")]
    Nothing,
}

/// Measurements of one training, for the lineage and the summary.
pub type Measured = BTreeMap<String, f64>;
