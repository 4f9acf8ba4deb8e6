//! What is read of an answer: as little as is needed, so that servers that only resemble OpenAI's can be read too.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Clone, Copy, Deserialize, PartialEq, Eq)]
pub(crate) struct WireUsage {
    #[serde(default)]
    pub prompt_tokens: u64,
    #[serde(default)]
    pub completion_tokens: u64,
}

/// A whole answer, or one event of a stream.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireAnswer {
    #[serde(default)]
    pub choices: Vec<WireChoice>,
    #[serde(default)]
    pub usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireChoice {
    #[serde(default, alias = "message")]
    pub delta: WireMessage,
    #[serde(default)]
    pub finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireMessage {
    #[serde(default)]
    pub content: Option<String>,
    #[serde(default)]
    pub refusal: Option<String>,
    #[serde(default)]
    pub tool_calls: Option<Vec<WireCall>>,
}

/// A call, or a piece of one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireCall {
    #[serde(default)]
    pub index: usize,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub function: Option<WireFunction>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireFunction {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub arguments: Option<String>,
}

impl WireAnswer {
    pub fn read(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }
}

/// Tokens of a text, estimated from above for the languages of a shop: a Chinese character is three bytes and about one token.
pub(crate) fn tokens_of(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(2)
}
