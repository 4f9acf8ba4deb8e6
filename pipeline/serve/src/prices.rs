//! What an item has cost: the versions of its catalogue row, each with the moment that the log has for it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::Serialize;
use shoptide_log::ReadMax;
use shoptide_models::catalogue::CatalogueItem;
use shoptide_schemas::limits::EVENT_BYTES_MAX;
use shoptide_schemas::{Currency, EventMs, Micros, Topic, catalogue::decode};
use shoptide_store::{ItemVersion, StoreError};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::items::unknown;
use crate::params::{NoQuery, PathItem};
use crate::read::text_of;

/// Versions read of an item: stock makes versions too, so a price may be older than all of them.
const VERSIONS_MAX: usize = 500;
/// Prices shown, the newest: each costs a look into the log.
const PRICES_MAX: usize = 20;
/// How long the log may be asked for moments, in all. What it has not told by then is shown without.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"item_id": "TECH1005", "prices": [
    {"price": "1399.00", "currency": "CNY", "offset": 17, "since": "2026-05-01T08:00:00Z"},
    {"price": "1299.00", "currency": "CNY", "offset": 412, "since": "2026-05-04T12:00:00Z"}], "complete": true}))]
pub(crate) struct PriceHistory {
    pub item_id: String,
    /// Oldest first, one for each change; the last is the price of now. At most 20.
    pub prices: Vec<PricePoint>,
    /// `false` if there were earlier ones that are not shown.
    pub complete: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PricePoint {
    /// A decimal string; absent for a time without a price.
    pub price: Option<String>,
    pub currency: Option<String>,
    /// Of the catalogue topic: the record that set it.
    pub offset: i64,
    /// RFC 3339, UTC; absent if the log no longer has the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// What an item has cost
///
/// Each change of its price that the store has folded, with the time that the shop gave it.
#[utoipa::path(
    get, path = "/v1/items/{id}/prices", tag = "catalogue",
    params(("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1)),
    responses((status = 200, description = "The prices, oldest first.", body = PriceHistory), (status = 404, description = "No such item.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn prices(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    _: NoQuery,
) -> Result<axum::Json<PriceHistory>, ApiError> {
    let catalogue = app.context.live.catalogue();
    let number = catalogue.number(&item).ok_or_else(unknown)?;
    catalogue.row(number).filter(|(_, row)| !row.removed).ok_or_else(unknown)?;
    let (mut past, mut complete) = past(&app, number).await?;
    if let Some(more) = past.len().checked_sub(PRICES_MAX).filter(|more| 0 < *more) {
        past.drain(..more);
        complete = false;
    }
    date(&app, &mut past, LOG_PATIENCE).await;
    let point = |past: Past| PricePoint {
        price: past.price.map(|(price, _)| price.to_string()),
        currency: past.price.map(|(_, currency)| currency.to_string()),
        offset: past.offset,
        since: past.since.map(EventMs::to_rfc3339),
    };
    let prices = past.into_iter().map(point).collect();
    Ok(axum::Json(PriceHistory { item_id: text_of(item.as_bytes()).into_owned(), prices, complete }))
}

/// A price that an item has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Past {
    /// None for a time without a price.
    pub price: Option<(Micros, Currency)>,
    /// Of the catalogue's topic: the record that set it.
    pub offset: i64,
    /// As the shop said; `None` until it is asked for, and if the log no longer has the record.
    pub since: Option<EventMs>,
}

/// The prices of an item without their moments, oldest first, one for each change; and whether these are all.
pub(crate) async fn past(app: &App, number: u32) -> Result<(Vec<Past>, bool), ApiError> {
    let truth = app.context.truth.clone();
    let question = async move {
        let versions = truth.item_versions(number, VERSIONS_MAX).await?;
        let row = |version: ItemVersion| {
            let row =
                CatalogueItem::decode(&version.data).map_err(|e| StoreError::Unusable(e.to_string()))?;
            Ok(Past { price: row.price, offset: version.from_off, since: None })
        };
        versions.into_iter().rev().map(row).collect::<Result<Vec<_>, StoreError>>()
    };
    let mut past = app.ask(app.context.options.request_timeout, question).await?;
    let complete = past.len() < VERSIONS_MAX;
    past.dedup_by(|next, before| next.price == before.price);
    Ok((past, complete))
}

/// Asks the log for the moment of each, newest first, for as long as the patience lasts.
pub(crate) async fn date(app: &App, past: &mut [Past], patience: Duration) {
    let max = ReadMax { records: 1, bytes: EVENT_BYTES_MAX };
    let dated = async {
        for past in past.iter_mut().rev() {
            match app.context.log.read(Topic::Catalogue, 0, past.offset, max).await {
                Ok(records) => {
                    let record = records.first().filter(|record| record.offset == past.offset);
                    let event = record.and_then(|r| r.value.as_ref()).and_then(|bytes| decode(bytes).ok());
                    past.since = event.map(|event| event.at);
                }
                Err(error) => return app.complain(&error),
            }
        }
    };
    // What is dated by then stays.
    let _ = tokio::time::timeout(patience, dated).await;
}
