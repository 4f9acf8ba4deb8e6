//! A user's monthly budget, and the erasure of a user.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shoptide_log::NewRecord;
use shoptide_schemas::wire::{WireEvent, WireTime};
use shoptide_schemas::{Code, Currency, EventMs, Micros, Reject, USER_TOPICS, UserId};
use shoptide_store::Budget;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::Json;
use crate::collect::Written;
use crate::error::ApiError;
use crate::params::{IdempotencyKey, NoQuery, PathUser};
use crate::read::text_of;

/// What a user may spend a month.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"month": "3000.00", "currency": "CNY"}))]
pub(crate) struct BudgetBody {
    /// A decimal string, 0 or more.
    pub month: Option<String>,
    /// The shop's if absent.
    #[serde(default)]
    pub currency: Option<String>,
}

/// A budget, and how much of it is left.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"user_id": "U10001", "month": "2026-05", "currency": "CNY", "limit": "3000.00", "spent": "1299.00", "left": "1701.00"}))]
pub(crate) struct BudgetAnswer {
    pub user_id: String,
    /// The month of now, UTC.
    pub month: String,
    pub currency: String,
    pub limit: String,
    /// In this currency, refunds subtracted.
    pub spent: String,
    /// Not below 0.
    pub left: String,
}

/// Set a budget
///
/// At most this much a month: items dearer than what is left of it are not recommended. A price in another currency is
/// never compared with it.
#[utoipa::path(
    put, path = "/v1/users/{id}/budget", tag = "users",
    params(("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1)),
    request_body = BudgetBody,
    responses((status = 200, description = "The budget as it is now.", body = BudgetAnswer)),
)]
pub(crate) async fn put_budget(
    State(app): State<Arc<App>>,
    PathUser(user): PathUser,
    _: NoQuery,
    Json(body): Json<BudgetBody>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::unprocessable(Reject::new(Code::Missing, "month", "month is missing"));
    let month = Micros::parse(body.month.as_deref().ok_or_else(missing)?, "month")
        .map_err(ApiError::unprocessable)?;
    let currency =
        body.currency.as_deref().map(Currency::parse).transpose().map_err(ApiError::unprocessable)?;
    let currency = currency.unwrap_or(app.context.options.currency);
    let budget = Budget { month, currency, updated_ms: app.now_ms() };
    app.set_budget(app.shard_of(&user), &user, Some(budget)).await?;
    answer(&app, &user, budget).await
}

/// A budget
///
/// The limit, what is spent of it this month, and what is left.
#[utoipa::path(
    get, path = "/v1/users/{id}/budget", tag = "users",
    params(("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1)),
    responses((status = 200, description = "The budget.", body = BudgetAnswer), (status = 404, description = "The user has no budget.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn get_budget(
    State(app): State<Arc<App>>,
    PathUser(user): PathUser,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let patience = app.context.options.request_timeout;
    let budget = app.stored_budget(app.shard_of(&user), &user, patience).await?;
    let budget = budget.ok_or_else(|| ApiError::not_found("user_id", "the user has no budget"))?;
    answer(&app, &user, budget).await
}

/// Remove a budget
#[utoipa::path(
    delete, path = "/v1/users/{id}/budget", tag = "users",
    params(("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1)),
    responses((status = 204, description = "The user has no budget (any more).")),
)]
pub(crate) async fn delete_budget(
    State(app): State<Arc<App>>,
    PathUser(user): PathUser,
    _: NoQuery,
) -> Result<StatusCode, ApiError> {
    app.set_budget(app.shard_of(&user), &user, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(app: &App, user: &UserId, budget: Budget) -> Result<Response, ApiError> {
    let state = app.state(app.shard_of(user), user, app.context.options.request_timeout).await?;
    let month = EventMs(app.now_ms()).month();
    let spent = state.spent(month, budget.currency);
    let answer = BudgetAnswer {
        user_id: text_of(user.as_bytes()).into_owned(),
        month: month_text(month),
        currency: budget.currency.to_string(),
        limit: budget.month.to_string(),
        spent: Micros(spent).to_string(),
        left: Micros(budget.month.0.saturating_sub(spent).max(0)).to_string(),
    };
    Ok(axum::Json(answer).into_response())
}

/// `202605` as `2026-05`.
pub(crate) fn month_text(month: u32) -> String {
    format!("{:04}-{:02}", month / 100, month % 100)
}

/// Where the copies of an erasure went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erasure {
    pub user_id: String,
    /// One a user topic. The user is forgotten once each is read.
    pub written: Vec<Written>,
}

/// Erase a user
///
/// Writes `user_erased` into every user topic: each part of what is known erases itself, takes back its counts, and
/// later events of this id are counted and not folded. Survives a replay.
#[utoipa::path(
    delete, path = "/v1/users/{id}", tag = "users",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the event, at most 60 bytes."),
    ),
    responses((status = 202, description = "The log has it, in every user topic.", body = Erasure)),
)]
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    PathUser(user): PathUser,
    _: NoQuery,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, ApiError> {
    let event_id = key.unwrap_or_else(|| app.new_event_id());
    let user_id = text_of(user.as_bytes()).into_owned();
    let wire = WireEvent {
        event_id: Some(event_id.clone()),
        event_type: Some("user_erased".to_owned()),
        user_id: Some(user_id.clone()),
        occurred_at: Some(WireTime::Ms(app.now_ms())),
        ..WireEvent::default()
    };
    let value = serde_json::to_vec(&wire).map(Bytes::from).map_err(crate::recommend::unwritable)?;
    let key = Bytes::copy_from_slice(user.as_bytes());
    let copy = |topic| NewRecord { topic, key: key.clone(), value: value.clone() };
    let positions = app.append(USER_TOPICS.into_iter().map(copy).collect()).await?;
    app.forget_budget(app.shard_of(&user), &user);
    let written = positions.into_iter().map(|p| Written::at(event_id.clone(), p)).collect();
    Ok((StatusCode::ACCEPTED, axum::Json(Erasure { user_id, written })).into_response())
}
