//! The catalogue over HTTP: writes become catalogue events in the log, reads come from the live catalogue.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::wire::WireTime;
use shoptide_schemas::{Code, ItemId, Reject};
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{self, Json, object};
use crate::collect::{Checked, Verdicts, Written, deliver, pieces};
use crate::error::ApiError;
use crate::params::{IdempotencyKey, NoQuery, PathItem};
use crate::read::text_of;

/// The fields of an item. A `PUT` replaces the whole item and needs a title; a `PATCH` changes what is given.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "Headphones", "brand": "Aurora", "category": "technology/audio", "tags": ["wireless"],
    "price": "1299.00", "currency": "CNY", "stock": 12}))]
pub(crate) struct ItemBody {
    /// In a batch: whose fields these are. With an id in the path: the same, or absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub item_id: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    /// Titles in other languages, by language tag.
    #[serde(default)]
    pub titles: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub brand: Option<String>,
    /// Levels separated by `/`.
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub description: Option<String>,
    /// A decimal string; needs `currency`.
    #[serde(default)]
    pub price: Option<String>,
    #[serde(default)]
    pub currency: Option<String>,
    /// Pieces; absent is not counted.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub stock: Option<i64>,
    /// Hidden items are in no list.
    #[serde(default)]
    pub hidden: Option<bool>,
}

impl ItemBody {
    fn event(self, event_type: &str, event_id: String, now_ms: i64) -> WireCatalogue {
        WireCatalogue {
            event_id: Some(event_id),
            event_type: Some(event_type.to_owned()),
            item_id: self.item_id,
            occurred_at: Some(WireTime::Ms(now_ms)),
            title: self.title,
            titles: self.titles,
            brand: self.brand,
            category: self.category,
            tags: self.tags,
            description: self.description,
            price: self.price,
            currency: self.currency,
            stock: self.stock,
            hidden: self.hidden,
        }
    }
}

/// An item as the live catalogue has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemAnswer<'a> {
    #[schema(value_type = String)]
    pub item_id: Cow<'a, str>,
    pub title: &'a str,
    pub titles: &'a BTreeMap<String, String>,
    pub brand: &'a str,
    pub category: &'a str,
    pub tags: &'a [String],
    pub description: &'a str,
    pub price: Option<String>,
    pub currency: Option<&'a str>,
    pub stock: Option<i64>,
    pub hidden: bool,
    /// Users acted on it, and the catalogue has not named it yet.
    pub unlisted: bool,
}

/// Replace an item
///
/// The whole item anew; fields that are absent become empty. `Idempotency-Key` names the event.
#[utoipa::path(
    put, path = "/v1/items/{id}", tag = "catalogue",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the event, at most 60 bytes."),
    ),
    request_body = ItemBody,
    responses((status = 202, description = "The log has it.", body = Written)),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<ItemBody>,
) -> Result<Response, ApiError> {
    write(&app, "item_upsert", item, key, body).await
}

/// Change an item
///
/// Only the fields that are given.
#[utoipa::path(
    patch, path = "/v1/items/{id}", tag = "catalogue",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the event, at most 60 bytes."),
    ),
    request_body(content = ItemBody, example = json!({"stock": 0})),
    responses((status = 202, description = "The log has it.", body = Written)),
)]
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<ItemBody>,
) -> Result<Response, ApiError> {
    write(&app, "item_patch", item, key, body).await
}

/// Remove an item
///
/// It leaves every list at once; what users did with it stays.
#[utoipa::path(
    delete, path = "/v1/items/{id}", tag = "catalogue",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the event, at most 60 bytes."),
    ),
    responses((status = 202, description = "The log has it.", body = Written)),
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    _: NoQuery,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    write(&app, "item_removed", item, key, ItemBody::default()).await
}

