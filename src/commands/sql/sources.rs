//! What a question can be asked of: the lake and the truth that the configuration names, as far as they are there.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_config::{Config, StoreKind};
use shoptide_live::ModelFiles;
use shoptide_models::snapshot::Snapshot;
use shoptide_query::{ModelSource, QueryError, SessionOptions, Shop, Sources, TruthSource};
use shoptide_store::Truth;

use crate::args::Place;
use crate::data_dir::DataDir;
use crate::services;

/// Opens whatever there is of a shop to be asked. The truth is left out where it is embedded and nobody has begun one.
///
/// # Errors
/// What is there and cannot be opened.
pub async fn open_shop(config: &Config, place: &Place) -> anyhow::Result<Shop> {
    let data = match config.store.kind {
        StoreKind::Embedded => DataDir::existing(&place.data_dir)?,
        StoreKind::Mysql => DataDir::create(&place.data_dir)?,
    };
    let truth = services::open_truth_to_read(config, &data).await?;
    let models = ServedModel { truth: truth.clone(), files: data.model_files(config) };
    let truth = TruthSource {
        truth,
        models: Arc::new(models),
        tastes: config.tastes.clone(),
        currency: config.shop.currency,
    };
    let sources = Sources { lake: None, truth: Some(truth) };
    Ok(shoptide_query::open(&SessionOptions::from(&config.sql), sources)?)
}

/// The model that the store's pointer names.
struct ServedModel {
    truth: Arc<dyn Truth>,
    files: ModelFiles,
}

#[async_trait]
impl ModelSource for ServedModel {
    async fn served(&self) -> Result<Option<Arc<Snapshot>>, QueryError> {
        let Some(version) = self.truth.model_pointer().await? else { return Ok(None) };
        let model = shoptide_live::load_version(&*self.truth, &self.files, version, None).await;
        let unreadable = |error: shoptide_live::LiveError| QueryError::Stored {
            what: format!("model {version}"),
            reason: error.to_string(),
        };
        model.map(Some).map_err(unreadable)
    }
}
