//! What the main program decides. Plain values; the configuration has checked them.

use std::fmt;
use std::time::Duration;

/// A provider's key: sent, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How a language model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct AssistantOptions {
    /// Of anything that speaks OpenAI's protocol, such as `https://api.openai.com/v1`.
    pub base_url: String,
    pub model: String,
    /// Servers of one's own may need none.
    pub key: Option<Key>,
    /// For all requests of one turn together.
    pub timeout: Duration,
    /// Requests that are tried again within the time, after 429, 5xx and a connection that cannot be made.
    pub retries_max: u32,
    /// Turns that may wait for the model at once; the next one is answered by the rules.
    pub turns_max: usize,
    /// Tokens that one answer may take.
    pub answer_tokens_max: u32,
    /// Tokens in and out that one user may take in a UTC day.
    pub user_tokens_max: u64,
    /// The same for all visitors together, each of whom also has one user's for his dialogue.
    pub visitors_tokens_max: u64,
    /// The same for all users and visitors together.
    pub day_tokens_max: u64,
    /// Users whose tokens are counted, and as many dialogues of visitors; while a table is full, further ones are answered by the rules.
    pub users_max: usize,
    /// Rounds of tool calls before the answer must come.
    pub rounds_max: u32,
    /// Tool calls of one turn.
    pub calls_max: usize,
    /// Bytes of one tool's answer, as JSON.
    pub tool_bytes_max: usize,
    /// Bytes of one HTTP answer.
    pub body_bytes_max: usize,
    /// Failures in a row after which nobody asks for `rest`.
    pub failures_max: u32,
    pub rest: Duration,
    /// Micro-units of `cost_currency` for a million tokens.
    pub million_in_cost: i64,
    pub million_out_cost: i64,
}

impl Default for AssistantOptions {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: String::new(),
            key: None,
            timeout: Duration::from_secs(8),
            retries_max: 1,
            turns_max: 16,
            answer_tokens_max: 600,
            user_tokens_max: 100_000,
            visitors_tokens_max: 2_000_000,
            day_tokens_max: 10_000_000,
            users_max: 100_000,
            rounds_max: 3,
            calls_max: 6,
            tool_bytes_max: 16 * 1024,
            body_bytes_max: 1024 * 1024,
            failures_max: 5,
            rest: Duration::from_secs(30),
            million_in_cost: 0,
            million_out_cost: 0,
        }
    }
}
