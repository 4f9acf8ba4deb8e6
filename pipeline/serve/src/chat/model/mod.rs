//! The language model's part of a turn: it reads again what the rules do not understand, and words what they found. It decides nothing: products,
//! budgets and opinions are the rules', and whatever goes wrong with it means that their words stay.

#[cfg(feature = "assistant")]
mod material;
#[cfg(not(feature = "assistant"))]
mod none;
#[cfg(feature = "assistant")]
mod pen;
#[cfg(feature = "assistant")]
mod quotes;
#[cfg(feature = "assistant")]
mod tools;

use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "assistant")]
pub(super) use material::{Material, material};
#[cfg(not(feature = "assistant"))]
pub use none::LanguageModel;
#[cfg(not(feature = "assistant"))]
pub(super) use none::{Material, Pen, material};
#[cfg(feature = "assistant")]
pub use pen::LanguageModel;
#[cfg(feature = "assistant")]
pub(super) use pen::Pen;

use super::answer::TurnAnswer;

/// As an answer says that the model worded its reply.
pub(super) const BY_MODEL: &str = "model";

/// What came of the model in one turn.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// In the rules' place; every sentence of it stands.
    pub reply: Option<String>,
    /// For the message's row; nothing if no model was to be asked.
    pub record: Option<Value>,
    pub tokens_in: u64,
    pub tokens_out: u64,
}

/// An answer as its row holds it: what the client got, and beside it what the model took. Whoever reads the answer passes over the record.
#[derive(Serialize)]
pub(super) struct Stored<'a> {
    #[serde(flatten)]
    pub answer: &'a TurnAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a Value>,
}