async fn write(
    app: &App,
    event_type: &str,
    item: ItemId,
    IdempotencyKey(key): IdempotencyKey,
    body: ItemBody,
) -> Result<Response, ApiError> {
    let named = text_of(item.as_bytes()).into_owned();
    if body.item_id.as_ref().is_some_and(|id| *id != named) {
        let message = "item_id is not the item of the path";
        return Err(ApiError::unprocessable(Reject::new(Code::BadValue, "item_id", message)));
    }
    let event_id = key.unwrap_or_else(|| app.new_event_id());
    let mut checked = Checked::default();
    checked.catalogue(ItemBody { item_id: Some(named), ..body }.event(
        event_type,
        event_id.clone(),
        app.now_ms(),
    ));
    if let Some(Err(reject)) = checked.verdicts.pop().map(|v| v.outcome) {
        return Err(ApiError::unprocessable(reject));
    }
    let positions = app.append(checked.records).await?;
    let position = positions.first().copied().ok_or_else(ApiError::failed)?;
    Ok((StatusCode::ACCEPTED, axum::Json(Written::at(event_id, position))).into_response())
}

/// Replace a batch of items
///
/// A JSON array or JSON lines of at most 1,000 items, each with its `item_id`; verdicts as of `POST /v1/events`.
#[utoipa::path(
    post, path = "/v1/items", tag = "catalogue",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names the events, `key#place`; at most 60 bytes.")),
    request_body(content = Vec<ItemBody>),
    responses(
        (status = 200, description = "At least one item was accepted; the verdicts say which.", body = Verdicts),
        (status = 422, description = "No item was accepted; the verdicts say why.", body = Verdicts),
    ),
)]
pub(crate) async fn post_batch(
    State(app): State<Arc<App>>,
    _: NoQuery,
    IdempotencyKey(key): IdempotencyKey,
    request: Request,
) -> Result<Response, ApiError> {
    let body = body::read(request, &app).await?;
    let pieces = pieces(body.media, &body.bytes)?;
    let mut checked = Checked::with_capacity(pieces.len());
    let now_ms = app.now_ms();
    for (place, piece) in pieces.into_iter().enumerate() {
        if let Err(reject) = object(piece) {
            checked.refuse(reject);
            continue;
        }
        match serde_json::from_slice::<ItemBody>(piece) {
            Ok(item) => {
                let event_id =
                    key.as_ref().map_or_else(|| app.new_event_id(), |key| format!("{key}#{place}"));
                checked.catalogue(item.event("item_upsert", event_id, now_ms));
            }
            Err(error) => {
                let body = ApiError::json(&error).body;
                let code =
                    Code::ALL.iter().copied().find(|c| c.as_str() == body.code).unwrap_or(Code::Malformed);
                checked.refuse(Reject::new(code, body.field, body.message));
            }
        }
    }
    deliver(&app, checked).await
}

/// An item
///
/// As the live catalogue has it, at most a moment behind the log.
#[utoipa::path(
    get, path = "/v1/items/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1)),
    responses((status = 200, description = "The item.", body = ItemAnswer), (status = 404, description = "No such item.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let catalogue = app.context.live.catalogue();
    let row =
        catalogue.number(&item).and_then(|number| catalogue.row(number)).filter(|(_, row)| !row.removed);
    let (id, row) = row.ok_or_else(unknown)?;
    let answer = ItemAnswer {
        item_id: text_of(id.as_bytes()),
        title: &row.title,
        titles: &row.titles,
        brand: &row.brand,
        category: &row.category,
        tags: &row.tags,
        description: &row.description,
        price: row.price.map(|(price, _)| price.to_string()),
        currency: row.price.as_ref().map(|(_, currency)| currency.as_str()),
        stock: row.stock,
        hidden: row.hidden,
        unlisted: row.unlisted,
    };
    Ok(axum::Json(answer).into_response())
}

pub(crate) fn unknown() -> ApiError {
    ApiError::not_found("item_id", "the catalogue has no such item")
}
