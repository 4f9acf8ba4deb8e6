//! The one error body: `{code, field, message}`, whatever went wrong. Codes are a closed set; messages never repeat a
//! payload beyond a short beginning.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptide_log::LogError;
use shoptide_schemas::{Code, Reject};
use shoptide_store::StoreError;
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"code": "out_of_range", "field": "n", "message": "n is 101, expected 1 to 100"}))]
pub(crate) struct ErrorBody {
    /// For machines; a closed set, listed in the event reference or one of `unauthorized`, `not_found`,
    /// `method_not_allowed`, `conflict`, `too_many_requests`, `unsupported_media_type`, `timeout`, `overloaded`, `unavailable`, `failed`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// What it is about: a field, a parameter, a header, or `body`, `path`, `log`, `store`.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// For people.
    pub message: String,
}

/// A refused request.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub body: ErrorBody,
    /// When to come back, where that is known.
    pub retry_after_s: Option<u64>,
}

/// After how many seconds a refused client should come back: long enough for a queue of a second to drain.
const RETRY_AFTER_S: &str = "1";

impl ApiError {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        field: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        let body = ErrorBody { code: Cow::Borrowed(code), field: field.into(), message: message.into() };
        Self { status, body, retry_after_s: None }
    }

    /// A reject of a path, query or header: 400.
    pub fn bad(reject: Reject) -> Self {
        Self::of(StatusCode::BAD_REQUEST, reject)
    }

    /// A reject of a value in a body that is JSON: 422.
    pub fn unprocessable(reject: Reject) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, reject)
    }

    pub fn of(status: StatusCode, reject: Reject) -> Self {
        Self::new(status, reject.code.as_str(), reject.field, reject.message)
    }

    pub fn not_found(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", field, message)
    }

    pub fn too_large(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLong.as_str(), field, message)
    }

    pub fn media(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", field, message)
    }

    pub fn overloaded(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", field, message)
    }

    pub fn unavailable(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", field, message)
    }

    /// Somebody asks more often than he may.
    pub fn too_many(field: &'static str, message: impl Into<String>, retry_after_s: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self { retry_after_s: Some(retry_after_s), ..Self::new(status, "too_many_requests", field, message) }
    }

    pub fn failed() -> Self {
        let message = "the program failed on this request; it was logged";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "request", message)
    }

    /// JSON that cannot be read: 400 if it is no JSON, 422 if it is of another shape.
    pub fn json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let named = text.split('`').nth(1).map(shortened);
        if !error.is_data() {
            return Self::of(StatusCode::BAD_REQUEST, Reject::new(Code::Malformed, "body", shortened(&text)));
        }
        let (code, field) = if text.starts_with("unknown field") {
            (Code::UnknownField, named)
        } else if text.starts_with("duplicate field") {
            (Code::DuplicateField, named)
        } else if text.starts_with("missing field") {
            (Code::Missing, named)
        } else {
            (Code::BadValue, None)
        };
        let field = field.unwrap_or_else(|| "body".to_owned());
        Self::unprocessable(Reject::new(code, field, shortened(&text)))
    }
}

/// Serde repeats strings of the input; a message must not grow with the input.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 160;
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Overloaded { .. } => {
                Self::overloaded("log", "the log's queue is full, come back in a second")
            }
            other => {
                tracing::error!(error = %other, "the log cannot be written");
                Self::unavailable("log", "the log cannot be reached")
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot be used");
        Self::unavailable("store", "the store cannot be reached")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after_s.unwrap_or(1)));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}
