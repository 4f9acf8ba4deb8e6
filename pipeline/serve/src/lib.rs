//! Collector and query API: events in over HTTP, ready lists with reasons out. [`router`] is a function, so tests call it
//! without a socket; [`serve`] is its loop over a listener, with patience and connections bounded.
//!
//! The log decides what an event is worth (a 2xx means it is there), the live catalogue decides what may be shown at
//! this moment, and a reader gets a list whatever else is broken.

mod app;
mod body;
mod budgets;
mod chat;
mod checks;
mod collect;
mod error;
mod facts;
mod faq;
mod gate;
mod items;
mod legacy;
mod mcp;
pub mod openai;
mod openapi;
mod options;
mod params;
mod prices;
mod profile;
mod questions;
mod read;
mod recommend;
mod router;
mod search;
mod seats;
mod server;
mod similar;
mod status;
pub mod tools;
mod users;

pub use app::ServeContext;
pub use chat::LanguageModel;
#[cfg(feature = "mcp")]
pub use mcp::{StdioError, serve_stdio};
pub use openapi::openapi;
pub use options::{ApiKey, CONNECTIONS_MAX, Cors, ServeOptions};
pub use router::{router, routes};
pub use server::{ServeError, serve, serve_status};
