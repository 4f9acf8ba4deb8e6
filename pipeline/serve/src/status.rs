//! What monitors ask: alive, ready, metrics; and the plain `/health` of older clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptide_schemas::Topic;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::params::NoQuery;
use crate::questions::Unanswered;

/// A probe that waits longer counts as failed by most orchestrators.
const PROBE_PATIENCE: Duration = Duration::from_millis(800);
/// Records of the catalogue topic that the live catalogue may lag: a large import is not an outage, its beginning is.
const CATALOGUE_LAG_MAX: i64 = 10_000;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// `live` or `ready`.
    pub status: &'static str,
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
/// Log and store answer, the live catalogue keeps up with the log, and no shard of this process has stopped.
#[utoipa::path(
    get, path = "/ready", tag = "status",
    responses((status = 200, description = "Ready.", body = Status), (status = 503, description = "What is missing.", body = NotReady)),
)]
pub(crate) async fn ready(State(app): State<Arc<App>>, _: NoQuery) -> Response {
    let truth = app.context.truth.clone();
    let (log, store) =
        tokio::join!(log_check(&app), app.ask(PROBE_PATIENCE, async move { truth.ping().await }));
    let mut checks = BTreeMap::new();
    checks.insert("store", store.map_or_else(|e| e.body.message, |()| "ok".to_owned()));
    match log {
        Ok(next) => {
            checks.insert("log", "ok".to_owned());
            let lag = next.saturating_sub(app.context.live.catalogue().offset());
            let behind = CATALOGUE_LAG_MAX < lag;
            let said = if behind {
                format!("the live catalogue is {lag} records behind the log")
            } else {
                "ok".to_owned()
            };
            checks.insert("catalogue", said);
        }
        Err(error) => {
            checks.insert("log", error);
        }
    }
    checks.insert("shards", shards_check(&app.context.live.shards_down()));
    let Some((field, message)) = checks.iter().find(|(_, said)| *said != "ok").map(|(f, m)| (*f, m.clone()))
    else {
        return axum::Json(Status { status: "ready" }).into_response();
    };
    let body = NotReady { code: "unavailable", field, message, checks };
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, axum::Json(body)).into_response()
}

async fn log_check(app: &App) -> Result<i64, String> {
    let log = app.context.log.clone();
    let asked = app.questions.ask(PROBE_PATIENCE, async move { log.watermarks(Topic::Catalogue, 0).await });
    match asked.await {
        Ok(Ok(marks)) => Ok(marks.next),
        Ok(Err(_)) | Err(Unanswered::Failed) => Err("the log cannot be reached".to_owned()),
        Err(Unanswered::Silent) => Err(format!("the log was silent for {} ms", PROBE_PATIENCE.as_millis())),
        Err(Unanswered::Crowded) => Err("too many questions wait for the store".to_owned()),
    }
}

fn shards_check(down: &[u32]) -> String {
    match down {
        [] => "ok".to_owned(),
        [one] => format!("shard {one} has stopped on an error"),
        many => {
            let names: Vec<String> = many.iter().map(u32::to_string).collect();
            format!("shards {} have stopped on an error", names.join(", "))
        }
    }
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
#[schema(example = json!({"status": "healthy", "model_loaded": true, "num_users": 1000, "num_items": 600}))]
pub(crate) struct Health {
    /// `healthy`, or `degraded` when the store does not answer.
    pub status: &'static str,
    pub model_loaded: bool,
    /// 0 while the store does not answer.
    pub num_users: u64,
    pub num_items: u32,
}

/// Health
///
/// For clients of older systems; `/ready` says more.
#[utoipa::path(get, path = "/health", tag = "legacy", responses((status = 200, description = "Counts.", body = Health)))]
pub(crate) async fn health(State(app): State<Arc<App>>, _: NoQuery) -> axum::Json<Health> {
    let users = app.count_users().await;
    axum::Json(Health {
        status: if users.is_ok() { "healthy" } else { "degraded" },
        model_loaded: app.context.live.model().is_some(),
        num_users: users.unwrap_or(0),
        num_items: app.context.live.catalogue().len(),
    })
}
