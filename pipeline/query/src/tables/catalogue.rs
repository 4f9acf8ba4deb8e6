//! `catalogue`: what the shop says of its items now.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_models::catalogue::CatalogueItem;
use shoptide_schemas::ItemId;
use shoptide_store::Truth;

use super::column::{self, Column};
use super::{Pages, Wanted};
use crate::error::QueryError;

/// One row of it.
pub struct Item {
    number: u32,
    id: ItemId,
    from_off: i64,
    item: CatalogueItem,
}

pub struct Items(pub Arc<dyn Truth>);

#[async_trait]
impl Pages for Items {
    type Row = Item;
    type Place = u32;

    const ROWS: usize = 1024;

    fn columns() -> Vec<Column<Item>> {
        vec![
            column::uint32("item_number", |i: &Item| Some(i.number)),
            column::id("item_id", |i: &Item| Some(i.id.as_bytes())),
            column::text("title", |i: &Item| Some(&i.item.title)),
            column::text("brand", |i: &Item| Some(&i.item.brand)),
            column::text("category", |i: &Item| Some(&i.item.category)),
            column::texts("tags", |i: &Item| i.item.tags.iter().map(String::as_str).collect()),
            column::text("description", |i: &Item| Some(&i.item.description)),
            column::int("price_micros", |i: &Item| i.item.price.map(|(micros, _)| micros.0)),
            column::text("currency", |i: &Item| i.item.price.as_ref().map(|(_, currency)| currency.as_str())),
            column::int("stock", |i: &Item| i.item.stock),
            column::flag("hidden", |i: &Item| Some(i.item.hidden)),
            column::flag("removed", |i: &Item| Some(i.item.removed)),
            column::flag("unlisted", |i: &Item| Some(i.item.unlisted)),
            column::int("from_offset", |i: &Item| Some(i.from_off)),
        ]
    }

    async fn page(
        &self,
        place: Option<u32>,
        rows: usize,
        _: &Wanted,
    ) -> Result<(Vec<Item>, Option<u32>), QueryError> {
        let found = self.0.items_after(place, rows).await?;
        let next = if found.len() < rows { None } else { found.last().map(|row| row.num) };
        let item = |row: shoptide_store::ItemRow| {
            let item = CatalogueItem::decode(&row.data).map_err(|error| QueryError::Stored {
                what: format!("row {} of the catalogue", row.num),
                reason: error.to_string(),
            })?;
            Ok(Item { number: row.num, id: row.item, from_off: row.from_off, item })
        };
        Ok((found.into_iter().map(item).collect::<Result<_, QueryError>>()?, next))
    }
}
