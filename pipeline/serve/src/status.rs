//! What monitors ask: alive, ready, metrics; and the plain `/health` of older clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::checks::{Check, checks};
use crate::error::ApiError;
use crate::params::NoQuery;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// `live`.
    pub status: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ready", "checks": {"cache": "ok", "catalogue": "ok", "log": "ok", "shards": "ok", "store": "ok"}}))]
pub(crate) struct Ready {
    /// `ready`.
    pub status: &'static str,
    /// By part: `ok`, or what is wrong with one that everything is answered without.
    pub checks: BTreeMap<&'static str, String>,
}

/// What is missing, as an error that also lists every check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotReady {
    pub code: &'static str,
    pub field: &'static str,
    pub message: String,
    /// By part: `ok`, or what is wrong.
    pub checks: BTreeMap<&'static str, String>,
}

/// Alive
///
/// The process answers. Nothing else is asked.
#[utoipa::path(get, path = "/live", tag = "status", responses((status = 200, description = "Alive.", body = Status)))]
pub(crate) async fn live(_: NoQuery) -> axum::Json<Status> {
    axum::Json(Status { status: "live" })
}

/// Ready
///
/// Log and store answer, the live catalogue keeps up with the log, and no shard of this process has stopped. The cache is
/// listed, but its absence makes nothing unready: lists are read from the store then.
#[utoipa::path(
    get, path = "/ready", tag = "status",
    responses((status = 200, description = "Ready.", body = Ready), (status = 503, description = "What is missing.", body = NotReady)),
)]
pub(crate) async fn ready(State(app): State<Arc<App>>, _: NoQuery) -> Response {
    let found = checks(&app).await;
    let missing = found.iter().find(|check| !check.is_ok() && check.blocks);
    let missing = missing.map(|check| (check.part, check.message.clone()));
    let checks: BTreeMap<_, _> = found.into_iter().map(|check| (check.part, check.message)).collect();
    let Some((field, message)) = missing else {
        return axum::Json(Ready { status: "ready", checks }).into_response();
    };
    let body = NotReady { code: "unavailable", field, message, checks };
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, axum::Json(body)).into_response()
}

/// Metrics
///
/// The Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", tag = "status",
    responses((status = 200, description = "All metrics of this process.", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>, _: NoQuery) -> Result<Response, ApiError> {
    if !app.context.options.metrics {
        return Err(ApiError::not_found("path", "metrics are switched off"));
    }
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], app.context.live.metrics().text()).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "healthy", "model_loaded": true, "num_users": 1000, "num_items": 600, "degraded": []}))]
pub(crate) struct Health {
    /// `healthy`, or `degraded` when a part is not as it should be.
    pub status: &'static str,
    pub model_loaded: bool,
    /// 0 while the store does not answer.
    pub num_users: u64,
    pub num_items: u32,
    /// The parts that are not as they should be; empty while healthy.
    pub degraded: Vec<Degraded>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Degraded {
    /// `cache`, `catalogue`, `log`, `shards` or `store`.
    pub part: &'static str,
    /// For machines: `away`, `silent`, `crowded`, `failed`, `behind`, `stopped`; of the cache also `connecting`, `partly`, `full`,
    /// `refused`.
    pub state: &'static str,
    /// For people: what it means.
    pub message: String,
}

/// Health
///
/// Counts, and what is degraded. Always 200: what decides whether this process gets requests is `/ready`.
#[utoipa::path(get, path = "/health", tag = "legacy", responses((status = 200, description = "Counts.", body = Health)))]
pub(crate) async fn health(State(app): State<Arc<App>>, _: NoQuery) -> axum::Json<Health> {
    let (users, found) = tokio::join!(app.count_users(), checks(&app));
    let named = |check: Check| Degraded { part: check.part, state: check.state, message: check.message };
    let mut degraded: Vec<Degraded> = found.into_iter().filter(|check| !check.is_ok()).map(named).collect();
    if let Err(error) = &users
        && degraded.iter().all(|named| named.part != "store")
    {
        degraded.push(Degraded { part: "store", state: "away", message: error.body.message.clone() });
    }
    axum::Json(Health {
        status: if degraded.is_empty() { "healthy" } else { "degraded" },
        model_loaded: app.context.live.model().is_some(),
        num_users: users.unwrap_or(0),
        num_items: app.context.live.catalogue().len(),
        degraded,
    })
}
