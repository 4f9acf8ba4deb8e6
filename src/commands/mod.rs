//! One file a command.

pub mod archive;
pub mod ask;
pub mod chat;
pub mod config;
pub mod dead_letters;
pub mod evaluate;
pub mod events;
pub mod faq;
pub mod generate;
pub mod grow;
pub mod import;
pub mod jobs;
pub mod lake;
pub mod mcp;
pub mod profile;
pub mod provide;
pub mod run;
pub mod segments;
pub mod sql;
pub mod state;
pub mod tune;

use std::path::Path;

use shoptide_config::{Config, process_variables};

use crate::app::Refused;

/// Loads the configuration of a command.
pub fn load_config(file: Option<&Path>) -> anyhow::Result<Config> {
    Ok(Config::load(file, process_variables()?)?)
}

/// The write key, read from a file so that it is in no process list.
pub fn key_of(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let unreadable = |e| Refused(format!("key file {} cannot be read: {e}", file.display()));
    let key = std::fs::read_to_string(file).map_err(unreadable)?;
    Ok(Some(key.trim().to_owned()))
}
