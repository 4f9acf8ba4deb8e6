//! A scripted reply as HTTP: whole, or as events.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};

use crate::reply::{Call, Reply, Usage};

/// Characters of a piece of a streamed text: words are cut in the middle, as models cut them.
const PIECE_CHARS: usize = 3;
/// Until a connection breaks: enough for its last bytes to have left.
const BEFORE_CUT: Duration = Duration::from_millis(30);
/// Bytes of a piece of a huge reply.
const HUGE_PIECE_BYTES: usize = 64 * 1024;

pub(crate) async fn answer(reply: Reply, stream: bool, model: &str) -> Response {
    match reply {
        Reply::Text { text, usage } if stream => events(text_events(model, &text, "stop", Some(usage))),
        Reply::Text { text, usage } => {
            whole(model, json!({"role": "assistant", "content": text}), "stop", usage)
        }
        Reply::Calls { calls, usage } if stream => events(call_events(model, &calls, usage)),
        Reply::Calls { calls, usage } => {
            let calls: Vec<Value> = calls.iter().map(call).collect();
            whole(
                model,
                json!({"role": "assistant", "content": null, "tool_calls": calls}),
                "tool_calls",
                usage,
            )
        }
        Reply::Refusal(text) if stream => {
            let all = vec![
                chunk(model, json!({"role": "assistant", "refusal": text}), None),
                ended(model, "stop"),
                done(),
            ];
            events(all)
        }
        Reply::Refusal(text) => whole(
            model,
            json!({"role": "assistant", "content": null, "refusal": text}),
            "stop",
            Usage::default(),
        ),
        Reply::Filtered if stream => events(vec![ended(model, "content_filter"), done()]),
        Reply::Filtered => {
            whole(model, json!({"role": "assistant", "content": null}), "content_filter", Usage::default())
        }
        Reply::Stall(time) => {
            tokio::time::sleep(time).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Reply::Status { status, retry_after } => failed(status, retry_after),
        Reply::Body { content_type, body } => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Reply::Cut { text, pieces } => {
            let all = text_events(model, &text, "stop", None).into_iter().take(pieces).map(Ok);
            let all = stream::iter(all).chain(stream::once(async {
                // What came before goes out first, as it does when a connection breaks later.
                tokio::time::sleep(BEFORE_CUT).await;
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut by the script"))
            }));
            streamed(all)
        }
        Reply::Drip { text, every } => {
            let all = stream::iter(text_events(model, &text, "stop", Some(Usage::default())));
            streamed(all.then(move |event| async move {
                tokio::time::sleep(every).await;
                Ok::<_, Infallible>(event)
            }))
        }
        Reply::Huge(bytes) => huge(model, bytes, stream),
        Reply::BrokenEvent { text } => {
            let mut all = text_events(model, &text, "stop", None);
            let last = all.len().saturating_sub(2);
            all.insert(last, "data: {\"choices\": [{\"delta\"\n\n".to_owned());
            events(all)
        }
    }
}

fn whole(model: &str, message: Value, finish: &str, usage: Usage) -> Response {
    axum::Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": null}],
        "usage": used(usage),
    }))
    .into_response()
}

fn used(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt, "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    })
}

fn call(call: &Call) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

fn failed(status: u16, retry_after: Option<u64>) -> Response {
    let kind = if status == 429 { "rate_limit_exceeded" } else { "server_error" };
    let body = json!({"error": {"message": "as the script says", "type": kind, "param": null, "code": kind}});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(body)).into_response();
    if let Some(value) = retry_after.and_then(|s| s.to_string().parse().ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}

fn chunk(model: &str, delta: Value, finish: Option<&str>) -> String {
    event(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": null}],
    }))
}

fn ended(model: &str, finish: &str) -> String {
    chunk(model, json!({}), Some(finish))
}

fn usage_event(model: &str, usage: Usage) -> String {
    event(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [], "usage": used(usage),
    }))
}

fn text_events(model: &str, text: &str, finish: &str, usage: Option<Usage>) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut all = vec![chunk(model, json!({"role": "assistant", "content": ""}), None)];
    for piece in chars.chunks(PIECE_CHARS) {
        all.push(chunk(model, json!({"content": piece.iter().collect::<String>()}), None));
    }
    all.push(ended(model, finish));
    all.extend(usage.map(|usage| usage_event(model, usage)));
    all.push(done());
    all
}

/// Calls come in pieces too: the name first, then the arguments bit by bit.
fn call_events(model: &str, calls: &[Call], usage: Usage) -> Vec<String> {
    let mut all = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let begin = json!({"tool_calls": [{"index": index, "id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": ""}}]});
        all.push(chunk(model, begin, None));
        let chars: Vec<char> = call.arguments.chars().collect();
        for piece in chars.chunks(PIECE_CHARS) {
            let more = json!({"tool_calls": [{"index": index, "function": {"arguments": piece.iter().collect::<String>()}}]});
            all.push(chunk(model, more, None));
        }
    }
    all.extend([ended(model, "tool_calls"), usage_event(model, usage), done()]);
    all
}

fn events(all: Vec<String>) -> Response {
    streamed(stream::iter(all.into_iter().map(Ok::<_, Infallible>)))
}

fn streamed<E>(all: impl Stream<Item = Result<String, E>> + Send + 'static) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(all)).into_response()
}

fn huge(model: &str, bytes: usize, stream: bool) -> Response {
    let word = "y".repeat(HUGE_PIECE_BYTES);
    if stream {
        let event = chunk(model, json!({"content": word}), None);
        let all = stream::iter(
            std::iter::repeat_n(event, bytes.div_ceil(HUGE_PIECE_BYTES)).map(Ok::<_, Infallible>),
        );
        return streamed(all);
    }
    let begin = r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":""#;
    let pieces = std::iter::once(Bytes::from_static(begin.as_bytes()))
        .chain(std::iter::repeat_n(Bytes::from(word), bytes.div_ceil(HUGE_PIECE_BYTES)))
        .chain([Bytes::from_static(b"\"}}]}")]);
    let body = Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
