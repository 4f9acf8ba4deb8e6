//! OpenAI's protocol: `POST /v1/chat/completions` and `GET /v1/models`, so that any chat client or SDK can talk to the shop. A translation and no
//! more: what is answered is decided by whoever carries out a turn ([`Turns`]), as for `POST /v1/chat`.
//!
//! A client's system messages, tools and temperature are accepted and not obeyed: the shop's own rules stand, whatever a text says.

mod answer;
mod request;
mod shop;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::mpsc;

pub use request::{MESSAGE_CHARS_MAX, MESSAGES_MAX};
pub(crate) use shop::*;

/// Bytes of a request: all messages of the longest talk.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Pieces of a reply that may wait for a slow reader before whoever writes them waits too.
pub const PIECES_WAITING_MAX: usize = 8;

/// One message of a talk so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// By the shopper, not by the shop.
    pub by_user: bool,
    pub text: String,
}

/// A turn as a client of the protocol asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnAsk {
    /// The request's `user`: whoever holds the key says for whom he asks, as with `POST /v1/chat`.
    pub user: Option<String>,
    /// `metadata.session_id`: a session that the shop keeps; without one the talk is in `earlier`.
    pub session: Option<String>,
    /// Messages before the last, oldest first.
    pub earlier: Vec<Said>,
    /// The last message, which is the shopper's.
    pub message: String,
}

/// What a turn ended with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TurnDone {
    /// The whole reply; what was sent piece by piece is its beginning, or the client is told the rest.
    pub reply: String,
    /// Names the answer: `chatcmpl-` and this.
    pub message_id: String,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// What the protocol has no place for (products, source), as the key `shoptide`.
    pub more: Option<Value>,
}

/// Why there is no turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnError {
    /// 400: the field of the request, and what is wrong with it.
    Bad { field: &'static str, message: String },
    /// 404: no such session, or somebody else's.
    NoSession,
    /// 429: messages come too fast; seconds to wait.
    TooMany { retry_after_s: u64 },
    /// 503.
    Unavailable,
}

/// Carries out turns.
#[async_trait]
pub trait Turns: Send + Sync + 'static {
    /// What `GET /v1/models` lists and a request may name; never empty.
    fn models(&self) -> Vec<String>;

    /// One turn. Pieces of the reply go to `out` as they stand; nobody may be listening. Ends within a bound of its own: it is not stopped when
    /// the reader is slow, only when he leaves.
    async fn turn(&self, ask: TurnAsk, out: mpsc::Sender<String>) -> Result<TurnDone, TurnError>;
}

/// Seconds since 1970.
pub type ClockS = Arc<dyn Fn() -> i64 + Send + Sync>;

#[derive(Clone)]
struct Shared {
    turns: Arc<dyn Turns>,
    clock: ClockS,
}

/// The two routes.
pub fn openai_router(turns: Arc<dyn Turns>, clock: ClockS) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(completions))
        .route("/v1/models", get(models))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Shared { turns, clock })
}

async fn completions(State(shared): State<Shared>, body: Bytes) -> Response {
    let Shared { turns, clock } = shared;
    match request::read(&body, &turns.models()) {
        Ok(asked) if asked.stream => answer::streamed(turns, asked, clock()).await,
        Ok(asked) => answer::whole(turns, asked, clock()).await,
        Err(refused) => answer::refused(refused),
    }
}

async fn models(State(shared): State<Shared>) -> Response {
    answer::models(&shared.turns.models())
}
