//! A route of the API, asked within the process.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

use super::{ToolError, Tools};
use crate::error::ApiError;

/// Largest answer that is read: what a route says of 20 places takes a few KiB, of a whole list some hundred.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A path with its query, each value percent-encoded: nothing in it is an operator.
#[derive(Clone)]
pub(super) struct Path(String);

impl Path {
    /// `parts` are joined by `/`; those at odd places are values.
    pub fn of(parts: &[&str]) -> Self {
        let shown = parts.iter().enumerate().map(|(place, part)| match place % 2 {
            0 => (*part).to_owned(),
            _ => encoded(part),
        });
        Self(shown.collect::<Vec<_>>().join("/"))
    }

    /// Adds a parameter, if it is given.
    pub fn with(mut self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        if let Some(value) = value {
            let apart = if self.0.contains('?') { '&' } else { '?' };
            self.0.push_str(&format!("{apart}{name}={}", encoded(value.as_ref())));
        }
        self
    }

    /// Adds ids, parted by commas that are not theirs.
    pub fn with_ids(mut self, name: &str, ids: &[String]) -> Self {
        if !ids.is_empty() {
            let apart = if self.0.contains('?') { '&' } else { '?' };
            let ids: Vec<String> = ids.iter().map(|id| encoded(id)).collect();
            self.0.push_str(&format!("{apart}{name}={}", ids.join(",")));
        }
        self
    }
}

/// Percent-encoding of all that is not unreserved: ids are opaque.
pub(super) fn encoded(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl Tools {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: Path) -> Result<T, ToolError> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        Path(path): Path,
        body: Option<&Value>,
    ) -> Result<T, ToolError> {
        let request = Request::builder().method(method).uri(path);
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        // An argument so long that it makes no address is too long for any of them.
        let too_long = |_| ToolError::from(ApiError::too_large("arguments", "the arguments are too long"));
        let request = request.map_err(too_long)?;
        let Ok(response) = self.routes.clone().oneshot(request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|_| ApiError::failed())?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| {
                tracing::error!(%error, "a tool cannot read its route's answer");
                ApiError::failed().into()
            });
        }
        Err(refused(status, &bytes))
    }
}

/// The route's error, as it said it.
fn refused(status: StatusCode, bytes: &[u8]) -> ToolError {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or("failed").to_owned();
    ToolError { status: status.as_u16(), code: text("code"), field: text("field"), message: text("message") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        let path = Path::of(&["/v1/items", "a/../b?n=1&#", "similar"]).with("n", Some("5&x=1"));
        let path = path.with("none", None::<&str>).with_ids("exclude", &["a,b".to_owned(), "c".to_owned()]);
        assert_eq!(path.0, "/v1/items/a%2F..%2Fb%3Fn%3D1%26%23/similar?n=5%26x%3D1&exclude=a%2Cb,c");
    }
}
