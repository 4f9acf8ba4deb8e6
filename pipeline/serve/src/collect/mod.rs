//! The collector: events of users and of the catalogue, one or a batch. A 2xx says that the log has them.

mod check;
mod pieces;

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptide_log::Position;
use utoipa::ToSchema;

use crate::app::App;
use crate::body;
use crate::error::ApiError;
use crate::params::NoQuery;
pub(crate) use check::Checked;
pub(crate) use pieces::pieces;

/// What became of one event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictBody<'a> {
    /// Its place in the batch.
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<&'a str>,
    /// `accepted` or `rejected`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    /// Where the log has it; of an event with `items`, its last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

/// The verdicts of a batch. When no event was good, the first reason stands at the top as in every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verdicts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    pub accepted: usize,
    pub rejected: usize,
    pub verdicts: Vec<VerdictBody<'a>>,
}

/// Collect events
///
/// One JSON object, a JSON array, or JSON lines; optionally gzip. At most 1,000 events and 2 MiB decompressed, an event at
/// most 64 KiB. Events of users and of the catalogue may be mixed. An event with GA4 `items` becomes one record a line,
/// `event_id#line`. A 2xx is sent only after the log has every accepted event; each event has its own verdict, and a bad
/// one does not hold back the good ones.
#[utoipa::path(
    post, path = "/v1/events", tag = "collect",
    request_body(
        content((serde_json::Value = "application/json"), (String = "application/x-ndjson")),
        description = "Events as docs/events.md describes them.",
    ),
    responses(
        (status = 200, description = "At least one event was accepted; the verdicts say which.", body = Verdicts,
            example = json!({"accepted": 1, "rejected": 1, "verdicts": [
                {"index": 0, "event_id": "e1", "status": "accepted", "topic": "shop.browse", "partition": 3, "offset": 41},
                {"index": 1, "event_id": "e2", "status": "rejected", "code": "missing", "field": "item_id", "message": "item_id is missing"}]})),
        (status = 422, description = "No event was accepted; the verdicts say why.", body = Verdicts),
    ),
)]
pub(crate) async fn collect(
    State(app): State<Arc<App>>,
    _: NoQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let body = body::read(request, &app).await?;
    let pieces = pieces(body.media, &body.bytes)?;
    let mut checked = Checked::with_capacity(pieces.len());
    pieces.into_iter().for_each(|piece| checked.event(piece));
    deliver(&app, checked).await
}

/// Appends what is good, in one call, and answers with the verdicts.
pub(crate) async fn deliver(app: &App, mut checked: Checked) -> Result<Response, ApiError> {
    let collected = |verdict: &str, n: usize| {
        app.context.live.metrics().collected.with_label_values(&[verdict]).inc_by(n as u64);
    };
    let accepted = checked.accepted();
    let records = std::mem::take(&mut checked.records);
    let positions = if records.is_empty() {
        Vec::new()
    } else {
        app.append(records).await.inspect_err(|_| collected("refused", accepted))?
    };
    collected("accepted", accepted);
    collected("rejected", checked.verdicts.len() - accepted);
    let verdicts = verdicts(&checked, &positions, accepted);
    let status = if 0 < accepted { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, axum::Json(verdicts)).into_response())
}

fn verdicts<'a>(checked: &'a Checked, positions: &[Position], accepted: usize) -> Verdicts<'a> {
    let body = |(index, verdict): (usize, &'a check::Verdict)| {
        let position = verdict.outcome.as_ref().ok().and_then(|at| positions.get(*at));
        let reject = verdict.outcome.as_ref().err();
        VerdictBody {
            index,
            event_id: verdict.event_id.as_deref().map(beginning),
            status: if reject.is_none() { "accepted" } else { "rejected" },
            code: reject.map(|r| r.code.as_str()),
            field: reject.map(|r| &*r.field),
            message: reject.map(|r| r.message.as_str()),
            topic: position.map(|p| p.topic.name()),
            partition: position.map(|p| p.partition),
            offset: position.map(|p| p.offset),
        }
    };
    let verdicts: Vec<VerdictBody<'a>> = checked.verdicts.iter().enumerate().map(body).collect();
    let first = verdicts.first().filter(|_| accepted == 0);
    Verdicts {
        code: first.and_then(|v| v.code),
        field: first.and_then(|v| v.field),
        message: first.and_then(|v| v.message),
        accepted,
        rejected: verdicts.len() - accepted,
        verdicts,
    }
}

/// An id that is too long is a reason to reject, not one to send 64 KiB back.
fn beginning(id: &str) -> &str {
    const SHOWN_BYTES_MAX: usize = 128;
    id.get(..id.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or(id)
}

/// Where one write of the API went.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"event_id": "api:18f:0:1", "topic": "shop.catalogue", "partition": 0, "offset": 17}))]
pub(crate) struct Written {
    pub event_id: String,
    #[schema(value_type = String)]
    pub topic: Cow<'static, str>,
    pub partition: u32,
    pub offset: i64,
}

impl Written {
    pub fn at(event_id: String, position: Position) -> Self {
        let Position { topic, partition, offset } = position;
        Self { event_id, topic: Cow::Borrowed(topic.name()), partition, offset }
    }
}
