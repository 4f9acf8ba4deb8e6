//! The server: a port, a script, and what was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::answer::answer;
use crate::reply::Reply;

/// Requests that are remembered; the oldest are forgotten, so that a measurement of hours stays small.
const SEEN_MAX: usize = 10_000;

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub body: Value,
    /// The `Authorization` header.
    pub authorization: String,
}

type Decide = dyn Fn(&Value) -> Reply + Send + Sync;

pub(crate) struct Script {
    queue: Mutex<VecDeque<Reply>>,
    /// Asked when the queue is empty.
    otherwise: Box<Decide>,
    seen: Mutex<VecDeque<Seen>>,
}

impl Script {
    fn next(&self, body: &Value) -> Reply {
        let queued = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        queued.unwrap_or_else(|| (self.otherwise)(body))
    }

    fn remember(&self, seen: Seen) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if SEEN_MAX <= all.len() {
            all.pop_front();
        }
        all.push_back(seen);
    }
}

/// A running server; it ends when this is dropped.
pub struct FakeModel {
    address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

impl FakeModel {
    /// Answers with these, one request after another; with 500 when they are used up.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn scripted(replies: impl IntoIterator<Item = Reply>) -> std::io::Result<Self> {
        let fake = Self::deciding(|_| Reply::status(500)).await?;
        fake.queue(replies);
        Ok(fake)
    }

    /// Answers each request with what `decide` makes of its body.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn deciding(decide: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script =
            Arc::new(Script { queue: Mutex::default(), otherwise: Box::new(decide), seen: Mutex::default() });
        let router = Router::new()
            .route("/v1/chat/completions", post(completions))
            .route("/v1/models", get(models))
            .with_state(script.clone());
        let task = tokio::spawn(async move {
            // Ends with the task; a listener on this machine fails in no other way.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, script, task })
    }

    /// What to tell a client as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds to what is answered next.
    pub fn queue(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.queue.lock().unwrap_or_else(PoisonError::into_inner).extend(replies);
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn completions(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return answer(Reply::status(400), false, "").await;
    };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let reply = script.next(&body);
    script.remember(Seen { body, authorization: authorization.to_owned() });
    answer(reply, stream, &model).await
}

async fn models() -> Response {
    axum::Json(json!({"object": "list", "data": [{"id": "fake", "object": "model", "created": 0, "owned_by": "nobody"}]}))
        .into_response()
}
