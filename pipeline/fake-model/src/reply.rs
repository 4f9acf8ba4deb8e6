//! What one request is answered with.

use std::time::Duration;

use serde_json::Value;

/// Tokens that an answer says it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub completion: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { prompt: 100, completion: 20 }
    }
}

/// A tool that the model wants called; `arguments` is text, for a model may write anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

impl Call {
    pub fn new(id: &str, name: &str, arguments: impl ToString) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_string() }
    }
}

/// An answer, or a way to fail. Answers are streamed if the request asks for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Words, in pieces of a few characters.
    Text { text: String, usage: Usage },
    /// The model wants tools called.
    Calls { calls: Vec<Call>, usage: Usage },
    /// The model declines.
    Refusal(String),
    /// Stopped by the provider's filter.
    Filtered,
    /// Nothing is answered, for so long; then the connection is closed.
    Stall(Duration),
    /// A status with OpenAI's error body; `retry_after` in seconds.
    Status { status: u16, retry_after: Option<u64> },
    /// 200 with this body, whatever it is.
    Body { content_type: &'static str, body: String },
    /// A stream of a text that ends without its end after so many pieces: the connection breaks.
    Cut { text: String, pieces: usize },
    /// A piece of the text in each so long a time.
    Drip { text: String, every: Duration },
    /// So many bytes of text, as fast as they can be sent.
    Huge(usize),
    /// An event of the stream that is no JSON, after some words.
    BrokenEvent { text: String },
}

impl Reply {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), usage: Usage::default() }
    }

    /// Words that are JSON, as structured output is.
    pub fn json(value: &Value) -> Self {
        Self::text(value.to_string())
    }

    pub fn calls(calls: Vec<Call>) -> Self {
        Self::Calls { calls, usage: Usage::default() }
    }

    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }
}
