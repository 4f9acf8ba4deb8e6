//! The trainer: the single writer of models. It reads the folded truth at a recorded cut (offsets and parts of one
//! consistent read), trains, and publishes: files first, then the row, then the pointer.
//!
//! Version n is a function of (version n-1, the parts at the cut, configuration, binary, CPU target). "Now" is the
//! greatest event time at the cut, never a clock; a user's own strengths are decayed to his own last event, as they are
//! when his list is made.

mod compare;
mod delta;
mod feedback;
mod full;
mod gate;
mod held_out;
#[cfg(feature = "lake")]
mod lake;
mod publish;
mod report;
mod run;
mod tables;
mod tune;
mod versions;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shoptide_config::{Config, GateConfig};
use shoptide_live::{Live, LiveError, ModelFileError, ModelFiles};
use shoptide_log::{Log, LogError};
use shoptide_models::als::AlsParams;
use shoptide_models::item_item::ItemItemParams;
use shoptide_models::list::ListParams;
use shoptide_models::popularity::PopularityParams;
use shoptide_models::snapshot::SnapshotError;
use shoptide_models::state::TasteParams;
use shoptide_store::{StoreError, Truth};

use crate::schedule::Progress;

pub use compare::{Comparison, compare};
pub use feedback::Learned;
pub use held_out::{HeldOut, held_out};
#[cfg(feature = "lake")]
pub use lake::{FoldedLake, fold_lake};
pub use publish::{Shelf, forget_unneeded};
pub use report::{Compared, GateReport, Origin, Report, Source, Verdict};
#[cfg(feature = "lake")]
pub use run::train_from_lake;
pub use run::{Outcome, TrainAsker, TrainHandle, Trained, start, train_as, train_once};
pub use tables::Tables;
pub use tune::{TuneOptions, TunedBlend, tune_blend, tune_key};
pub use versions::{Name, NameError, Standing, Status, VersionError, list, promote, rollback, told_of};
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
    /// Full versions kept to go back to.
    pub fulls_kept_min: usize,
    pub candidates_kept_max: usize,
    pub gate: GateConfig,
    /// The keys that shape a model, as [`Config::shaping`] gives them.
    pub shaping: BTreeMap<String, String>,
}

impl TrainParams {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            taste: config.tastes.clone(),
            als: config.als,
            item_item: config.item_item,
            popularity: config.popularity,
            lists: config.list_params(),
            config_hash: format!("{:016x}", config.rules_version()),
            full_every_ms: ms(config.train.full_every),
            refresh_every_ms: ms(config.train.refresh_every),
            first_after_events: config.train.first_after_events,
            full_after_changed_share: config.train.full_after_changed_share,
            models_kept_min: config.train.models_kept_min,
            fulls_kept_min: config.train.fulls_kept_min,
            candidates_kept_max: config.train.candidates_kept_max,
            gate: config.gate.clone(),
            shaping: config.shaping(),
        }
    }

    /// These, shaped as another version's were; as they are where that is not known, or not of this program.
    fn shaped_as(&self, shaping: &BTreeMap<String, String>) -> Self {
        let mut params = self.clone();
        if let Some(config) = Some(shaping).filter(|s| !s.is_empty()).and_then(Config::shaped_as) {
            params.taste = config.tastes;
            params.item_item = config.item_item;
            params.popularity = config.popularity;
        }
        params
    }
}

/// How a training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// From nothing: what is served has no say in it.
    Full,
    /// From the factors of what is served, if they are of the same parameters; else from nothing.
    #[default]
    Warm,
    /// Only the items acted on since the cut of what is served; everything else stays.
    Items,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Full => "full",
            Mode::Warm => "warm",
            Mode::Items => "items",
        }
    }
}

/// One training by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrainOptions {
    pub mode: Mode,
    /// Not to be published, whatever the gate says. Has no say where nothing is served.
    pub candidate: bool,
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
    /// For whoever waits.
    pub progress: Progress,
}

impl TrainContext {
    /// Where its versions lie.
    pub fn shelf(&self) -> Shelf {
        Shelf { truth: self.truth.clone(), files: self.files.clone(), clock: self.clock.clone() }
    }
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
    #[cfg(feature = "lake")]
    #[error(transparent)]
    Lake(#[from] shoptide_lake::LakeError),
    #[error("training: {0}")]
    Numbers(String),
    #[error("no events to train on yet")]
    Nothing,
}

/// Measurements of one training, for the lineage and the summary.
pub type Measured = BTreeMap<String, f64>;
