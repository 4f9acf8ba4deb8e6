//! A server that speaks OpenAI's chat completions as a script says, faults included: for tests and measurements of whoever calls a
//! language model. It is real HTTP on a port of its own; what it answers is decided request by request.

mod answer;
mod reply;
mod server;

pub use reply::{Call, Reply, Usage};
pub use server::{FakeModel, Seen};
