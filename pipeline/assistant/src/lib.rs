//! The language model beside the rules. It may read a message that the rules do not understand, call tools, and put facts into words; what it writes is
//! held against the facts of the turn sentence by sentence ([`shoptide_models::grounding`]). Whatever goes wrong is a typed
//! [`Unused`], and the rules answer.

mod assistant;
mod breaker;
mod budget;
mod data;
mod options;
mod outcome;
mod prompts;
mod reply;
mod tools;
mod transport;
mod understand;
mod wire;

pub use assistant::{Assistant, AssistantError, Turn};
pub use data::{Ask, TEXT_CHARS_MAX, TEXTS_MAX, Text};
pub use options::{AssistantOptions, Key};
pub use outcome::{Record, Source, Unused, Written};
pub use prompts::{Prompt, REPLY, UNDERSTAND};
pub use tools::{NoTools, ToolAnswer, ToolError, ToolSpec, Tools};
pub use understand::{Reading, is_unsure, schema};
