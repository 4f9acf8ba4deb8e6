//! What stands in for the index where it is not built.

use std::convert::Infallible;
use std::sync::Arc;

use shoptide_models::catalogue::Catalogue;
use shoptide_models::rated::Ratings;
use shoptide_models::snapshot::Snapshot;
use shoptide_schemas::Currency;
use tokio::sync::watch;

use crate::{Ask, Found, Saying, SearchError};

/// There is none.
pub struct Search(Infallible);

impl Search {
    /// # Errors
    /// Always [`SearchError::NotBuilt`].
    pub fn start(
        _catalogue: watch::Receiver<Arc<Catalogue>>,
        _model: watch::Receiver<Option<Arc<Snapshot>>>,
        _ratings: watch::Receiver<Arc<Ratings>>,
        _currency: Currency,
    ) -> Result<Self, SearchError> {
        Err(SearchError::NotBuilt)
    }

    /// # Errors
    /// None: nobody has one to ask.
    pub fn find(&self, _ask: &Ask) -> Result<Found, SearchError> {
        match self.0 {}
    }

    /// # Errors
    /// None: nobody has one to ask.
    pub fn among(&self, _text: &str, _among: &[u32]) -> Result<Vec<(u32, u32)>, SearchError> {
        match self.0 {}
    }

    /// # Errors
    /// None: nobody has one to ask.
    pub fn saying(&self, _text: &str) -> Result<Saying, SearchError> {
        match self.0 {}
    }
}
