//! A request of the protocol, read as far as it matters here.

use serde::Deserialize;
use serde_json::Value;

use super::{Said, TurnAsk};

/// Messages of one request.
pub const MESSAGES_MAX: usize = 400;
/// Characters of the last message: the bound of a message to the shop. Earlier ones were bounded when they were the last.
pub const MESSAGE_CHARS_MAX: usize = 2_000;
/// Bytes of a user's or a session's id.
const ID_BYTES_MAX: usize = 128;

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub turn: TurnAsk,
    pub model: String,
    pub stream: bool,
    pub usage_wanted: bool,
}

/// Why a request is refused, in the protocol's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: u16,
    pub param: Option<&'static str>,
    pub code: &'static str,
    pub message: String,
    pub retry_after_s: Option<u64>,
}

impl Refused {
    pub fn bad(param: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, param: Some(param), code, message: message.into(), retry_after_s: None }
    }
}

/// Keys that are not here are the client's business: every SDK sends some more.
#[derive(Deserialize)]
struct Wire {
    model: String,
    messages: Vec<WireMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<WireStreamOptions>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    response_format: Option<Value>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    metadata: Option<Value>,
}

#[derive(Deserialize)]
struct WireStreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct WireMessage {
    role: String,
    #[serde(default)]
    content: Option<Value>,
}

pub(super) fn read(body: &[u8], models: &[String]) -> Result<Asked, Refused> {
    let wire: Wire = serde_json::from_slice(body).map_err(|e| {
        let message: String = e.to_string().chars().filter(|c| !c.is_control()).take(160).collect();
        Refused {
            param: None,
            ..Refused::bad("body", "invalid_json", format!("the body is no request: {message}"))
        }
    })?;
    if !models.contains(&wire.model) {
        let name: String = wire.model.chars().take(64).collect();
        let message = format!("there is no model {name:?}, see /v1/models");
        return Err(Refused { status: 404, ..Refused::bad("model", "model_not_found", message) });
    }
    if wire.n.is_some_and(|n| n != 1) {
        return Err(Refused::bad("n", "unsupported_value", "n is not 1: there is one answer"));
    }
    let format = wire.response_format.as_ref().and_then(|f| f.get("type")).and_then(Value::as_str);
    if format.is_some_and(|kind| kind != "text") {
        return Err(Refused::bad("response_format", "unsupported_value", "answers are text"));
    }
    let session =
        wire.metadata.as_ref().and_then(|m| m.get("session_id")).and_then(Value::as_str).map(str::to_owned);
    for (param, id) in [("user", &wire.user), ("metadata", &session)] {
        if id.as_ref().is_some_and(|id| id.is_empty() || ID_BYTES_MAX < id.len()) {
            let message = format!("an id has 1 to {ID_BYTES_MAX} bytes");
            return Err(Refused::bad(param, "invalid_value", message));
        }
    }
    let (earlier, message) = talk(wire.messages)?;
    Ok(Asked {
        turn: TurnAsk { user: wire.user, session, earlier, message },
        model: wire.model,
        stream: wire.stream.unwrap_or(false),
        usage_wanted: wire.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
    })
}

/// The shopper's last message, and what was said before it.
fn talk(messages: Vec<WireMessage>) -> Result<(Vec<Said>, String), Refused> {
    let bad = |message: String| Refused::bad("messages", "invalid_value", message);
    if messages.is_empty() || MESSAGES_MAX < messages.len() {
        return Err(bad(format!("there are {} messages, expected 1 to {MESSAGES_MAX}", messages.len())));
    }
    let mut said: Vec<Said> = Vec::new();
    for message in messages {
        let by_user = match message.role.as_str() {
            "user" => true,
            "assistant" => false,
            // Nobody but the shop instructs the shop's assistant.
            "system" | "developer" | "tool" | "function" => continue,
            other => {
                let role: String = other.chars().take(40).collect();
                return Err(bad(format!("{role:?} is no role")));
            }
        };
        said.push(Said { by_user, text: text(message.content)? });
    }
    let Some(last) = said.pop().filter(|last| last.by_user) else {
        return Err(bad("the last message is not the user's".to_owned()));
    };
    let chars = last.text.chars().count();
    if last.text.trim().is_empty() {
        return Err(bad("the last message is empty".to_owned()));
    }
    if MESSAGE_CHARS_MAX < chars {
        return Err(bad(format!(
            "the last message has {chars} characters, expected at most {MESSAGE_CHARS_MAX}"
        )));
    }
    Ok((said, last.text))
}

