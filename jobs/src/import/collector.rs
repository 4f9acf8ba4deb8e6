//! Sends batches to a collector over HTTP as any producer would: JSON lines to `/v1/events`, with bounded retries.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use shoptide_schemas::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

use super::sink::{ATTEMPTS_MAX, Outgoing, Sent, Sink, SinkError, Verdict, wait_ms};

const CONNECT_MS: u64 = 2_000;
/// The collector answers in milliseconds; this is for a machine that is swapping.
const REQUEST_MS: u64 = 30_000;
/// A thousand verdicts have some 300 KiB.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A `Retry-After` beyond it is not waited out within one send.
const RETRY_AFTER_S_MAX: u64 = 5;
const MESSAGE_CHARS_MAX: usize = 300;

/// A collector, reached over HTTP without TLS: it is for one's own machine and network.
#[derive(Debug)]
pub struct CollectorSink {
    client: Client,
    events: Url,
    key: Option<HeaderValue>,
    batch_events_max: usize,
}

#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    rejected: u64,
    #[serde(default)]
    verdicts: Vec<Verdict>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: String,
    message: String,
}

/// What one try came to.
enum Tried {
    Done(Sent),
    /// Worth another try, perhaps after what the server asked for.
    Again {
        reason: String,
        after_ms: Option<u64>,
    },
    Failed(SinkError),
}

impl CollectorSink {
    /// `base` is such as `http://127.0.0.1:8000`; `key` is the write key, sent as a bearer token.
    ///
    /// # Errors
    /// [`SinkError::NotACollector`] if `base` is no plain HTTP address or `key` cannot be a header.
    pub fn new(base: &str, key: Option<&str>) -> Result<Self, SinkError> {
        // An address may hold a password, which no message repeats.
        let target = base.rsplit_once('@').map_or(base, |(_, host)| host);
        let wrong = |reason: String| SinkError::NotACollector { target: target.to_owned(), reason };
        let url = Url::parse(base).map_err(|e| wrong(e.to_string()))?;
        if url.scheme() != "http" {
            return Err(wrong("expected an address such as http://127.0.0.1:8000".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() || url.path() != "/" {
            return Err(wrong(
                "expected a host and a port only; the write key goes into --key-file".to_owned(),
            ));
        }
        let events = url.join("/v1/events").map_err(|e| wrong(e.to_string()))?;
        let key = key
            .map(|key| HeaderValue::try_from(format!("Bearer {key}")))
            .transpose()
            .map_err(|_| wrong("the write key has characters that no header may have".to_owned()))?
            .map(|mut key| {
                key.set_sensitive(true);
                key
            });
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_millis(CONNECT_MS))
            .timeout(Duration::from_millis(REQUEST_MS))
            .build()
            .map_err(|e| wrong(e.to_string()))?;
        Ok(Self { client, events, key, batch_events_max: BATCH_EVENTS_MAX })
    }

    fn target(&self) -> String {
        self.events.to_string()
    }

    async fn send_part(&self, body: Vec<u8>) -> Result<Sent, SinkError> {
        let body = bytes::Bytes::from(body);
        let mut last = String::new();
        for attempt in 0..ATTEMPTS_MAX {
            match self.attempt(body.clone()).await {
                Tried::Done(sent) => return Ok(sent),
                Tried::Failed(error) => return Err(error),
                Tried::Again { reason, after_ms } => {
                    last = reason;
                    let ms = wait_ms(attempt).max(after_ms.unwrap_or(0));
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
            }
        }
        Err(SinkError::Away { target: self.target(), attempts: ATTEMPTS_MAX, reason: last })
    }

    async fn attempt(&self, body: bytes::Bytes) -> Tried {
        let mut request =
            self.client.post(self.events.clone()).header(CONTENT_TYPE, "application/x-ndjson").body(body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(e) => return Tried::Again { reason: innermost(&e), after_ms: None },
        };
        let status = response.status();
        let after_ms = retry_after_ms(&response);
        let answer = match read_bounded(response).await {
            Ok(answer) => answer,
            Err(reason) => return Tried::Again { reason, after_ms: None },
        };
        let refusal = || serde_json::from_slice::<Refusal>(&answer).unwrap_or_default();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return Tried::Again { reason: format!("{} {}", status.as_u16(), refusal().message), after_ms };
        }
        // A batch without one good event is answered with 4xx, and with verdicts like any other.
        if let Ok(Answer { accepted, rejected, verdicts }) = serde_json::from_slice::<Answer>(&answer) {
            return Tried::Done(Sent { accepted, rejected, verdicts });
        }
        if !status.is_success() {
            let Refusal { code, message } = refusal();
            let message = format!("{code} {message}").trim().chars().take(MESSAGE_CHARS_MAX).collect();
            return Tried::Failed(SinkError::Refused {
                target: self.target(),
                status: status.as_u16(),
                message,
            });
        }
        let reason = "its answer has no verdicts".to_owned();
        Tried::Failed(SinkError::NotACollector { target: self.target(), reason })
    }
}

#[async_trait]
impl Sink for CollectorSink {
    async fn send(&mut self, batch: Vec<Outgoing>) -> Result<Sent, SinkError> {
        let (mut sent, mut body, mut lines, mut base) = (Sent::default(), Vec::new(), 0, 0);
        for outgoing in batch {
            let before = body.len();
            write_line(&mut body, &outgoing);
            if 0 < lines && (self.batch_events_max == lines || BATCH_BYTES_MAX < body.len()) {
                let rest = body.split_off(before);
                sent.append(self.send_part(std::mem::replace(&mut body, rest)).await?, base);
                base += lines;
                lines = 0;
            }
            lines += 1;
        }
        if 0 < lines {
            sent.append(self.send_part(body).await?, base);
        }
        Ok(sent)
    }
}

/// Wire types always serialise into memory.
fn write_line(body: &mut Vec<u8>, outgoing: &Outgoing) {
    let before = body.len();
    let written = match outgoing {
        Outgoing::Event(event) => serde_json::to_writer(&mut *body, event),
        Outgoing::Item(item) => serde_json::to_writer(&mut *body, item),
    };
    if written.is_err() {
        // An empty object keeps the places of the others right, and the collector says what is missing.
        body.truncate(before);
        body.extend_from_slice(b"{}");
    }
    body.push(b'\n');
}

async fn read_bounded(mut response: Response) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| innermost(&e))? {
        if ANSWER_BYTES_MAX < answer.len() + chunk.len() {
            return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

fn retry_after_ms(response: &Response) -> Option<u64> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse::<u64>().ok()?;
    Some(seconds.min(RETRY_AFTER_S_MAX) * 1000)
}

/// What the operating system said; the layers above it only say that they failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
