//! What came of asking a model, and what it took.

use serde::Serialize;
use shoptide_models::grounding::Fault;

/// Who wrote a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Model,
    Rules,
}

/// Why the rules answer instead of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unused {
    #[error("the user's or the day's tokens are spent")]
    Spent,
    #[error("as many turns as may be are waiting for the model")]
    Busy,
    #[error("the model failed often and is left alone for a while")]
    Resting,
    #[error("no answer in time")]
    TimedOut,
    #[error("the provider asks to come back later")]
    RateLimited,
    #[error("the provider fails with status {0}")]
    Failed(u16),
    /// Key, model or request are wrong: somebody must look at the configuration.
    #[error("the provider refuses the request with status {0}")]
    Rejected(u16),
    #[error("the provider cannot be reached")]
    Unreachable,
    #[error("the answer is no JSON of the protocol")]
    Broken,
    #[error("the answer ended before its end")]
    Cut,
    #[error("the answer is larger than it may be")]
    TooLarge,
    #[error("the model declined")]
    Declined,
    #[error("the model called more tools than it may")]
    TooManyCalls,
    /// Nothing that may be said was left of the reply.
    #[error("the reply does not rest on the facts")]
    Ungrounded(Option<Fault>),
    #[error("whoever asked has left")]
    Left,
}

impl Unused {
    /// A label of metrics and records; a closed set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spent => "spent",
            Self::Busy => "busy",
            Self::Resting => "resting",
            Self::TimedOut => "timed_out",
            Self::RateLimited => "rate_limited",
            Self::Failed(_) => "failed",
            Self::Rejected(_) => "rejected",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Cut => "cut",
            Self::TooLarge => "too_large",
            Self::Declined => "declined",
            Self::TooManyCalls => "too_many_calls",
            Self::Ungrounded(_) => "ungrounded",
            Self::Left => "left",
        }
    }

    /// Whether the provider failed, which speaks against asking again soon.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::TimedOut
                | Self::RateLimited
                | Self::Failed(_)
                | Self::Rejected(_)
                | Self::Unreachable
                | Self::Broken
                | Self::Cut
                | Self::TooLarge
        )
    }

    /// Whether the same request may succeed if it is sent again.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Self::RateLimited | Self::Failed(_) | Self::Unreachable)
    }
}

/// What a turn took, for its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The newest prompt that was sent; empty if none was.
    pub prompt: &'static str,
    pub model: String,
    pub source: Source,
    /// [`Unused::name`], if the rules answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// Micro-units of money.
    pub cost: i64,
    pub latency_ms: u64,
    /// HTTP requests, those that were tried again among them.
    pub requests: u32,
    pub tool_calls: u32,
    /// Sentences that the check took out.
    pub sentences_gone: u32,
}

/// A reply, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// What stood of the model's words, if that is an answer; else the rules answer.
    pub result: Result<String, Unused>,
    /// What was sent on while the model wrote. Every sentence of it stood; if `result` is an error, the rules' reply takes its place.
    pub sent: String,
    pub record: Record,
}