/// Text, or parts that are all text.
fn text(content: Option<Value>) -> Result<String, Refused> {
    let bad = || Refused::bad("messages", "unsupported_value", "a message's content is not text");
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().map(|part| {
                let is_text = part.get("type").and_then(Value::as_str) == Some("text");
                part.get("text").and_then(Value::as_str).filter(|_| is_text).ok_or_else(bad)
            });
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        Some(_) => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: &Value) -> Result<Asked, Refused> {
        read(body.to_string().as_bytes(), &["shoptide".to_owned()])
    }

    #[test]
    fn the_last_message_is_asked_and_instructions_are_passed_over() {
        let body = json!({"model": "shoptide", "temperature": 2, "tools": [], "user": "u1", "metadata": {"session_id": "s1"}, "messages": [
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": "手机"},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "user", "content": [{"type": "text", "text": "cheaper"}, {"type": "text", "text": "please"}]},
        ]});
        let asked = asked(&body).unwrap();
        assert_eq!(asked.turn.message, "cheaper\nplease");
        let earlier: Vec<(bool, &str)> =
            asked.turn.earlier.iter().map(|s| (s.by_user, s.text.as_str())).collect();
        assert_eq!(earlier, [(true, "手机"), (false, "")]);
        assert_eq!((asked.turn.user.as_deref(), asked.turn.session.as_deref()), (Some("u1"), Some("s1")));
        assert!(!asked.stream && !asked.usage_wanted);
    }

    #[test]
    fn bad_requests_name_what_is_wrong() {
        let user = |text: &str| json!([{"role": "user", "content": text}]);
        let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]);
        for (body, status, param) in [
            (json!({"model": "gpt", "messages": user("x")}), 404, Some("model")),
            (json!({"messages": user("x")}), 400, None),
            (json!([]), 400, None),
            (json!({"model": "shoptide", "messages": []}), 400, Some("messages")),
            (json!({"model": "shoptide", "messages": user("")}), 400, Some("messages")),
            (json!({"model": "shoptide", "messages": user(&"手".repeat(2_001))}), 400, Some("messages")),
            (
                json!({"model": "shoptide", "messages": vec![user("x")[0].clone(); 401]}),
                400,
                Some("messages"),
            ),
            (json!({"model": "shoptide", "messages": image}), 400, Some("messages")),
            (
                json!({"model": "shoptide", "messages": [{"role": "assistant", "content": "x"}]}),
                400,
                Some("messages"),
            ),
            (
                json!({"model": "shoptide", "messages": [{"role": "root", "content": "x"}]}),
                400,
                Some("messages"),
            ),
            (json!({"model": "shoptide", "messages": user("x"), "n": 2}), 400, Some("n")),
            (json!({"model": "shoptide", "messages": user("x"), "user": ""}), 400, Some("user")),
            (
                json!({"model": "shoptide", "messages": user("x"), "metadata": {"session_id": "s".repeat(129)}}),
                400,
                Some("metadata"),
            ),
            (
                json!({"model": "shoptide", "messages": user("x"), "response_format": {"type": "json_object"}}),
                400,
                Some("response_format"),
            ),
        ] {
            let refused = asked(&body).unwrap_err();
            let shown: String = body.to_string().chars().take(120).collect();
            assert_eq!((refused.status, refused.param), (status, param), "{shown}");
        }
        assert_eq!(
            asked(&json!({"model": "shoptide", "messages": user(&"手".repeat(2_000))})).map(|a| a.stream),
            Ok(false)
        );
        assert!(read(b"{\"model\": \"\xff", &[]).is_err());
    }
}
