//! Answers of the protocol: whole, or as events.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::request::{Asked, Refused};
use super::{PIECES_WAITING_MAX, TurnDone, TurnError, Turns};

impl From<TurnError> for Refused {
    fn from(error: TurnError) -> Self {
        let refused = |status, code, message: &str| Self {
            status,
            param: None,
            code,
            message: message.to_owned(),
            retry_after_s: None,
        };
        match error {
            TurnError::Bad { field, message } => Self::bad(field, "invalid_value", message),
            TurnError::NoSession => {
                Self { param: Some("metadata"), ..refused(404, "not_found", "there is no such session") }
            }
            TurnError::TooMany { retry_after_s } => Self {
                retry_after_s: Some(retry_after_s),
                ..refused(429, "rate_limit_exceeded", "messages come too fast")
            },
            TurnError::Unavailable => {
                Self { retry_after_s: Some(1), ..refused(503, "unavailable", "the shop cannot answer now") }
            }
        }
    }
}

fn error_body(refused: &Refused) -> Value {
    let kind = match refused.status {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    json!({"error": {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}})
}

pub(super) fn refused(refused: Refused) -> Response {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, axum::Json(error_body(&refused))).into_response();
    if let Some(seconds) = refused.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub(super) fn models(models: &[String]) -> Response {
    let all =
        models.iter().map(|id| json!({"id": id, "object": "model", "created": 0, "owned_by": "shoptide"}));
    axum::Json(json!({"object": "list", "data": all.collect::<Vec<_>>()})).into_response()
}

fn usage(done: &TurnDone) -> Value {
    json!({
        "prompt_tokens": done.tokens_in,
        "completion_tokens": done.tokens_out,
        "total_tokens": done.tokens_in.saturating_add(done.tokens_out),
    })
}

pub(super) async fn whole(turns: Arc<dyn Turns>, asked: Asked, created: i64) -> Response {
    let (out, mut pieces) = mpsc::channel(PIECES_WAITING_MAX);
    // Nobody waits for pieces, and a turn must not wait for nobody.
    let turn = turns.turn(asked.turn, out);
    let (done, ()) = tokio::join!(turn, async { while pieces.recv().await.is_some() {} });
    let done = match done {
        Ok(done) => done,
        Err(error) => return refused(error.into()),
    };
    let mut body = json!({
        "id": format!("chatcmpl-{}", done.message_id), "object": "chat.completion", "created": created, "model": asked.model,
        "choices": [{
            "index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": done.reply, "refusal": null},
        }],
        "usage": usage(&done),
    });
    if let (Some(more), Some(body)) = (done.more, body.as_object_mut()) {
        body.insert("shoptide".to_owned(), more);
    }
    axum::Json(body).into_response()
}

/// A turn that ends when nobody reads its stream any more.
struct Running(JoinHandle<Result<TurnDone, TurnError>>);

impl Running {
    async fn ended(&mut self) -> Result<TurnDone, TurnError> {
        (&mut self.0).await.unwrap_or(Err(TurnError::Unavailable))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Stream {
    id: String,
    /// Came before the response began.
    first: Option<String>,
    /// The end, if that came before the response began.
    done: Option<TurnDone>,
    running: Running,
    pieces: mpsc::Receiver<String>,
    asked: Asked,
    created: i64,
    sent: String,
    begun: bool,
    ended: bool,
}

/// The turn runs in a task of its own: a reader who stops reading holds up what is written, not what is decided. The response begins with
/// its first words, so that a turn that fails before them has a status of its own, and stays within the bounds of requests until then.
pub(super) async fn streamed(turns: Arc<dyn Turns>, mut asked: Asked, created: i64) -> Response {
    let (out, mut pieces) = mpsc::channel(PIECES_WAITING_MAX);
    let ask = std::mem::replace(
        &mut asked.turn,
        super::TurnAsk { user: None, session: None, earlier: Vec::new(), message: String::new() },
    );
    let mut running = Running(tokio::spawn(async move { turns.turn(ask, out).await }));
    let (first, mut done) = (pieces.recv().await, None);
    if first.is_none() {
        match running.ended().await {
            Ok(without_words) => done = Some(without_words),
            Err(error) => return refused(error.into()),
        }
    }
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = format!("chatcmpl-{created}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let stream = Stream {
        id,
        first,
        done,
        running,
        pieces,
        asked,
        created,
        sent: String::new(),
        begun: false,
        ended: false,
    };
    let events = stream::unfold(stream, |mut stream| async move {
        let events = stream.next().await?;
        Some((Ok::<_, Infallible>(events), stream))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}

impl Stream {
    /// The next events; nothing after the end.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let piece = match self.first.take() {
            Some(piece) => Some(piece),
            None => self.pieces.recv().await,
        };
        if let Some(piece) = piece {
            let begin = self.begin();
            self.sent.push_str(&piece);
            return Some(begin + &self.chunk(json!({"content": piece}), None));
        }
        self.ended = true;
        let done = match self.done.take() {
            Some(done) => Ok(done),
            None => self.running.ended().await,
        };
        Some(match done {
            Ok(done) => self.end(done),
            Err(error) => event(&error_body(&error.into())),
        })
    }

    fn begin(&mut self) -> String {
        if std::mem::replace(&mut self.begun, true) {
            return String::new();
        }
        self.chunk(json!({"role": "assistant", "content": ""}), None)
    }

    /// The rest of the reply, its end, and what it took.
    fn end(&mut self, done: TurnDone) -> String {
        let mut events = self.begin();
        // What was sent cannot be taken back. A reply that is not its continuation comes after it.
        let rest = match done.reply.strip_prefix(self.sent.trim_end()) {
            Some(rest) => rest.to_owned(),
            None => format!("\n\n{}", done.reply),
        };
        if !rest.is_empty() {
            events += &self.chunk(json!({"content": rest}), None);
        }
        events += &self.chunk_with(json!({}), Some("stop"), done.more.clone());
        if self.asked.usage_wanted {
            let mut last = self.head();
            if let Some(last) = last.as_object_mut() {
                last.insert("choices".to_owned(), json!([]));
                last.insert("usage".to_owned(), usage(&done));
            }
            events += &event(&last);
        }
        events + "data: [DONE]\n\n"
    }

    /// One id for all chunks, as clients expect; the message's own is not known before the end, and is in `shoptide`.
    fn head(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created,
            "model": self.asked.model,
        })
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> String {
        self.chunk_with(delta, finish, None)
    }

    fn chunk_with(&self, delta: Value, finish: Option<&str>, more: Option<Value>) -> String {
        let mut body = self.head();
        if let Some(body) = body.as_object_mut() {
            body.insert(
                "choices".to_owned(),
                json!([{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": null}]),
            );
            if let Some(more) = more {
                body.insert("shoptide".to_owned(), more);
            }
        }
        event(&body)
    }
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}
