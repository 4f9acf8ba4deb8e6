//! The chat: a shopper asks in his own words, and gets real products with real reasons. `models::chat` reads the message and decides; here products
//! are found, scored and said, the dialogue is kept, and what was understood goes to the log. A language model may word the reply, if there is one.

mod answer;
mod ask;
mod effects;
mod events;
mod facts;
mod feedback;
mod find;
mod kept;
mod knowledge;
mod limits;
mod model;
mod reply;
mod said;
mod scene;
mod select;
mod session;
mod shop_answers;
mod source;
mod sse;
mod talks;
mod turn;
mod why;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use shoptide_models::chat::Lexicon;
use shoptide_schemas::{EventMs, UserId};

use answer::MessageBody;
pub(crate) use answer::{Messages, TurnAnswer};
pub(crate) use ask::Asked;
use ask::{ChatBody, FeedbackBody};
use knowledge::{Knowledge, Known};
use limits::{Limits, MESSAGES_A_MINUTE, VISITORS_A_MINUTE};
pub use model::LanguageModel;
use session::unknown;
use shop_answers::ShopAnswers;
use source::Source;
use talks::Talks;
pub(crate) use turn::{Ended, begin};

use crate::app::{App, ServeContext};
use crate::body::Json;
use crate::error::ApiError;
use crate::params::{MessagesQuery, NoQuery, PathName};

/// Where a turn may wait for a language model.
pub(crate) const PATHS: [&str; 2] = ["/v1/chat", "/v1/chat/completions"];

/// What the chat of a process holds between requests.
pub(crate) struct Chat {
    /// `None` if this process does not read the catalogue's words.
    knowledge: Option<Knowledge>,
    limits: Limits,
    talks: Talks,
    /// Asked in turn where the catalogue does not know.
    sources: Vec<Box<dyn Source>>,
}

impl Chat {
    pub fn start(context: &ServeContext) -> Self {
        let start = || Knowledge::start(context.live.watch_catalogue());
        let knowledge = context.options.chat.then(start).transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "there will be no chat");
            None
        });
        Self {
            knowledge,
            limits: Limits::default(),
            talks: Talks::default(),
            sources: vec![Box::new(ShopAnswers(context.live.clone()))],
        }
    }

    /// Whether the words of the catalogue are known, or will be.
    pub fn learns(&self) -> bool {
        self.knowledge.is_some()
    }

    /// Reads what is known of words and shelves.
    ///
    /// # Errors
    /// 503 until the catalogue was read once.
    fn with<T>(&self, look: impl FnOnce(&Known) -> T) -> Result<T, ApiError> {
        let Some(knowledge) = &self.knowledge else {
            return Err(ApiError::unavailable("chat", "this process has no chat"));
        };
        match &*knowledge.read() {
            Some(known) => Ok(look(known)),
            None => {
                let message = "the words of the catalogue are being read, come back in a second";
                Err(ApiError::unavailable("chat", message))
            }
        }
    }

    /// The words of the catalogue, the only ones of this process. They may be a moment behind the live catalogue, or before it.
    ///
    /// # Errors
    /// 503 until the catalogue was read once.
    pub fn words<T>(&self, look: impl FnOnce(&Lexicon) -> T) -> Result<T, ApiError> {
        self.with(|known| look(&known.lexicon))
    }

    /// # Errors
    /// 429 for a user who has said enough for this minute.
    fn limit(&self, user: &UserId, now_ms: i64) -> Result<(), ApiError> {
        self.limits.take(user, now_ms).map_err(|wait_ms| {
            let message =
                format!("a user may send {MESSAGES_A_MINUTE} messages a minute, the next in {wait_ms} ms");
            too_many(message, wait_ms)
        })
    }

    /// # Errors
    /// 429 if visitors have begun enough dialogues for this minute.
    fn limit_visitors(&self, now_ms: i64) -> Result<(), ApiError> {
        self.limits.visitor(now_ms).map_err(|wait_ms| {
            let message = format!(
                "visitors may begin {VISITORS_A_MINUTE} dialogues a minute in all, the next in {wait_ms} ms; name the user, or his session"
            );
            too_many(message, wait_ms)
        })
    }
}

fn too_many(message: String, wait_ms: i64) -> ApiError {
    ApiError::too_many("user_id", message, u64::try_from(wait_ms).unwrap_or(0).div_ceil(1_000))
}

