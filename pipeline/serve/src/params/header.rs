//! What a header says.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use shoptide_schemas::limits::EVENT_ID_BYTES_MAX;
use shoptide_schemas::{Code, Reject};

use crate::app::App;
use crate::error::ApiError;

/// The name that a client gives to a write, so that a repeat has no second effect.
pub(crate) struct IdempotencyKey(pub Option<String>);

/// The header's name.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Room for `#999`, the place in a batch.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = EVENT_ID_BYTES_MAX - 4;

impl FromRequestParts<Arc<App>> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        let bad = |code, message: String| ApiError::bad(Reject::new(code, IDEMPOTENCY_KEY, message));
        match value.to_str() {
            Ok(key) if key.trim().is_empty() => Err(bad(Code::Blank, format!("{IDEMPOTENCY_KEY} is blank"))),
            Ok(key) if IDEMPOTENCY_KEY_BYTES_MAX < key.len() => {
                let message = format!(
                    "{IDEMPOTENCY_KEY} has {} bytes, expected at most {IDEMPOTENCY_KEY_BYTES_MAX}",
                    key.len()
                );
                Err(bad(Code::TooLong, message))
            }
            Ok(key) => Ok(Self(Some(key.to_owned()))),
            Err(_) => Err(bad(Code::BadValue, format!("{IDEMPOTENCY_KEY} is not visible ASCII"))),
        }
    }
}
