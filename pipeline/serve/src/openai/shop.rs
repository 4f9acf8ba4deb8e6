//! The protocol's two routes as part of the API: behind its keys, counted and bounded as all are; turns are the chat's.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::mpsc;

use super::{Shared, TurnAsk, TurnDone, TurnError, Turns};
use crate::app::App;
use crate::body::{Media, read};
use crate::chat::{Asked, Ended, begin};
use crate::error::{ApiError, ErrorBody};
use crate::params::NoQuery;

/// The one model that there is: the shop.
const MODEL: &str = "shoptide";

/// Turns of the chat.
struct ShopTurns(Arc<App>);

#[async_trait]
impl Turns for ShopTurns {
    fn models(&self) -> Vec<String> {
        vec![MODEL.to_owned()]
    }

    async fn turn(&self, ask: TurnAsk, out: mpsc::Sender<String>) -> Result<TurnDone, TurnError> {
        let TurnAsk { user, session, earlier, message } = ask;
        let asked = Asked::new(session, user.as_deref(), message).map_err(|reject| {
            let field = if reject.field == "user_id" { "user" } else { "messages" };
            TurnError::Bad { field, message: reject.message }
        })?;
        let said = earlier.into_iter().filter(|said| said.by_user).map(|said| said.text);
        let begun = begin(&self.0, asked.after(said)).await.map_err(refused)?;
        let written = begun.waits();
        let Ended { answer, tokens_in, tokens_out } =
            begun.end(written.then(|| out.clone())).await.map_err(refused)?;
        // Of a model's words, what was not sent as it was written comes with the end.
        for line in answer.reply.split_inclusive('\n').filter(|_| !written) {
            if out.send(line.to_owned()).await.is_err() {
                break;
            }
        }
        let more = serde_json::to_value(&answer).ok();
        let (reply, message_id) = (answer.reply, answer.message_id);
        Ok(TurnDone { reply, message_id, more, tokens_in, tokens_out })
    }
}

fn refused(error: ApiError) -> TurnError {
    match error.status {
        StatusCode::NOT_FOUND => TurnError::NoSession,
        StatusCode::TOO_MANY_REQUESTS => {
            TurnError::TooMany { retry_after_s: error.retry_after_s.unwrap_or(1) }
        }
        StatusCode::CONFLICT => TurnError::Bad { field: "metadata", message: error.body.message },
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            TurnError::Bad { field: "messages", message: error.body.message }
        }
        _ => TurnError::Unavailable,
    }
}

fn shared(app: &Arc<App>) -> Shared {
    let clock = app.context.clock.clone();
    Shared { turns: Arc::new(ShopTurns(app.clone())), clock: Arc::new(move || clock().div_euclid(1_000)) }
}

/// Chat as OpenAI's protocol has it
///
/// For clients and SDKs of that protocol, streaming included: the last message is answered as by `POST /v1/chat`, whose answer is in the key
/// `shoptide` (products, session, follow-ups). `user` names the shopper. With `metadata.session_id` a dialogue that the shop keeps goes on;
/// without, the messages of before are read again. System messages, tools and temperature are taken and not obeyed. Errors of the request
/// are in the protocol's shape.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "assistants",
    request_body(content = serde_json::Value, description = "A chat completion request.",
        example = json!({"model": "shoptide", "user": "U10001", "messages": [{"role": "user", "content": "三千以内拍照好的手机，不要苹果"}]})),
    responses(
        (status = 200, description = "A chat completion, or its pieces as server-sent events.", content((serde_json::Value = "application/json"), (String = "text/event-stream"))),
        (status = 404, description = "This user has no such session.", body = ErrorBody),
        (status = 429, description = "Too many messages in a minute; `Retry-After` says when to come back.", body = ErrorBody),
    ),
)]
pub(crate) async fn chat_completions(
    State(app): State<Arc<App>>,
    _: NoQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let body = read(request, &app).await?;
    if body.media == Media::Lines {
        return Err(ApiError::media("content-type", "content-type is not application/json"));
    }
    Ok(super::completions(State(shared(&app)), Bytes::from(body.bytes)).await)
}

/// Models as OpenAI's protocol lists them
///
/// One: `shoptide`.
#[utoipa::path(
    get, path = "/v1/models", tag = "assistants",
    responses((status = 200, description = "The list.", body = serde_json::Value)),
)]
pub(crate) async fn list_models(State(app): State<Arc<App>>, _: NoQuery) -> Response {
    super::models(State(shared(&app))).await
}