/// Chat
///
/// One message of a shopper, in Chinese, English or both, and the answer: a reply, and products that exist, are in stock, cost what is said, and
/// are within what is left of the user's month, each with the parts of its score and its reasons. Without `session_id` a dialogue begins.
/// Without `user_id` it is a visitor's, whom only the session's name knows. The message goes to the log as `chat_intent` and moves preferences
/// as searches do, unless it is a visitor's. At most 20 messages a minute a user; visitors begin at most 1,200 dialogues a minute in all.
///
/// The products are always those of the shop's rules. The reply is theirs too, unless a language model is configured: then it words what they found, each
/// sentence is checked against it, and `source` says whose words it is.
///
/// With `"stream": true` the answer is server-sent events: `answer` (session, intent), `products`, `words` one after another, `done` (reply, source,
/// followups). The `reply` of `done` is the whole one; if it is not what the words add up to, it takes their place. An `error` in the place of `done`
/// has the body of errors.
#[utoipa::path(
    post, path = "/v1/chat", tag = "chat",
    request_body = ChatBody,
    responses(
        (status = 200, description = "The answer.", content((TurnAnswer = "application/json"), (String = "text/event-stream"))),
        (status = 404, description = "This user has no such session.", body = crate::error::ErrorBody),
        (status = 409, description = "The session is full, or was spoken in at the same time.", body = crate::error::ErrorBody),
        (status = 429, description = "Too many messages in a minute; `Retry-After` says when to come back.", body = crate::error::ErrorBody),
    ),
)]
pub(crate) async fn chat(
    State(app): State<Arc<App>>,
    _: NoQuery,
    Json(body): Json<ChatBody>,
) -> Result<Response, ApiError> {
    let stream = body.stream;
    let asked = body.checked().map_err(ApiError::unprocessable)?;
    let begun = begin(&app, asked).await?;
    if stream && begun.waits() {
        return Ok(sse::events(|events| sse::tell_as_it_comes(begun, events)));
    }
    let answer = begun.end(None).await?.answer;
    if stream {
        return Ok(sse::events(|events| sse::tell(answer, events)));
    }
    Ok(axum::Json(answer).into_response())
}

/// A dialogue's messages
///
/// Oldest first. A session that nobody has and one that somebody else has are the same 404.
#[utoipa::path(
    get, path = "/v1/chat/sessions/{id}/messages", tag = "chat",
    params(
        ("id" = String, Path, description = "Of an answer.", min_length = 1),
        ("user_id" = Option<String>, Query, description = "As in the dialogue; absent for a visitor."),
        ("after" = Option<u32>, Query, description = "The last `turn` of the page before."),
        ("n" = Option<u32>, Query, description = "Messages, 20 if absent.", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "The messages.", body = Messages), (status = 404, description = "This user has no such session.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn messages(
    State(app): State<Arc<App>>,
    PathName(session): PathName,
    MessagesQuery { user, after, n }: MessagesQuery,
) -> Result<Response, ApiError> {
    let (key, _) = app.chat_key_of(&session, user.as_ref()).await?;
    let (truth, patience) = (app.context.truth.clone(), app.context.options.request_timeout);
    let question = async move {
        let Some(_) = truth.chat_session(&key).await? else { return Ok(None) };
        truth.chat_messages(&key, after, n + 1).await.map(Some)
    };
    let mut found = app.ask(patience, question).await?.ok_or_else(unknown)?;
    let more = n < found.len();
    found.truncate(n);
    let mut messages = Vec::with_capacity(found.len());
    for message in found {
        let answer = serde_json::from_slice(&message.answer).map_err(|error| {
            tracing::error!(%error, "a stored answer cannot be read");
            ApiError::failed()
        })?;
        let at = EventMs(message.at_ms).to_rfc3339();
        messages.push(MessageBody { turn: message.turn, at, message: message.question, answer });
    }
    Ok(axum::Json(Messages { session_id: session, messages, more }).into_response())
}

/// Feedback
///
/// What the user says of a product that the chat showed him, once. It goes to the log as `recommendation_feedback`.
#[utoipa::path(
    post, path = "/v1/recommendations/{record_id}/feedback", tag = "chat",
    params(("record_id" = String, Path, description = "Of a product of an answer.", min_length = 1)),
    request_body = FeedbackBody,
    responses(
        (status = 204, description = "It is kept, and in the log."),
        (status = 404, description = "This user has no such recommendation.", body = crate::error::ErrorBody),
        (status = 409, description = "Feedback was given before.", body = crate::error::ErrorBody),
    ),
)]
pub(crate) async fn feedback(
    State(app): State<Arc<App>>,
    PathName(record): PathName,
    _: NoQuery,
    Json(body): Json<FeedbackBody>,
) -> Result<StatusCode, ApiError> {
    let (user, feedback, text) = body.checked().map_err(ApiError::unprocessable)?;
    feedback::take(&app, &record, user.as_ref(), feedback, text).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_the_words_are_read_nobody_is_told_of_them() {
        let chat = |knowledge| Chat {
            knowledge,
            limits: Limits::default(),
            talks: Talks::default(),
            sources: Vec::new(),
        };
        for (knowledge, part) in [(Some(Knowledge::unread()), "being read"), (None, "has no chat")] {
            let refused = chat(knowledge).words(|_| ()).unwrap_err();
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(refused.body.message.contains(part), "{}", refused.body.message);
        }
    }
}
