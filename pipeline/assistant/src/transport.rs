//! The way to the provider: one HTTP request under async-openai, with its answer bounded and looked at before the client reads it.
//!
//! The client's reader holds any number of bytes and writes what it cannot parse into the log. So a body is counted here,
//! and what is no JSON ends the answer here: neither a huge reply nor somebody's words go further.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use http::header;
use http_body_util::BodyDataStream;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::Response;
use serde::de::IgnoredAny;

use crate::outcome::Unused;

/// For a connection to the provider: what takes longer is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that wait for the next request: more than a few are only held.
const IDLE_MAX: usize = 8;
const IDLE: Duration = Duration::from_secs(30);
/// Bytes of one line of an event stream: a piece of a reply with its envelope is some hundred.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What was seen on the way that the client's error does not say.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    ended: AtomicU8,
    status: Mutex<Option<(u16, Option<Duration>)>>,
}

const BROKEN: u8 = 1;
const TOO_LARGE: u8 = 2;
const UNREACHABLE: u8 = 3;

impl Notes {
    /// The reason for an error of the client, and how long the provider asks to be left alone.
    pub fn reason(&self, error: &OpenAIError) -> (Unused, Option<Duration>) {
        if let Some((status, rest)) = *self.status.lock().unwrap_or_else(PoisonError::into_inner) {
            let unused = match status {
                429 => Unused::RateLimited,
                500.. => Unused::Failed(status),
                _ => Unused::Rejected(status),
            };
            return (unused, rest);
        }
        let unused = match self.ended.load(Ordering::Relaxed) {
            BROKEN => Unused::Broken,
            TOO_LARGE => Unused::TooLarge,
            UNREACHABLE => Unused::Unreachable,
            _ => match error {
                OpenAIError::JSONDeserialize(..) => Unused::Broken,
                OpenAIError::Boxed(_) | OpenAIError::Reqwest(_) | OpenAIError::StreamError(_) => Unused::Cut,
                _ => Unused::Unreachable,
            },
        };
        (unused, None)
    }
}

/// The connections to the provider. TLS is here and not in reqwest, whose features are those of the whole program; redirects are not
/// followed, for a provider that sends elsewhere is not the one that was configured.
pub(crate) type Http = HyperClient<HttpsConnector<HttpConnector>, reqwest::Body>;

/// # Errors
/// If this machine's root certificates cannot be read, or TLS has no version in common with itself.
pub(crate) fn http(timeout: Duration) -> io::Result<Http> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT.min(timeout)));
    connector.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(HyperClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_MAX)
        .build(https))
}

/// Carries requests of one attempt.
#[derive(Clone)]
pub(crate) struct Transport {
    pub http: Http,
    pub body_bytes_max: usize,
    pub notes: Arc<Notes>,
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let request = request.build().await?;
            let request = http::Request::try_from(request)?;
            match this.http.request(request).await {
                Ok(response) => this.looked_at(response).await,
                Err(error) => {
                    // A connection that broke before the answer began: the provider may be away, or restarting.
                    this.notes.ended.store(UNREACHABLE, Ordering::Relaxed);
                    Err(OpenAIError::Boxed(Box::new(error)))
                }
            }
        })
    }
}

impl Transport {
    async fn looked_at<B>(self, response: http::Response<B>) -> Result<Response, OpenAIError>
    where
        B: http_body_util::BodyExt<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let status = response.status();
        if !status.is_success() {
            let rest = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            let rest = rest.and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
            *self.notes.status.lock().unwrap_or_else(PoisonError::into_inner) = Some((status.as_u16(), rest));
            return Err(OpenAIError::Boxed(Box::new(io::Error::other("status"))));
        }
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let events = kind.starts_with("text/event-stream");
        let (max, notes) = (self.body_bytes_max, self.notes);
        let mut builder = http::Response::builder().status(status);
        if let Some(kind) = response.headers().get(header::CONTENT_TYPE) {
            builder = builder.header(header::CONTENT_TYPE, kind);
        }
        let counted = counted(BodyDataStream::new(response.into_body()), max, notes.clone());
        let body = if events {
            reqwest::Body::wrap_stream(lines(counted, notes))
        } else {
            reqwest::Body::from(document(counted, &notes).await?)
        };
        let built = builder.body(body).map_err(|e| OpenAIError::Boxed(Box::new(e)))?;
        Ok(Response::from(built))
    }
}

fn ended(notes: &Notes, how: u8) -> io::Error {
    notes.ended.store(how, Ordering::Relaxed);
    io::Error::other(if how == BROKEN { "no JSON" } else { "too large" })
}

/// The bytes as they come, up to the bound.
fn counted<E: std::error::Error + Send + Sync + 'static>(
    bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    max: usize,
    notes: Arc<Notes>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut left = max;
    bytes.map(move |piece| {
        let piece = piece.map_err(io::Error::other)?;
        left = left.checked_sub(piece.len()).ok_or_else(|| ended(&notes, TOO_LARGE))?;
        Ok(piece)
    })
}

/// A whole body that is JSON.
async fn document(
    bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    notes: &Notes,
) -> Result<Vec<u8>, OpenAIError> {
    let mut bytes = std::pin::pin!(bytes);
    let mut all = Vec::new();
    while let Some(piece) = bytes.next().await {
        all.extend_from_slice(&piece.map_err(|e| OpenAIError::Boxed(Box::new(e)))?);
    }
    match serde_json::from_slice::<IgnoredAny>(&all) {
        Ok(_) => Ok(all),
        Err(_) => Err(OpenAIError::Boxed(Box::new(ended(notes, BROKEN)))),
    }
}

/// An event stream in whole lines, each `data:` of which is JSON or the end.
fn lines(
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    notes: Arc<Notes>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut held: Vec<u8> = Vec::new();
    bytes.map(move |piece| {
        held.extend_from_slice(&piece?);
        let whole = held.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
        if LINE_BYTES_MAX < held.len() - whole {
            return Err(ended(&notes, TOO_LARGE));
        }
        let rest = held.split_off(whole);
        let lines = std::mem::replace(&mut held, rest);
        let sound = |line: &[u8]| match line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) {
            Some(b"[DONE]") | None => true,
            Some(data) => serde_json::from_slice::<IgnoredAny>(data).is_ok(),
        };
        if lines.split(|b| *b == b'\n').all(sound) { Ok(lines.into()) } else { Err(ended(&notes, BROKEN)) }
    })
}
