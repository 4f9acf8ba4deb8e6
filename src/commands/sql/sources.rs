//! What a question can be asked of: the lake and the truth that the configuration names, as far as they are there.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use shoptide_config::Config;
use shoptide_lake::{Lake, LakeOptions};
use shoptide_live::ModelFiles;
use shoptide_models::snapshot::Snapshot;
use shoptide_query::{LakeSource, ModelSource, QueryError, SessionOptions, Shop, Sources, TruthSource};
use shoptide_store::Truth;

use crate::args::Place;
use crate::commands::lake::told;
use crate::data_dir::DataDir;
use crate::services;

/// Opens whatever there is of a shop to be asked: a lake alone will do.
///
/// # Errors
/// What is there and cannot be opened, or a folder that holds neither.
pub async fn open_shop(config: &Config, place: &Place) -> anyhow::Result<Shop> {
    let folder = DataDir::unchecked(&place.data_dir);
    let lake = lake(config, &folder).await?;
    let data = match DataDir::with_truth_of(config, &place.data_dir) {
        Ok(data) => Some(data),
        Err(_) if lake.is_some() => None,
        Err(error) => return Err(error),
    };
    let truth = match data {
        Some(data) => Some(truth(config, &data).await?),
        None => None,
    };
    Ok(shoptide_query::open(&SessionOptions::from(&config.sql), Sources { lake, truth })?)
}

async fn truth(config: &Config, data: &DataDir) -> anyhow::Result<TruthSource> {
    let truth = services::open_truth_to_read(config, data).await?;
    let models = ServedModel { truth: truth.clone(), files: data.model_files(config) };
    Ok(TruthSource {
        truth,
        models: Arc::new(models),
        tastes: config.tastes.clone(),
        currency: config.shop.currency,
    })
}

/// The lake's newest commit; none where nothing was archived yet.
async fn lake(config: &Config, data: &DataDir) -> anyhow::Result<Option<LakeSource>> {
    let options = LakeOptions::of(&config.lake, data.path());
    // Opening would make a folder that is not there.
    if !options.url.contains("://") && !Path::new(&options.url).is_dir() {
        return Ok(None);
    }
    let lake = Lake::open(&options).await.map_err(told)?;
    let snapshot = lake.snapshot().await.map_err(told)?;
    Ok((0 < snapshot.commit).then(|| LakeSource::of(&lake, &snapshot)))
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
