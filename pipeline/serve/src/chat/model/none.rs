//! A program that was built without the language model: there is none to be given, and every reply is the rules'.

use std::time::Duration;

use shoptide_store::ChatKey;
use tokio::sync::mpsc;

use super::super::ask::Asked;
use super::super::reply::{Draft, Facts};
use super::super::scene::Scene;
use super::super::session::Session;
use super::super::turn::Read;
use super::Words;
use crate::app::App;
use crate::error::ApiError;

/// Nothing is one.
#[derive(Debug, Clone)]
pub enum LanguageModel {}

impl LanguageModel {
    pub(crate) fn timeout(&self) -> Duration {
        match *self {}
    }
}

/// Nothing is asked for.
pub(in super::super) enum Material {}

pub(in super::super) struct Pen;

pub(in super::super) fn material(_: &Scene<'_>, _: &Read, _: &Facts, _: &Draft, _: &str) -> Option<Material> {
    None
}

impl Pen {
    pub fn of(_: &App, _: &Asked, _: &ChatKey) -> Self {
        Self
    }

    pub fn is_ready(&self) -> bool {
        false
    }

    pub async fn read_again(&mut self, _: &App, _: &Session, _: &str, read: Read) -> Result<Read, ApiError> {
        Ok(read)
    }

    pub async fn write(
        self,
        _: &std::sync::Arc<App>,
        _: Option<Material>,
        _: Option<mpsc::Sender<String>>,
    ) -> Words {
        Words::default()
    }
}
