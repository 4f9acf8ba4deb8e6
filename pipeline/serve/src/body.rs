//! A request's body, read once for every endpoint: media type, encoding, size, patience, and the memory that all bodies
//! together may take.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use shoptide_schemas::limits::BATCH_BYTES_MAX;
use shoptide_schemas::{Code, Reject};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::error::ApiError;

/// Bodies in memory at a time, in KiB: 32 of the largest size. Beyond it a sender gets 503, whatever the number of
/// connections.
pub(crate) const BODIES_KIB_MAX: usize = 64 * 1024;
/// What is reserved before the first byte arrives; a `Content-Length` is a claim, not a reason to allocate.
const FIRST_BYTES: usize = 16 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the body is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// One value.
    Json,
    /// One value a line.
    Lines,
}

/// A body, decompressed, and its share of the memory.
pub(crate) struct ReadBody {
    pub media: Media,
    pub bytes: Vec<u8>,
    _room: Room,
}

/// Reads a body of events: JSON or JSON lines.
pub(crate) async fn read(request: Request, app: &Arc<App>) -> Result<ReadBody, ApiError> {
    let (parts, body) = request.into_parts();
    let media = media_of(&parts.headers)?;
    let gzip = is_gzip(&parts.headers)?;
    let declared =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| (BATCH_BYTES_MAX as u64) < bytes) {
        return Err(too_large());
    }
    let mut room = Room { all: app.bodies.clone(), held: None };
    let patience = app.context.options.body_timeout;
    let collected = tokio::time::timeout(patience, collect(body, &mut room)).await.map_err(|_| {
        let message = format!("the body did not arrive within {} ms", patience.as_millis());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "body", message)
    })??;
    let bytes = if gzip { decompressed(&collected, &mut room)? } else { collected };
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err(malformed("the body begins with a byte order mark, expected JSON"));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(malformed("the body is empty, expected JSON"));
    }
    Ok(ReadBody { media, bytes, _room: room })
}

/// A body of exactly one JSON value of a known shape.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let body = read(request, app).await?;
        if body.media == Media::Lines {
            return Err(ApiError::media("content-type", "content-type is not application/json"));
        }
        if let Err(reject) = object(&body.bytes) {
            // A list that is no JSON either is malformed in the first place.
            let list = serde_json::from_slice::<serde::de::IgnoredAny>(&body.bytes);
            return Err(list.map_or_else(|e| ApiError::json(&e), |_| ApiError::unprocessable(reject)));
        }
        serde_json::from_slice(&body.bytes).map(Json).map_err(|e| ApiError::json(&e))
    }
}

/// Serde would also take a list for an object, its fields by position; nobody means that.
///
/// # Errors
/// [`Code::Malformed`] for a list.
pub(crate) fn object(bytes: &[u8]) -> Result<(), Reject> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(Reject::new(Code::Malformed, "body", "a list where an object is expected")),
        _ => Ok(()),
    }
}

/// What a body holds of [`BODIES_KIB_MAX`]; given back when it is dropped.
struct Room {
    all: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Makes sure that `bytes` are covered.
    fn cover(&mut self, bytes: usize) -> Result<(), ApiError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = bytes.div_ceil(1024).checked_sub(held).filter(|kib| 0 < *kib) else {
            return Ok(());
        };
        let full = || ApiError::overloaded("body", "too many bodies are being read, come back in a second");
        let more = u32::try_from(missing).map_err(|_| full())?;
        let permit = self.all.clone().try_acquire_many_owned(more).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

async fn collect(body: Body, room: &mut Room) -> Result<Vec<u8>, ApiError> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::with_capacity(FIRST_BYTES);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| malformed("the body ended early"))?;
        let length = bytes.len().saturating_add(chunk.len());
        if BATCH_BYTES_MAX < length {
            return Err(too_large());
        }
        room.cover(length)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Stops one byte beyond the bound, so that a bomb costs no more than an honest body.
fn decompressed(packed: &[u8], room: &mut Room) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(FIRST_BYTES);
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(BATCH_BYTES_MAX as u64 + 1);
    reader.read_to_end(&mut bytes).map_err(|_| malformed("the body is not gzip, or is cut short"))?;
    if BATCH_BYTES_MAX < bytes.len() {
        return Err(too_large());
    }
    room.cover(bytes.len().saturating_add(packed.len()))?;
    Ok(bytes)
}

fn media_of(headers: &HeaderMap) -> Result<Media, ApiError> {
    let expected = "expected application/json or application/x-ndjson";
    let Some(value) = single(headers, header::CONTENT_TYPE)? else {
        return Err(ApiError::media("content-type", format!("content-type is missing, {expected}")));
    };
    let (name, parameters) = value.split_once(';').unwrap_or((value, ""));
    let utf8 = parameters.split(';').filter_map(|p| p.split_once('=')).all(|(key, value)| {
        let value = value.trim().trim_matches('"');
        !key.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
    });
    if !utf8 {
        return Err(ApiError::media("content-type", "charset is not utf-8"));
    }
    match name.trim() {
        json if json.eq_ignore_ascii_case("application/json") => Ok(Media::Json),
        lines if lines.eq_ignore_ascii_case("application/x-ndjson") => Ok(Media::Lines),
        _ => Err(ApiError::media("content-type", format!("content-type is another, {expected}"))),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, ApiError> {
    match single(headers, header::CONTENT_ENCODING)?.map(str::trim) {
        None => Ok(false),
        Some(identity) if identity.eq_ignore_ascii_case("identity") => Ok(false),
        Some(gzip) if gzip.eq_ignore_ascii_case("gzip") => Ok(true),
        Some(_) => {
            Err(ApiError::media("content-encoding", "content-encoding is not gzip, once, or identity"))
        }
    }
}

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ApiError> {
    let bad = || {
        let field = if name == header::CONTENT_TYPE { "content-type" } else { "content-encoding" };
        ApiError::media(field, format!("{field} is given twice or is not text"))
    };
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| bad()),
        _ => Err(bad()),
    }
}

fn too_large() -> ApiError {
    ApiError::too_large("body", format!("the body has more than {BATCH_BYTES_MAX} bytes, decompressed"))
}

pub(crate) fn malformed(message: &str) -> ApiError {
    ApiError::bad(Reject::new(Code::Malformed, "body", message))
}
