//! What jobs work with.

use std::path::PathBuf;
use std::sync::Arc;

use shoptide_config::Config;
use shoptide_live::fold::Inspect;

use crate::train::{TrainAsker, TrainContext};

/// Everything that a job of the program may need.
pub struct JobContext {
    pub config: Arc<Config>,
    pub data_dir: PathBuf,
    /// Log, truth, live, model files and workers are in it.
    pub train: TrainContext,
    /// The trainer of this process, if it has one: two would only race for a version.
    pub trainer: Option<TrainAsker>,
    /// What the stream was given, if anything.
    pub inspect: Option<Inspect>,
}
