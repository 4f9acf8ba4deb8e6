//! What every request of a known route passes: key, patience, a net under panics, and the metrics of its route.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use prometheus::Histogram;

use crate::app::App;
use crate::chat::{self, LanguageModel};
use crate::error::ApiError;
use crate::options::{ApiKey, ServeOptions};

/// Which key a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Monitors, documentation.
    Open,
    Read,
    Write,
    /// The key of readers or that of writers; what it allows is decided behind.
    Either,
}

#[derive(Clone)]
pub(crate) struct Gate {
    app: Arc<App>,
    access: Access,
    /// `GET /v1/items/{id}`: the label of metrics.
    route: Arc<str>,
    /// How long the route may wait for a language model, beside all else.
    model: Duration,
    seconds: Histogram,
}

impl Gate {
    pub fn new(app: Arc<App>, access: Access, method: &Method, path: &str) -> Self {
        let route: Arc<str> = format!("{method} {path}").into();
        let seconds = app.context.live.metrics().http.with_label_values(&[&route]);
        let model = app.context.language_model.as_ref().filter(|_| chat::PATHS.contains(&path));
        let model = model.map(LanguageModel::timeout).unwrap_or_default();
        Self { app, access, route, model, seconds }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let options = &self.app.context.options;
        let admits = |key: Option<&ApiKey>| {
            key.is_none_or(|key| given(headers).is_some_and(|given| key_matches(key, given)))
        };
        match self.access {
            Access::Open => true,
            Access::Read => admits(options.read_key.as_ref()),
            Access::Write => admits(options.write_key.as_ref()),
            Access::Either => admits(options.read_key.as_ref()) || gives_write_key(options, headers),
        }
    }
}

/// Whether there is a key of writers, and the request has it.
pub(crate) fn gives_write_key(options: &ServeOptions, headers: &HeaderMap) -> bool {
    let key = options.write_key.as_ref();
    key.zip(given(headers)).is_some_and(|(key, given)| key_matches(key, given))
}

/// `Authorization: Bearer …` or `X-API-Key: …`.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

fn key_matches(key: &ApiKey, given: &[u8]) -> bool {
    key.matches(given)
}

/// The layer around a route's handler.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = if gate.admits(request.headers()) {
        answered(&gate, request, next).await
    } else {
        let message = "a key is missing or wrong, expected as Authorization: Bearer or X-API-Key";
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "authorization", message).into_response()
    };
    gate.seconds.observe(began.elapsed().as_secs_f64());
    count(&gate.app, &gate.route, response.status());
    response
}

async fn answered(gate: &Gate, request: Request, next: Next) -> Response {
    let options = &gate.app.context.options;
    // The body has a patience of its own, and its own answer.
    let body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let patience =
        options.request_timeout + if body { options.body_timeout } else { Default::default() } + gate.model;
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(patience, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(route = %gate.route, "a handler panicked");
            ApiError::failed().into_response()
        }
        Err(_) => {
            let message = format!("no answer within {} ms", patience.as_millis());
            ApiError::unavailable("request", message).into_response()
        }
    }
}

/// Counts an answer; routes that nobody serves share one label.
pub(crate) fn count(app: &App, route: &str, status: StatusCode) {
    app.context.live.metrics().http_requests.with_label_values(&[route, status.as_str()]).inc();
}
