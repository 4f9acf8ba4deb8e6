//! `item_vectors`: what the served model knows of each item, as numbers.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_models::snapshot::Snapshot;

use super::column::{self, Column};
use super::{Pages, Wanted};
use crate::error::QueryError;

/// Where the served model comes from.
#[async_trait]
pub trait ModelSource: Send + Sync {
    /// The model that is served now, if there is one. Held for as long as a query reads it.
    ///
    /// # Errors
    /// [`QueryError`] if there is one that cannot be read.
    async fn served(&self) -> Result<Option<Arc<Snapshot>>, QueryError>;
}

/// One item of a model.
pub struct ItemVector {
    model: Arc<Snapshot>,
    item: u32,
}

/// Where a reading stands: all of it is of one model.
pub struct At(Arc<Snapshot>, u32);

pub struct Vectors(pub Arc<dyn ModelSource>);

#[async_trait]
impl Pages for Vectors {
    type Row = ItemVector;
    type Place = At;

    const ROWS: usize = 4096;

    fn columns() -> Vec<Column<ItemVector>> {
        vec![
            column::id("item_id", |v: &ItemVector| v.model.id_of(v.item)),
            column::uint64("model_version", |v: &ItemVector| Some(v.model.version())),
            column::vector("vector", |v: &ItemVector| v.model.side().item(v.item)),
        ]
    }

    async fn page(
        &self,
        place: Option<At>,
        rows: usize,
        _: &Wanted,
    ) -> Result<(Vec<ItemVector>, Option<At>), QueryError> {
        let At(model, from) = match place {
            Some(at) => at,
            None => match self.0.served().await? {
                Some(model) => At(model, 0),
                None => return Ok((Vec::new(), None)),
            },
        };
        let all = u32::try_from(model.n_items()).unwrap_or(u32::MAX);
        let to = from.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX)).min(all);
        let found = (from..to).map(|item| ItemVector { model: model.clone(), item }).collect();
        Ok((found, (to < all).then_some(At(model, to))))
    }
}
