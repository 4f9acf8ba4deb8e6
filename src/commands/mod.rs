//! One file a command.

pub mod archive;
pub mod ask;
pub mod at;
pub mod chat;
pub mod cluster;
pub mod config;
pub mod dead_letters;
pub mod drawn;
pub mod evaluate;
pub mod events;
pub mod faq;
pub mod generate;
pub mod grow;
pub mod import;
pub mod jobs;
pub mod lake;
pub mod mcp;
pub mod models;
pub mod provide;
pub mod replay;
pub mod report;
pub mod run;
pub mod schedules;
pub mod segments;
pub mod skew;
pub mod sql;
pub mod state;
pub mod tune;

use std::path::Path;

use shoptide_config::{Config, process_variables};
use shoptide_log::Log;
#[cfg(feature = "lake")]
use shoptide_log::first_offset;
#[cfg(feature = "lake")]
use shoptide_schemas::USER_TOPICS;

use crate::app::Refused;
use crate::data_dir::DataDir;

/// Loads the configuration of a command.
pub fn load_config(file: Option<&Path>) -> anyhow::Result<Config> {
    let config = Config::load(file, process_variables()?)?;
    config.check_jobs(&crate::schedules::registry().names())?;
    Ok(config)
}

/// The write key, read from a file so that it is in no process list.
pub fn key_of(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let unreadable = |e| Refused(format!("key file {} cannot be read: {e}", file.display()));
    let key = std::fs::read_to_string(file).map_err(unreadable)?;
    Ok(Some(key.trim().to_owned()))
}

/// The lake as a source of what the log has forgotten, if there is one.
/// - `generations`: of the log's topics, as many as the truth knows
#[cfg(feature = "lake")]
pub async fn lake_archive(
    config: &Config,
    data: &DataDir,
    log: &dyn Log,
    generations: u32,
) -> anyhow::Result<Option<Box<dyn shoptide_jobs::replay::Archive>>> {
    let options = shoptide_lake::LakeOptions::of(&config.lake, data.path());
    // Opening a folder would make it.
    if !options.url.contains("://") && !Path::new(&options.url).is_dir() {
        return Ok(None);
    }
    let generation = |n| log.partitions_at(USER_TOPICS[0], first_offset(n));
    let partitions = (1..=generations).map(generation).collect();
    let archive = shoptide_jobs::replay::LakeArchive::open(&options, partitions).await?;
    Ok(Some(Box::new(archive)))
}

/// Without the feature `lake` there is none: what the log has forgotten is said to be gone.
#[cfg(not(feature = "lake"))]
pub async fn lake_archive(
    config: &Config,
    data: &DataDir,
    _: &dyn Log,
    _: u32,
) -> anyhow::Result<Option<Box<dyn shoptide_jobs::replay::Archive>>> {
    if config.lake.url.is_some() || data.path().join("lake").is_dir() {
        tracing::warn!(
            "there is a lake, but this program is built without it: cargo build --release (feature `lake`)"
        );
    }
    Ok(None)
}
